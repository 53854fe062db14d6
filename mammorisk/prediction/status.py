"""Status of a result: whether there is a risk, and otherwise why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from mammorisk.warnings import CODES

#: ``"done"``: there is a risk. ``"incomplete"``: a value is not known, or the model does not answer
#: the horizon. ``"unusable"``: the input cannot be used. ``"refused"``: the model does not apply.
Status = Literal["done", "incomplete", "unusable", "refused"]

#: Refusals that are faults of the input.
_FAULTS = frozenset({"exam-unreadable", "row-invalid", "questionnaire-invalid"})
#: Exit code of a command whose results all have one status.
EXIT_CODES: dict[Status, int] = {"done": 0, "incomplete": 1, "unusable": 2, "refused": 3}


def status_of(has_risk: bool, codes: Iterable[str]) -> Status:
    """Return the status of a result.

    Parameters
    ----------
    has_risk : bool
        Whether there is a risk at any horizon.
    codes : iterable of str
        Codes of its warnings.

    Examples
    --------
    >>> from mammorisk.prediction.status import status_of
    >>> status_of(False, ["prior-breast-cancer"]), status_of(False, ["answer-missing"])
    ('refused', 'incomplete')
    """
    if has_risk:
        return "done"
    refusals = {one for one in codes if one in CODES and CODES[one].severity == "refusal"}
    if refusals & _FAULTS:
        return "unusable"
    return "refused" if refusals else "incomplete"


def exit_code(counts: Mapping[Status, int]) -> int:
    """Return the exit code of a command, which is the same for one exam and for a cohort of one.

    Parameters
    ----------
    counts : mapping of Status to int
        Number of results by status.

    Returns
    -------
    int
        0: all results have a risk. 2: the input of all of them cannot be used. 3: all are refused.
        1: any other set of results of which some have no risk.

    Examples
    --------
    >>> from mammorisk.prediction.status import exit_code
    >>> exit_code({"done": 1}), exit_code({"refused": 1})
    (0, 3)
    >>> exit_code({"done": 1, "refused": 1})
    1
    """
    found = [status for status, n in counts.items() if n]
    if len(found) > 1:
        return EXIT_CODES["incomplete"]
    return EXIT_CODES[found[0]] if found else EXIT_CODES["done"]
