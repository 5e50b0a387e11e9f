"""Differential privacy that is counted: how noise is dealt over what a run tells, and what that promises a patient.

Everything that a site tells of its patients under ``privacy=record`` is a sum to which each patient gives a vector of
bounded length, with Gaussian noise: class counts, moments of features, gradients. dp-accounting composes them.
"""
