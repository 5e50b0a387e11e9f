"""Losses, one a file, and which of them suits which task."""
