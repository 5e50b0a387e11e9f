"""Read a DICOM file, or a folder of one series, to float pixels, as PS3.3 and PS3.5 define it (docs/dicom.md)."""
