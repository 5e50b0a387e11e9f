"""Notes: reading text from tables and files, checking it, and making a network's inputs of it."""
