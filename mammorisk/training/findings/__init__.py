"""Training of detectors of lesions."""
