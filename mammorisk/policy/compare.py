"""compare_policies(): comparison of several policies on the same women."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammorisk.errors import PolicyError
from mammorisk.policy.assign import Assignment, assign
from mammorisk.policy.group import MAMMOGRAPHY
from mammorisk.policy.library import load_policy
from mammorisk.policy.matching import match_models
from mammorisk.policy.policy import Policy
from mammorisk.policy.proportion import Estimate, Sample, count_women
from mammorisk.policy.reading import as_table, beside, doubts, numbers
from mammorisk.policy.stratify import NEAR_MARGIN, NOT_APPLICABLE, NOTICE
from mammorisk.records.cohort import KEYS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Reference policies of every comparison.
YARDSTICKS = ("annual", "biennial")


@dataclass(frozen=True, kw_only=True)
class PolicyComparison:
    """Result of :func:`mammorisk.compare_policies`. Not care advice.

    Attributes
    ----------
    summary : DataFrame
        One row per policy. ``share_applicable`` is the share of women to whom the policy applies.
        Among these women, per 1,000 women and year: ``mammograms`` and ``mri`` (at the shortest
        interval that the policy allows) and ``mammograms_least`` (at the longest), with ``_lower``
        and ``_upper``. ``of_annual`` and ``of_biennial`` are mammograms relative to annual and
        biennial screening of the same women. ``note`` names intervals that a policy does not state.
    categories : DataFrame
        One row per policy and category, from least to most intensive: women, their share,
        cancers, the share of cancers, with intervals; interval in months.
    intervals : DataFrame
        The same by months between imaging visits.
    reclassification : DataFrame
        Number of women (and cancers) by pair of policies and pair of categories, in long format.
        :meth:`crosstab` shows one pair of policies as a matrix.
    level : float
        Confidence level of the intervals.
    notes : list of str
        Notes on weights and outcomes.

    See Also
    --------
    mammorisk.compare_policies : Returns this result.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> risks = pd.DataFrame(
    ...     {"model": "bcrat", "age": [45, 52, 67], "risk_5y": [0.005, 0.01, 0.02]}
    ... )
    >>> comparison = mr.compare_policies(risks, policies=["nccn-classic", "mypebs"])
    >>> comparison.crosstab("nccn-classic", "mypebs")
    mypebs        low  average  high  very_high
    nccn-classic
    average       1.0      1.0   0.0        0.0
    increased     0.0      0.0   1.0        0.0
    high          0.0      0.0   0.0        0.0
    """

    summary: pd.DataFrame
    categories: pd.DataFrame
    intervals: pd.DataFrame
    reclassification: pd.DataFrame
    level: float
    notes: list[str] = field(default_factory=list)

    def crosstab(self, one: str, other: str, of: str = "women") -> pd.DataFrame:
        """Count women or cancers by category under two policies.

        Parameters
        ----------
        one, other : str
            Ids of the policies for rows and columns.
        of : {"women", "cancers"}

        Returns
        -------
        DataFrame
            Counts; weighted if there are weights.

        Raises
        ------
        PolicyError
            A policy was not compared, or ``of="cancers"`` and there are no outcomes.
        """
        order: dict[str, list[str]] = {
            str(name): list(part["category"]) for name, part in self.categories.groupby("policy")
        }
        for name in (one, other):
            if name not in order or one == other:
                raise PolicyError(
                    f"{one!r} and {other!r} are not two policies of this comparison",
                    remedy=f"Compared: {', '.join(order)}.",
                )
        long = self.reclassification
        if of not in long.columns or long[of].isna().all():
            raise PolicyError(
                f"the comparison does not count {of}", remedy="Compare with a cohort's outcomes."
            )
        forward = long[(long["policy"] == one) & (long["other_policy"] == other)]
        if forward.empty:
            return self.crosstab(other, one, of).T
        table = forward.pivot(index="category", columns="other_category", values=of)
        return table.loc[
            [c for c in order[one] if c in table.index],
            [c for c in order[other] if c in table.columns],
        ].rename_axis(index=one, columns=other)

    def plot(self) -> Figure:
        """Plot examinations per year, and the distribution of women and cancers, by policy.

        Returns
        -------
        matplotlib Figure
        """
        from mammorisk.policy.plot import plot_comparison

        return plot_comparison(self)

    def _repr_html_(self) -> str:
        parts = [f"<p>{NOTICE}</p>"]
        for title, table in (
            ("Per 1,000 women and year", self.summary),
            ("Categories", self.categories),
        ):
            parts += [f"<h4>{title}</h4>", table.to_html(index=False, float_format="{:.3g}".format)]
        parts += [f"<p>{escape(note)}</p>" for note in self.notes]
        return "\n".join(parts)


def compare_policies(
    risks: pd.DataFrame,
    cohort: object = None,
    policies: Sequence[str | Path | Policy] = ("nccn-2026", "mypebs", "wisdom"),
    *,
    years: float | None = None,
    model_family: str | Mapping[str, str] | None = None,
    level: float = 0.95,
) -> PolicyComparison:
    """Compare surveillance policies, and annual and biennial screening, on the same women.

    Parameters
    ----------
    risks : DataFrame
        As for :func:`mammorisk.stratify`, with one row per exam.
    cohort : Cohort or DataFrame, optional
        Fields, and outcomes: ``time`` (years), ``event`` (1 = breast cancer), optionally
        ``weight``. Without ``event`` no cancers are counted.
    policies : sequence of str, path or Policy
        As for :func:`mammorisk.stratify`.
    years : float, optional
        Count cancers within this number of years after the exam. Default: within the follow-up.
    model_family : str or dict, optional
        As for :func:`mammorisk.stratify`.
    level : float
        Confidence level of the intervals.

    Returns
    -------
    PolicyComparison
        Tables, notes and a plot.

    Raises
    ------
    PolicyError
        As for :func:`mammorisk.stratify`; there is no policy; two policies have the same id; an
        exam is in the table twice; or outcomes are invalid.

    See Also
    --------
    mammorisk.stratify : Applies one policy.
    mammorisk.policies : Lists the policies.

    Notes
    -----
    Rates assume that every woman to whom a policy applies follows it at her present age. Women to
    whom it does not apply count only in ``share_applicable``. Shares of cancers are shares of the
    observed cancers, as in a table of cases. They are not the number of cancers that a policy would
    detect, and they are not corrected for censoring. Intervals are Wilson's for shares and normal
    for rates. Both account for weights and for repeated exams of a woman.

    Examples
    --------
    >>> import pandas as pd
    >>> import mammorisk as mr
    >>> risks = pd.DataFrame(
    ...     {"model": "bcrat", "age": [45, 52, 67], "risk_5y": [0.005, 0.01, 0.02]}
    ... )
    >>> comparison = mr.compare_policies(risks, policies=["nccn-classic", "mypebs"])
    >>> comparison.summary[["policy", "mammograms", "of_annual"]].round(2)
             policy  mammograms  of_annual
    0  nccn-classic     1000.00       1.00
    1        mypebs      583.33       0.58
    2        annual     1000.00       1.00
    3      biennial      500.00       0.50
    """
    risks = as_table(risks)
    if isinstance(policies, (str, Path, Policy)):
        policies = [policies]
    chosen = {policy.id: policy for policy in map(load_policy, policies)}
    if len(chosen) < len(policies) or not chosen:
        raise PolicyError("give at least one policy; ids must differ", remedy="Rename one.")
    if len(risks) == 0:
        raise PolicyError("the risks table has no rows")
    _refuse_repeats(risks)
    other = None if cohort is None else beside(risks, cohort)
    weight, cancer, notes = _outcomes(risks, other, years)
    notes += doubts(
        risks, other, [q for policy in chosen.values() for q in policy.quantities.values()]
    )
    woman = _women(risks)
    if count_women(woman) < len(risks):
        notes.append("women have several exams: rows are exams, intervals are by woman")
    sample = Sample(weight=weight, woman=woman, level=level)
    chosen |= {name: load_policy(name) for name in YARDSTICKS if name not in chosen}
    found = {}
    for name, policy in chosen.items():
        match = match_models(policy, risks, model_family, None)
        if "off-label" in match.match:
            notes.append(f"{name}: off-label for a model of the table")
        found[name] = assign(policy, risks, other, NEAR_MARGIN)
    return PolicyComparison(
        summary=pd.DataFrame([_summary(one, sample) for one in found.values()]),
        categories=pd.concat(
            [_shares(one, _categories(one), sample, cancer) for one in found.values()],
            ignore_index=True,
        ),
        intervals=pd.concat(
            [_shares(one, _intervals(one), sample, cancer) for one in found.values()],
            ignore_index=True,
        ).rename(columns={"category": "interval"}),
        reclassification=_reclassification(found, weight, cancer),
        level=level,
        notes=notes,
    )


def _refuse_repeats(risks: pd.DataFrame) -> None:
    """Refuse a table that has an exam twice: it would count twice."""
    keys = [key for key in KEYS if key in risks.columns]
    if "exam_id" not in keys:
        return
    # Missing ids are not equal, but pandas counts them so.
    known = risks[risks[keys].notna().all(axis=1)]
    if n := int(known.duplicated(keys).sum()):
        models = known["model"].nunique() if "model" in known else 0
        raise PolicyError(
            f"{n:,} rows repeat an exam",
            where="risks",
            remedy="Compare the policies for one model at a time."
            if models > 1
            else "Keep one row for each exam.",
        )


def _women(risks: pd.DataFrame) -> NDArray[np.intp]:
    """Number the women. A row without ``patient_id`` counts as another woman."""
    if "patient_id" not in risks.columns:
        return np.arange(len(risks))
    code = pd.factorize(risks["patient_id"])[0]
    nobody = code < 0
    code[nobody] = code.max() + 1 + np.arange(nobody.sum())
    return code


def _outcomes(
    risks: pd.DataFrame, other: pd.DataFrame | None, years: float | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None, list[str]]:
    """Return weights, cancers (None if no outcome is known) and notes."""
    table = risks if other is None or "event" not in other.columns else other
    n = len(table)
    notes: list[str] = []
    weight = np.ones(n)
    if "weight" in table.columns:
        weight = numbers(table["weight"], "weight").astype(float)
        bad = ~(weight >= 0) | np.isinf(weight)
        if bad.any():
            notes.append(f"{int(bad.sum())} rows without a usable weight are not counted")
            weight = np.where(bad, 0.0, weight)
    if "event" not in table.columns:
        return weight, None, [*notes, "no outcomes: cancers are not counted"]
    event = numbers(table["event"], "event")
    if not np.isin(event[~np.isnan(event)], (0, 1, 2)).all():
        raise PolicyError("event must be 0 (censored), 1 (cancer) or 2 (competing)", where="event")
    cancer = event == 1
    if np.isnan(event).any():
        missing = int(np.isnan(event).sum())
        notes.append(f"{missing} rows without an outcome are counted as free of cancer")
    if years is not None:
        if "time" not in table.columns:
            raise PolicyError("cancers within years need the column time", where="time")
        cancer &= numbers(table["time"], "time") <= years
    when = "in the follow-up" if years is None else f"within {years:g} years"
    notes.append(f"{int(cancer.sum())} cancers {when}; shares are of the cancers observed")
    return weight, cancer, notes


def _summary(found: Assignment, sample: Sample) -> dict[str, object]:
    policy = found.policy
    groups = list(policy.groups.values())
    has = found.has_group
    place = np.where(has, found.group, 0)
    starts = np.array([0.0 if g.start_age is None else g.start_age for g in groups])
    started = ~(found.age < starts[place])

    def rate(modalities: tuple[str, ...], *, longest: bool = False) -> Estimate:
        by_group = np.array([g.per_year(modalities, longest=longest) for g in groups])
        found = sample.mean(np.where(started, 1000 * by_group[place], 0.0), has)
        # The limit of a normal interval can be below 0, which no rate is.
        return replace(found, lower=float(np.maximum(found.lower, 0.0)))

    mammograms, mri = rate(MAMMOGRAPHY), rate(("mri",))
    silent = [
        what
        for what, one in (("mammography", mammograms), ("MRI", mri))
        if has.any() and np.isnan(one.value)
    ]
    row: dict[str, object] = {"policy": policy.id, "version": policy.version}
    row |= _named("share_applicable", sample.share(has, np.ones(len(has), dtype=bool)))
    row |= _named("mammograms", mammograms)
    row["mammograms_least"] = rate(MAMMOGRAPHY, longest=True).value
    row |= _named("mri", mri)
    row["of_annual"] = mammograms.value / 1000
    row["of_biennial"] = mammograms.value / 500
    row["note"] = f"no interval of {' and '.join(silent)} stated for some group" if silent else ""
    return row


def _named(name: str, estimate: Estimate) -> dict[str, float]:
    return {
        name: estimate.value,
        f"{name}_lower": estimate.lower,
        f"{name}_upper": estimate.upper,
    }


def _categories(found: Assignment) -> pd.Categorical[str]:
    """Return the category of each row, ordered as in the policy."""
    groups = found.policy.groups
    names = [group.category or name for name, group in groups.items()]
    order = pd.Index([*dict.fromkeys(names), NOT_APPLICABLE])
    codes = np.append(order.get_indexer(pd.Index(names)), len(order) - 1)
    place = np.where(found.has_group, found.group, len(names))
    return pd.Categorical.from_codes(codes[place], categories=order, ordered=True)


def _intervals(found: Assignment) -> pd.Categorical[str]:
    """Return the months between imaging visits of each row as text, longest first."""
    groups = list(found.policy.groups.values())
    words = []
    timed = set()
    for group in groups:
        span = group.interval_range
        if group.no_screening or span is None:
            words.append("no screening" if group.no_screening else "not stated")
        else:
            words.append(_months(span))
            timed.add((span, words[-1]))
    longest_first = [word for _, word in sorted(timed, reverse=True)]
    order = pd.Index(["no screening", *longest_first, "not stated", NOT_APPLICABLE])
    codes = np.append(order.get_indexer(pd.Index(words)), len(order) - 1)
    starts = np.array([g.start_age or 0.0 for g in groups] + [0.0])
    place = np.where(found.has_group, found.group, len(groups))
    code = np.where(found.age < starts[place], 0, codes[place])
    return pd.Categorical.from_codes(code, categories=order, ordered=True)


def _months(span: tuple[float, float]) -> str:
    low, high = span
    return f"{low:g} months" if low == high else f"{low:g}-{high:g} months"


def _shares(
    found: Assignment,
    by: pd.Categorical[str],
    sample: Sample,
    cancer: NDArray[np.bool_] | None,
) -> pd.DataFrame:
    rows = []
    codes = np.asarray(by.codes)
    everyone = np.ones(len(codes), dtype=bool)
    for code, name in enumerate(by.categories):
        inside = codes == code
        if not inside.any() and name not in found.policy.groups:
            continue
        row: dict[str, object] = {
            "policy": found.policy.id,
            "category": name,
            "women": count_women(sample.woman[inside]),
        }
        row |= _named("share_of_women", sample.share(inside, everyone))
        row["cancers"] = np.nan if cancer is None else int((inside & cancer).sum())
        among = np.zeros(len(codes), dtype=bool) if cancer is None else cancer
        row |= _named("share_of_cancers", sample.share(inside, among))
        rows.append(row)
    return pd.DataFrame(rows)


def _reclassification(
    found: Mapping[str, Assignment],
    weight: NDArray[np.float64],
    cancer: NDArray[np.bool_] | None,
) -> pd.DataFrame:
    """Count rows, with weights if there are any, in each pair of categories."""
    rows = []
    named = {name: _categories(one) for name, one in found.items() if name not in YARDSTICKS}
    for one, other in combinations(named, 2):
        first, second = named[one], named[other]
        width = len(second.categories)
        pair = first.codes.astype(int) * width + second.codes
        size = len(first.categories) * width
        women = np.bincount(pair, weights=weight, minlength=size)
        cancers = (
            np.full(size, np.nan)
            if cancer is None
            else np.bincount(pair, weights=weight * cancer, minlength=size)
        )
        rows.append(
            pd.DataFrame(
                {
                    "policy": one,
                    "category": np.repeat(first.categories, width),
                    "other_policy": other,
                    "other_category": np.tile(second.categories, len(first.categories)),
                    "women": women,
                    "cancers": cancers,
                }
            )
        )
    columns = ["policy", "category", "other_policy", "other_category", "women", "cancers"]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=columns)
