"""Public data sets, one a file: files on disk to cases with a label, a patient and a hospital."""
