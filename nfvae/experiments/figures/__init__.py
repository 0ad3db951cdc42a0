"""Figures and grids of images, made from results, logs or a model."""
