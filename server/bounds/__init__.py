"""Bounds on what one site's update may do to the model, and figures of how like the others' it is."""
