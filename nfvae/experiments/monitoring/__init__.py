"""Logs, TensorBoard, progress bars and the summary of a run."""
