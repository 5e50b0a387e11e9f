"""``engine=ray``: simulated sites over the processors of one machine or of many, as actors of Ray.

Ray itself is imported by `crew`, `joining` and `survey` only, which nothing loads before a run asks for it.
"""
