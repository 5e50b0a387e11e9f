"""Processes, files, and the programs that Flower brings."""
