"""The commands: each takes its arguments or composed configuration and returns an exit status."""
