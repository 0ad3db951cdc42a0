"""From a command line to a command: Hydra, help, errors in one line, output that cannot fail."""
