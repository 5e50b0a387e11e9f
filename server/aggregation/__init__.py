"""Aggregate the sites' updates to the next shared tensors."""
