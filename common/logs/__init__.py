"""Logs that can't be changed afterwards: where their chains stand, signed, known to the other side, and verified."""
