"""RecipeComparison: cross-validated risks of several recipes, and their tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mammorisk._utils.output_file import write_output
from mammorisk.metrics.brier import brier_score
from mammorisk.metrics.calibration import calibration_slope
from mammorisk.metrics.censoring import fit_censoring
from mammorisk.metrics.concordance import concordance_index
from mammorisk.metrics.estimate import Estimate, difference
from mammorisk.metrics.expected_observed import expected_observed_ratio
from mammorisk.metrics.time_dependent_auc import cumulative_dynamic_auc
from mammorisk.records.alignment import risk_column
from mammorisk.records.outcome import Outcome

if TYPE_CHECKING:
    from mammorisk.records.cohort import Cohort


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RecipeComparison:
    """Risks of several recipes for women who had no part in the fit, and their comparison.

    Made by :func:`mammorisk.compare_recipes`.

    Attributes
    ----------
    cohort : Cohort
        The exams that were compared.
    risks : dict of str to DataFrame
        Cross-validated risks by recipe, as :func:`mammorisk.predict` returns them.
    table : DataFrame
        One row a recipe, best AUC first: ``exams`` and ``cancers`` with a risk from all recipes,
        ``without_risk`` (exams without a risk from this recipe), and ``auc``, ``c_index``, ``e_o``
        (expected by observed), ``slope`` (of calibration) and ``brier``, each with ``_lower`` and
        ``_upper``; ``seconds`` of all fits.
    differences : DataFrame
        One row a pair of recipes and measure: ``first``, ``second``, ``measure`` (``"AUC"``,
        ``"C index"``, ``"Brier score"``), ``difference`` (first less second), ``lower``, ``upper``
        and ``p``.
    horizon : float
        Years of the measures.
    notes : list of str
        Doubts about the cohort, each once.

    See Also
    --------
    mammorisk.compare_recipes : Computes it.
    mammorisk.evaluate : A complete report of ``risks``.

    Examples
    --------
    >>> import mammorisk as mr
    >>> study = mr.simulate(2000, seed=1)
    >>> found = mr.compare_recipes(study.cohort, ["density-fit"], published="bcsc-2008", folds=2)
    >>> found
    <RecipeComparison: density-fit, bcsc-2008; 5 years>
    >>> found.differences[["first", "second", "measure"]].values.tolist()[0]
    ['density-fit', 'bcsc-2008', 'AUC']
    """

    cohort: Cohort
    risks: dict[str, pd.DataFrame]
    table: pd.DataFrame
    differences: pd.DataFrame
    horizon: float
    notes: list[str] = field(default_factory=list)

    def to_csv(self, folder: str | Path) -> Path:
        """Write ``table``, ``differences`` and ``risks`` as CSV files into a folder.

        Raises
        ------
        OutputError
            A file cannot be written.
        """
        risks = pd.concat([one.assign(recipe=name) for name, one in self.risks.items()])
        tables = {
            "table": self.table.reset_index(),
            "differences": self.differences,
            "risks": risks,
        }
        for name, table in tables.items():
            path = Path(folder) / f"{name}.csv"
            text = table.to_csv(index=False)
            write_output(path, text, "the result", where=path.name, make_folder=True)
        return Path(folder)

    def __repr__(self) -> str:
        return f"<RecipeComparison: {', '.join(self.risks)}; {self.horizon:g} years>"


def comparison_of(
    cohort: Cohort,
    risks: Mapping[str, pd.DataFrame],
    seconds: Mapping[str, float],
    *,
    horizon: float,
    level: float,
    notes: list[str],
) -> RecipeComparison:
    """Compute the tables of a comparison.

    Every measure is of the exams that have a risk from all recipes, so that differences are paired.

    Parameters
    ----------
    cohort : Cohort, n exams
    risks : mapping of str to DataFrame with n rows
    seconds : mapping of str to float
        Time of the fits; missing for a published model.
    horizon : float
        Years.
    level : float
        Confidence level of the intervals.
    notes : list of str

    Raises
    ------
    EvaluationError
        The outcomes are not valid.
    """
    column = risk_column(horizon)
    values = {name: one[column].to_numpy(dtype=float) for name, one in risks.items()}
    there = np.isfinite(np.stack(list(values.values()))).all(axis=0)
    rows = np.flatnonzero(there)
    outcome = Outcome.from_table(cohort.exams).take(rows)
    fitted = fit_censoring(outcome)
    found: dict[str, dict[str, Estimate]] = {}
    for name, risk in values.items():
        some = risk[rows]
        found[name] = {
            "auc": cumulative_dynamic_auc(outcome, some, horizon, censoring=fitted, level=level),
            "c_index": concordance_index(outcome, some, level=level),
            "e_o": expected_observed_ratio(outcome, some, horizon, level=level),
            "slope": calibration_slope(outcome, some, horizon, level=level),
            "brier": brier_score(outcome, some, horizon, censoring=fitted, level=level),
        }
    table = pd.DataFrame(
        [
            {
                "recipe": name,
                "exams": len(rows),
                "cancers": int(outcome.is_case(horizon).sum()),
                "without_risk": int((~np.isfinite(values[name])).sum()),
                **_columns(estimates),
                "seconds": seconds.get(name, np.nan),
            }
            for name, estimates in found.items()
        ]
    )
    pairs = [
        {
            "first": first,
            "second": second,
            "measure": measure,
            "difference": made.value,
            "lower": made.lower,
            "upper": made.upper,
            "p": made.p,
        }
        for first, second in combinations(found, 2)
        for measure, name in (("AUC", "auc"), ("C index", "c_index"), ("Brier score", "brier"))
        for made in [difference(found[first][name], found[second][name], outcome, level=level)]
    ]
    columns = ["first", "second", "measure", "difference", "lower", "upper", "p"]
    return RecipeComparison(
        cohort=cohort,
        risks=dict(risks),
        table=table.sort_values("auc", ascending=False, kind="stable").set_index("recipe"),
        differences=pd.DataFrame(pairs, columns=columns),
        horizon=horizon,
        notes=notes,
    )


def _columns(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {
        column: value
        for name, one in estimates.items()
        for column, value in (
            (name, one.value),
            (f"{name}_lower", one.lower),
            (f"{name}_upper", one.upper),
        )
    }
