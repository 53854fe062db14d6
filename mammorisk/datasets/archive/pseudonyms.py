"""Pseudonyms: ids as keyed digests, and dates shifted by one offset for each woman."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

import pandas as pd

from mammorisk.errors import DatasetError

#: Maximum shift of dates in days, in either direction.
MOST_DAYS = 182
#: Shorter keys can be guessed together with the ids.
FEWEST_CHARACTERS = 16


@dataclass(frozen=True)
class Pseudonyms:
    """Replaces ids and shifts dates with a secret key.

    The same key gives the same pseudonyms, so that tables made at different times can be joined.
    The pseudonym of an id cannot be computed without the key.

    Parameters
    ----------
    key : str
        At least 16 characters. Keep it apart from the data.

    Raises
    ------
    DatasetError
        The key is too short.

    Examples
    --------
    >>> from mammorisk.datasets.archive.pseudonyms import Pseudonyms
    >>> pseudonyms = Pseudonyms("a long and secret key")
    >>> len(pseudonyms.of("1234567")), pseudonyms.of("1234567") == pseudonyms.of("1234568")
    (20, False)
    """

    key: str

    def __post_init__(self) -> None:
        if len(self.key) < FEWEST_CHARACTERS:
            raise DatasetError(
                f"the key has fewer than {FEWEST_CHARACTERS} characters",
                where="hash_key",
                remedy="Make one with python -c 'import secrets; print(secrets.token_hex(32))'.",
            )

    def __repr__(self) -> str:
        return "<Pseudonyms>"

    def of(self, name: str) -> str:
        """The pseudonym of an id."""
        return self._digest("id", name).hex()[:20]

    def days(self, patient_id: str) -> int:
        """Days by which the dates of a woman are shifted, from -182 to 182."""
        number = int.from_bytes(self._digest("date", patient_id)[:8], "big")
        return number % (2 * MOST_DAYS + 1) - MOST_DAYS

    def shifted(self, dates: pd.Series, patient_ids: pd.Series) -> pd.Series:
        """Dates shifted by the offset of each woman (by her id, not by her pseudonym)."""
        days = patient_ids.map(self.days, na_action="ignore").astype(float)
        return dates + pd.to_timedelta(days, unit="D")

    @property
    def fingerprint(self) -> str:
        """Hash that shows whether two runs have the same key."""
        return self._digest("fingerprint", "").hex()[:16]

    def _digest(self, kind: str, name: str) -> bytes:
        return hmac.new(self.key.encode(), f"{kind}:{name}".encode(), hashlib.sha256).digest()
