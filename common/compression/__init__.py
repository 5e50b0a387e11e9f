"""Codecs that make shared tensors smaller on the wire: one a file."""
