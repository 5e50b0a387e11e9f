"""Familiarity: how far a case's features are from those of the training cases, whatever their class.

A model answers anything it is given, an ultrasound image as calmly as a film. `gaussian.py` fits one Gaussian to the
features of all hospitals' training cases, from sums; `distances.py` counts how far validation cases are from it, and
from which distance on a case is called unfamiliar; `familiarity.py` is what a run found, and what goes with its model.
"""
