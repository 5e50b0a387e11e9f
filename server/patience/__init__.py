"""How many sites a run needs, and how a deployed run waits for them."""
