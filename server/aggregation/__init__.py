"""From the sites' updates to the next shared tensors."""
