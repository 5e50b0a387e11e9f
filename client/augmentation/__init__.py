"""Views of training cases: a fixed bank of changed images, and mixtures of two cases."""
