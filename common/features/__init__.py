"""Features of a backbone: at which depths they are read, and how they are scaled before the head."""
