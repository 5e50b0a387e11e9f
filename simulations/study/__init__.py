"""A plan beside its baselines, over seeds and rates, with a verdict."""
