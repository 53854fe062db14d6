"""Creation of a manifest with outcomes from an archive of DICOM files."""
