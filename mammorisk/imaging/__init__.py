"""Segmentation, breast density, image quality and standardisation of mammograms."""
