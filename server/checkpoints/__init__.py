"""Checkpoints of a run at the coordinator: written after each round, read to go on, or to end with what there is."""
