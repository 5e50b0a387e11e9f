"""The fit of ``strategy=exact``: what the sites' sums say of given weights, and L-BFGS over them."""
