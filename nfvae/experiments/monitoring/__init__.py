"""What people see of a run while it goes: logs, TensorBoard, a bar, a summary."""
