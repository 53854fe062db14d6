"""Pixels in, arrays and measurements out."""
