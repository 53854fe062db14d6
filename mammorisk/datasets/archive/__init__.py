"""From an archive of DICOM files to a manifest with outcomes."""
