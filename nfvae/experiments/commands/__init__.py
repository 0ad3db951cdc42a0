"""What each script does, from a composed configuration to an exit status."""
