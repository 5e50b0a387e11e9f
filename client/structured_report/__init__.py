"""A prediction as a DICOM Structured Report, which a PACS takes. The only room that reads who a patient is."""
