"""`strategy=exact`: the head that all sites' cases together would give, by sums of gradients."""
