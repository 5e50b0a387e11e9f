"""Data sets, one a file: they turn files on disk into cases with a label, a patient and a hospital."""
