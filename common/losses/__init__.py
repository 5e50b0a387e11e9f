"""Losses, one a file, and the check that a plan's loss suits its task."""
