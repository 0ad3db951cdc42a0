"""The front door: the commands, their help, and the checks before Hydra runs one."""
