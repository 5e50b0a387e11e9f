"""Kinds of input: images, rows of a table, or what a plan names; each with its backbones."""
