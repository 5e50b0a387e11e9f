"""Synthetic hospitals: computed chest films as real DICOM files of different scanners."""
