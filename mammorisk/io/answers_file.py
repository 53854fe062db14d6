"""Answers of one woman in a JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mammorisk.errors import QuestionnaireError

_REMEDY = 'Give a JSON object such as {"age": 54, "parity": 2}.'
#: Largest file of answers in bytes. All fields with long values have about 2 kB.
MAX_ANSWERS_BYTES = 2**20


def read_answers_file(path: Path) -> dict[str, Any]:
    """Read the fields of a questionnaire from a JSON file. The values are not checked.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        Values by field.

    Raises
    ------
    QuestionnaireError
        The file cannot be read, or is not a JSON object.
    """
    try:
        return parse_answers(path.read_bytes())
    except OSError as error:
        raise QuestionnaireError(
            f"the questionnaire cannot be read ({error.strerror or type(error).__name__})",
            where="questionnaire",
            remedy=_REMEDY,
            source=path.name,
        ) from None
    except QuestionnaireError as error:
        error.source = path.name
        raise


def parse_answers(content: bytes) -> dict[str, Any]:
    """Parse the fields of a questionnaire from JSON in UTF-8. The values are not checked.

    Raises
    ------
    QuestionnaireError
        It is not a JSON object, or it is too large.

    Examples
    --------
    >>> from mammorisk.io.answers_file import parse_answers
    >>> parse_answers(b'{"age": 54}')
    {'age': 54}
    """
    problem = "is not a JSON object"
    try:
        if len(content) > MAX_ANSWERS_BYTES:
            problem = f"has more than {MAX_ANSWERS_BYTES / 2**20:g} MB"
        elif isinstance(fields := json.loads(content), dict):
            return fields
    # A deeply nested list exhausts the stack.
    except (ValueError, RecursionError) as error:
        problem = f"is not JSON ({type(error).__name__})"
    raise QuestionnaireError(f"the questionnaire {problem}", where="questionnaire", remedy=_REMEDY)
