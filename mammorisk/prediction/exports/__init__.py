"""A result in the formats of a clinic: DICOM SR, FHIR, PDF and HTML."""
