"""Training and evaluation at one site in one round, or at many sites of one process together."""
