"""Reports of a run: its summary, and a plot of its rounds."""
