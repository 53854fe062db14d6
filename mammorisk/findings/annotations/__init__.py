"""Readers of lesions that were marked in images: one file a format."""
