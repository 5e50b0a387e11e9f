"""Attacks on a simulated run, by whoever ran it: what the released graft, and what a coordinator saw, tell of patients.

Each attack is a file that gives a `Finding`, in words and numbers; one that can't be tried on a run says why. Nothing
of a finding names a case.
"""
