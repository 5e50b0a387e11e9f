"""Simulated sites: partitions of a data set, and folders like those of real sites."""
