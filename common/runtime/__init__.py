"""Child processes, private files, and how Flower's own programs are started."""
