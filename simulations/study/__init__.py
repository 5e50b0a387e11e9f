"""Compare a plan's federation with baselines, over seeds and learning rates, and give a verdict."""
