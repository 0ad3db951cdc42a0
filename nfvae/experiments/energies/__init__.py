"""Fits of flows to two-dimensional energies."""
