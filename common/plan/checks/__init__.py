"""Checks of a plan by itself, for contradictions and options without effect: one theme a file."""
