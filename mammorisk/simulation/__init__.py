"""Simulated data, called simulated wherever they show."""
