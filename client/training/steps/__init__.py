"""How a step of training is made, where it can be made faster than through the whole of autograd."""
