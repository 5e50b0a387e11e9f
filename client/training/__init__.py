"""One round of training and evaluation at one site, or at many at once."""
