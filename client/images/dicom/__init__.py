"""A DICOM file, or a folder of one series, to float pixels, as PS3.3 and PS3.5 of the standard say (docs/dicom.md)."""
