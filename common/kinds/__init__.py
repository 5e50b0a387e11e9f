"""Kinds of input, each with its backbones: images, rows of a table, or a kind that a plan names."""
