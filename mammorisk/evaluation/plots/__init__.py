"""Figures of a report. Each function draws one tidy table into given axes."""
