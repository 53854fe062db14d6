"""Rates: incidence of breast cancer and mortality of a population, by year of age and group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mammorisk._utils.output_file import write_output
from mammorisk._utils.typing import Floats
from mammorisk.clinical.competing_risks import YearlyRates
from mammorisk.errors import RatesError
from mammorisk.records.questionnaire_fields import CATEGORIES

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.clinical.answers import Answers
    from mammorisk.clinical.notes import Notes

#: Deaths that the mortality counts.
Deaths = Literal["other causes", "all causes"]
Row = tuple[float, ...]

#: Group whose rates apply to every woman without a group of her own.
EVERYONE = "all"
#: A table without statements about itself.
UNSTATED = "not stated"


@dataclass(frozen=True, kw_only=True, repr=False)
class Rates:
    """Incidence of breast cancer and mortality of a population.

    Made by :func:`mammorisk.read_rates` from a table, or loaded by name with
    :func:`mammorisk.clinical.load_rates`.

    Attributes
    ----------
    name : str
        Short name, used in the warnings, card and provenance of a model with these rates.
    incidence : tuple of tuple of float, shape (n_groups, n_ages)
        Hazard of breast cancer per woman and year, by completed year of age.
    mortality : tuple of tuple of float, shape (n_groups, n_ages)
        Hazard of death per woman and year.
    incidence_from, mortality_from : int
        Age of the first column, years.
    groups : tuple of str
        Values of ``Questionnaire.race_ethnicity``; ``"all"`` applies to every other woman.
    rest : str
        Description of the group ``"all"``, for example ``"white women"`` in the US sets.
    deaths : {"other causes", "all causes"}
        Deaths that the mortality counts. With all causes, deaths from breast cancer are counted as
        competing events too, which lowers risks slightly.
    source, years, licence : str
        Origin of the numbers.
    doubts : tuple of str
        Implausible values of the table. Every result of a model with these rates repeats them.

    Raises
    ------
    RatesError
        Shapes differ, ages do not overlap, a group is unknown, or hazards are negative, missing or
        too large.

    See Also
    --------
    mammorisk.read_rates : Reads a table.
    mammorisk.rates : Lists the sets in the package.
    mammorisk.load_model : Takes rates as an option of a model.

    Examples
    --------
    >>> from mammorisk.clinical import load_rates
    >>> rates = load_rates("white_1995_2003")
    >>> rates.first_age, rates.end_age, len(rates.groups)
    (20, 90, 11)
    >>> frame = rates.to_frame()
    >>> frame[(frame["age"] == 60) & (frame["group"] == "white")]["incidence"].tolist()
    [0.0039743676]
    """

    name: str
    incidence: tuple[Row, ...]
    mortality: tuple[Row, ...]
    incidence_from: int
    mortality_from: int
    groups: tuple[str, ...] = (EVERYONE,)
    rest: str = "all women"
    deaths: Deaths = "other causes"
    source: str = UNSTATED
    years: str = UNSTATED
    licence: str = UNSTATED
    doubts: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        allowed = (*CATEGORIES["race_ethnicity"], EVERYONE)
        if unknown := [name for name in self.groups if name not in allowed]:
            raise RatesError(
                f"there is no group {', '.join(map(repr, unknown))}",
                where="group",
                remedy=f"One of: {', '.join(allowed)}.",
            )
        if len(set(self.groups)) < len(self.groups) or not self.groups:
            raise RatesError("a group appears twice, or there is none", where="group")
        if self.deaths not in get_args(Deaths):
            raise RatesError(
                f"{self.deaths!r} is not a kind of deaths",
                where="deaths",
                remedy=f"One of: {', '.join(get_args(Deaths))}.",
            )
        for what, rows, most in (
            ("incidence", self.incidence, 0.1),
            ("mortality", self.mortality, 2),
        ):
            if len(rows) != len(self.groups) or len({len(row) for row in rows}) != 1:
                raise RatesError("every group needs a value at every age", where=what)
            values = np.array(rows, dtype=float)
            wrong = ~((values >= 0) & (values <= most))
            if wrong.any():
                first = values[wrong][0]
                raise RatesError(
                    f"{int(wrong.sum())} hazards are outside 0 to {most:g} per woman and year; "
                    f"the first is {first:g}",
                    where=what,
                    remedy="State the unit: per=100_000 for cases per 100,000 women and year.",
                )
        if self.end_age - self.first_age < 1:
            raise RatesError(
                "incidence and mortality have no age in common",
                where="age",
                remedy="Give both for the same ages.",
            )

    @property
    def first_age(self) -> int:
        """First age with incidence and mortality, completed years."""
        return max(self.incidence_from, self.mortality_from)

    @property
    def end_age(self) -> int:
        """Age at which the rates end, exclusive: the birthday after their last year."""
        return min(
            self.incidence_from + len(self.incidence[0]),
            self.mortality_from + len(self.mortality[0]),
        )

    @cached_property
    def yearly(self) -> YearlyRates:
        """Hazards over the ages at which both are known."""
        first, end = self.first_age, self.end_age
        cause = np.array(self.incidence)[:, first - self.incidence_from : end - self.incidence_from]
        other = np.array(self.mortality)[:, first - self.mortality_from : end - self.mortality_from]
        return YearlyRates(first_age=first, cause=cause, other=other)

    def rows_of(self, women: Answers) -> NDArray[np.int64]:
        """Row of each woman; -1 where there are no rates for her."""
        places = {name: i for i, name in enumerate(self.groups) if name != EVERYONE}
        fallback = self.groups.index(EVERYONE) if EVERYONE in self.groups else -1
        return women.lookup("race_ethnicity", places, fallback).astype(np.int64)

    def note_fallback(self, women: Answers, notes: Notes) -> None:
        """Add a note for women of a group without rates of its own, where others have some."""
        if EVERYONE in self.groups and len(self.groups) > 1:
            without = self.rows_of(women) == self.groups.index(EVERYONE)
            text = f"no rates for her group in {self.name}: those of {self.rest}"
            notes.add(without, "race-assumed", text)

    @property
    def summary(self) -> str:
        """One line for warnings and cards: name, years and deaths."""
        stated = "" if self.years == UNSTATED else f" ({self.years})"
        deaths = "" if self.deaths == "other causes" else "; mortality of all causes"
        return f"{self.name}{stated}{deaths}"

    def to_frame(self) -> pd.DataFrame:
        """Return the rates as a table.

        Returns
        -------
        DataFrame
            ``group``, ``age`` (completed years), ``incidence`` and ``mortality`` (hazards per
            woman and year; NaN where not known).

        See Also
        --------
        mammorisk.clinical.Rates.to_csv : Writes the table with everything else that is known.

        Examples
        --------
        >>> from mammorisk.clinical import load_rates
        >>> load_rates("icare_lit").to_frame().tail(2)["age"].tolist()
        [83, 84]
        """
        import pandas as pd

        parts = []
        for i, group in enumerate(self.groups):
            cases = pd.Series(self.incidence[i]).rename(lambda j: j + self.incidence_from)
            died = pd.Series(self.mortality[i]).rename(lambda j: j + self.mortality_from)
            both = pd.DataFrame({"incidence": cases, "mortality": died}).sort_index()
            parts.append(both.rename_axis("age").reset_index().assign(group=group))
        return pd.concat(parts, ignore_index=True)[["group", "age", "incidence", "mortality"]]

    def to_csv(self, path: str | Path) -> Path:
        """Write the rates to a CSV that states its own units and source.

        :func:`mammorisk.read_rates` and ``mammorisk predict --rates`` read it without further
        arguments.

        Parameters
        ----------
        path : path

        Returns
        -------
        Path

        Raises
        ------
        OutputError
            The file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import mammorisk as mr
        >>> path = Path(tempfile.mkdtemp()) / "rates.csv"
        >>> rates = mr.clinical.load_rates("white_1995_2003")
        >>> mr.read_rates(rates.to_csv(path)) == rates
        True
        """
        path = Path(path)
        table = self.to_frame().assign(per=1, kind="hazard")
        for name in ("deaths", "name", "source", "years", "licence", "rest"):
            table[name] = getattr(self, name)
        return write_output(
            path, lambda file: table.to_csv(file, index=False), "the rates", where=path.name
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types.

        Returns
        -------
        dict

        Examples
        --------
        >>> from mammorisk.clinical import Rates, load_rates
        >>> rates = load_rates("icare_lit")
        >>> Rates.from_dict(rates.to_dict()) == rates
        True
        """
        told = asdict(self)
        for name in ("incidence", "mortality"):
            told[name] = [list(row) for row in told[name]]
        return told | {"groups": list(self.groups), "doubts": list(self.doubts)}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Rates:
        """Make rates from the result of :meth:`to_dict`.

        Parameters
        ----------
        told : mapping

        Returns
        -------
        Rates

        Raises
        ------
        RatesError
            A field is missing or unknown.
        """
        known = {one.name for one in fields(cls)}
        if not {"name", "incidence", "mortality"} <= set(told) <= known:
            raise RatesError(
                "this is not a table of rates",
                where="rates",
                remedy="Pass the result of Rates.to_dict.",
            )
        values = dict(told)
        for name in ("incidence", "mortality"):
            values[name] = tuple(tuple(float(value) for value in row) for row in told[name])
        for name in ("groups", "doubts"):
            values[name] = tuple(told[name])
        return cls(**values)

    def describe(self) -> dict[str, Any]:
        """Return what a result must state about these rates, without the numbers.

        Returns
        -------
        dict
            ``name``, ``years``, ``source``, ``licence``, ``deaths``, ``groups``, ``ages`` and
            ``doubts``.
        """
        return {
            "name": self.name,
            "years": self.years,
            "source": self.source,
            "licence": self.licence,
            "deaths": self.deaths,
            "groups": list(self.groups),
            "ages": [self.first_age, self.end_age],
            "doubts": list(self.doubts),
        }

    def __repr__(self) -> str:
        groups = "one group" if len(self.groups) == 1 else f"{len(self.groups)} groups"
        lines = [f"<Rates {self.summary}: ages {self.first_age} to {self.end_age}, {groups}>"]
        lines += [f"  {name}: {getattr(self, name)}" for name in ("source", "licence")]
        lines += [f"  caution: {text}" for text in self.doubts]
        return "\n".join(lines)


def sum_of_hazards(rates: Rates, low: int, end: int) -> tuple[Floats, Floats]:
    """Cumulative hazards from one birthday to another, shape (n_groups,) each."""
    yearly = rates.yearly
    years = slice(max(low - yearly.first_age, 0), max(end - yearly.first_age, 0))
    return yearly.cause[:, years].sum(axis=1), yearly.other[:, years].sum(axis=1)
