"""Checks of a cohort before a model is fitted or evaluated: counts, leaks, images, recipes."""
