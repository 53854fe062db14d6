"""Exams that arrive in a folder, scored one after the other by a queue that survives a kill."""
