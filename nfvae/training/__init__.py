"""Training runs: the loop, its state, checkpoints and folders."""
