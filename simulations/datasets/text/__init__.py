"""Public data sets of notes, one a file."""
