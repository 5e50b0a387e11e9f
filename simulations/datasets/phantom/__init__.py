"""Hospitals drawn by a program: real DICOM files of different scanners."""
