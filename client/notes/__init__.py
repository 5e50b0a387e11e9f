"""Copies of a clinical note that say the same: how they are made, and the guard that throws away those that don't."""
