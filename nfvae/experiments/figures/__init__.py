"""Figures and grids of images, from results, logs or a model."""
