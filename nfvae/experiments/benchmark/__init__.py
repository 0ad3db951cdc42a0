"""Timings of this project and of alternatives."""
