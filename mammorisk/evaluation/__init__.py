"""Evaluation of any scores with outcomes: one estimand a function, with error and interval.

Knows tables and outcomes only, so that it serves other models' scores as well.
"""
