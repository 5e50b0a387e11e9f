"""Sampling of training cases against class imbalance: one method a file."""
