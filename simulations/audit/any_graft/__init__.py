"""Attacks that need no shadows: on grafts of any depth, and on models that hospitals keep for themselves."""
