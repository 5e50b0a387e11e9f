"""A study with several numbers of training cases: the curve of its figures over them."""
