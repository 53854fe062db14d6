"""Fitting networks with Lightning."""
