"""The command line: Hydra, help, one-line errors, and robust output."""
