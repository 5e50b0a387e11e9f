"""Losses that make the features before the head alike at all sites."""
