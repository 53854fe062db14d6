"""Errors in the search of one exam, which must not stop a cohort."""

from __future__ import annotations

from mammorisk.errors import ExamError, MammoriskError


def search_error(error: Exception) -> MammoriskError:
    """Return an error in the search of an exam as an error of this package.

    The text of an unexpected error is left out, because it can have the name of a file.
    """
    if isinstance(error, MammoriskError):
        return error
    if isinstance(error, MemoryError):
        return ExamError("not enough memory to search the exam")
    return ExamError(
        f"the exam cannot be searched ({type(error).__name__})",
        remedy="Please report this with a description of the images.",
    )
