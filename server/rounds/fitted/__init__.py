"""Rounds of `strategy=exact`: the coordinator fits over what sites tell at given weights, with noise or without."""
