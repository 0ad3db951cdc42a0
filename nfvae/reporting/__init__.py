"""What people look at: logs, TensorBoard, pictures, summaries."""
