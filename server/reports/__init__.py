"""What a run leaves to read: its summary, and the picture of its rounds."""
