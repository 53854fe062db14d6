"""ResultWarning: what a reader of a risk must know, as a record; and the table of codes.

Every warning keeps its record from where it arises to the output. Text is made from records at the
edge only: nothing joins warnings into one string and splits them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

#: ``"refusal"``: no risk is given for this reason. ``"caution"``: the risk may be wrong or rests on
#: something doubtful. ``"info"``: what was assumed, estimated or left out.
Severity = Literal["info", "caution", "refusal"]


class WarningCode(NamedTuple):
    """One row of the table of codes."""

    severity: Severity
    meaning: str


#: Every code that a result can carry. Grouped by where it arises.
CODES: dict[str, WarningCode] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultWarning:
    """One thing to know about a result.

    Attributes
    ----------
    code : str
        A key of :data:`CODES`, stable between versions.
    severity : {"info", "caution", "refusal"}
    view : str or None
        The views concerned (``"L-CC"``, ``"L-CC, R-CC"``, ``"all views"``); None for the woman or
        the exam as a whole.
    text : str
        One sentence in plain English. Never holds a name of a file or of a patient.

    Examples
    --------
    >>> from mammorisk.warnings import make_warning
    >>> print(make_warning("implant", "breast implant", view="L-CC"))
    L-CC: breast implant
    """

    code: str
    severity: Severity
    view: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.view}: {self.text}" if self.view else self.text

    def to_dict(self) -> dict[str, str | None]:
        """The four fields as plain JSON types."""
        return {
            "code": self.code,
            "severity": self.severity,
            "view": self.view,
            "text": self.text,
        }


#: Warnings of one exam or row, in order.
Warnings = tuple[ResultWarning, ...]


def make_warning(code: str, text: str | None = None, *, view: str | None = None) -> ResultWarning:
    """A record with the severity of its code.

    Parameters
    ----------
    code : str
        A key of :data:`CODES`.
    text : str, optional
        The meaning of the code where not given.
    view : str, optional
        For example ``"L-CC"``.

    Raises
    ------
    KeyError
        The code is not in the table.
    """
    entry = CODES[code]
    return ResultWarning(code=code, severity=entry.severity, view=view, text=text or entry.meaning)


def merge_views(warnings: Iterable[ResultWarning], n_views: int = 0) -> Warnings:
    """Each fact once: the same code and text in several views becomes one record.

    Parameters
    ----------
    warnings : iterable of ResultWarning
    n_views : int
        Number of views of the exam; a fact of all of them (two or more) is said of "all views".

    Returns
    -------
    tuple of ResultWarning
        In the order of first appearance.
    """
    views: dict[tuple[str, str], list[str]] = {}
    first: dict[tuple[str, str], ResultWarning] = {}
    for one in warnings:
        key = (one.code, one.text)
        first.setdefault(key, one)
        names = views.setdefault(key, [])
        if one.view is not None and one.view not in names:
            names.append(one.view)
    return tuple(
        replace(
            one,
            view=None
            if not views[key]
            else "all views"
            if len(views[key]) == n_views > 1
            else ", ".join(views[key]),
        )
        for key, one in first.items()
    )


def is_refused(warnings: Iterable[ResultWarning]) -> bool:
    """Whether a part refused the woman, as opposed to not knowing something about her."""
    return any(one.severity == "refusal" for one in warnings)


def join_text(warnings: Sequence[ResultWarning]) -> str:
    """The column ``warnings`` of a result table: all texts in one string."""
    return "; ".join(str(one) for one in warnings)


def join_codes(warnings: Sequence[ResultWarning]) -> str:
    """The column ``warning_codes`` of a result table: distinct codes, separated by commas."""
    return ",".join(dict.fromkeys(one.code for one in warnings))


def warning_codes() -> pd.DataFrame:
    """The table of all warning codes.

    Returns
    -------
    DataFrame
        Indexed by ``code``, with ``severity`` and ``meaning``.

    Examples
    --------
    >>> import mammorisk as mr
    >>> mr.warning_codes().loc["brca-carrier", "severity"]
    'refusal'
    """
    import pandas as pd

    rows: list[dict[str, Any]] = [{"code": code, **entry._asdict()} for code, entry in CODES.items()]
    return pd.DataFrame(rows).set_index("code")
