"""What all commands share: how they were called, their output, their errors, and Hydra's tasks."""
