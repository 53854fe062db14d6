"""Evaluation of risks or scores with outcomes: tables, figures and page of a report.

It uses only tables and outcomes, so it also evaluates scores of other software.
"""
