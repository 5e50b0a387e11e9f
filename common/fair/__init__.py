"""Strategies that weigh sites by the losses that they tell, for the sake of the worst one: q-FFL, group DRO."""
