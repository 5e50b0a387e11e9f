"""Augmentation of training cases: a fixed bank of transformed images, and mixtures of two cases."""
