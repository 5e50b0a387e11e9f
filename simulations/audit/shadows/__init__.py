"""Grafts like a run's, trained by hundreds at once on parts of its cases: linear heads on kept features."""
