"""Many runs by one command: a process each, as many at once as there are cores."""
