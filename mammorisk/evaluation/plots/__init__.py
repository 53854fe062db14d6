"""The figures of a report. Each draws one tidy table into given axes."""
