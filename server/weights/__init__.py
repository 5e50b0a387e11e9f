"""Weights that come from or go to files outside of a run."""
