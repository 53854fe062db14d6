"""Torch modules: no files, no training."""
