"""Evaluate the bundled detector ``findings-sim`` on held-out simulated exams.

    python benchmarks/findings.py WORK                       # writes docs/reference/findings.md
    python benchmarks/findings.py WORK --coarse              # without calcifications, much faster
    python benchmarks/findings.py WORK --mias FOLDER         # also films of mini-MIAS, printed only

The exams have other seeds and other systems than those of the training. WORK holds the exams and
the candidates in them (about 6 GB), or the candidates that train_findings.py has left there. All
steps continue where they were interrupted. Calcifications are searched in the exams of 0.1 mm
alone; other lesions also in those of 0.2 mm. --coarse takes the latter, --sets some of the sets.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from findings_baseline import baseline_marks
from findings_candidates import (
    FoundExam,
    candidates_file,
    read_candidates,
    write_candidates,
)
from findings_exams import COARSE_MM, SETS, Task, files_of, start_rendering
from findings_mias import mias_table
from findings_resembling import KINDS, structures
from findings_scores import network_alone, without_fusion
from train_findings import COUNTS, HELD_OUT

import mammorisk as mr
from mammorisk.findings.candidate import TYPES
from mammorisk.findings.detector import LesionDetector
from mammorisk.findings.registry import open_detector
from mammorisk.findings.search import conclude, fuse_views
from mammorisk.metrics import (
    breast_auc,
    froc_sensitivity,
    match_detections,
    normal_false_positives,
)
from mammorisk.metrics.detections import Detections
from mammorisk.metrics.froc import froc_curve

RESULTS = Path(__file__).parents[1] / "docs" / "reference" / "findings.md"
#: Sensitivity at 0.5 false positives a view and breast AUC that were asked for.
ASKED = {
    "mass": (0.80, 0.92),
    "calcification": (0.85, 0.95),
    "focal asymmetry": (0.55, 0.78),
    "distortion": (0.50, 0.78),
}
RATE = 0.5
MARGINS = ("circumscribed", "obscured", "microlobulated", "indistinct", "spiculated")
RESAMPLES = int(os.environ.get("FINDINGS_RESAMPLES", "300"))


def candidates(work: Path, names: tuple[str, ...]) -> list[FoundExam]:
    """The candidates of the held-out exams, made if they are not there."""
    if not all(candidates_file(work, name).exists() for name in names):
        workers = int(os.environ.get("FINDINGS_WORKERS", os.cpu_count() or 1))
        open_detector("findings-sim").save(work / "model")
        plans = [
            [Task(name, i, workers, -(-(COUNTS[name] - i) // workers)) for name in names]
            for i in range(workers)
        ]
        for process in start_rendering(work, plans):
            process.join()
        write_candidates(work, names, workers=workers)
    found = []
    for name in names:
        found += [
            FoundExam(**{**vars(exam), "number": f"{name}-{exam.number}"})
            for exam in read_candidates(candidates_file(work, name))
        ]
    return found


class Marks:
    """Views, lesions and marks of many exams, as the metrics take them."""

    def __init__(self, exams: list[FoundExam], detector: LesionDetector) -> None:
        views, lesions, marks = [], [], []
        for exam in exams:
            keys = {"patient_id": exam.number, "exam_id": exam.number}
            views += [
                keys
                | {"view": name, "vendor": exam.vendor}
                | {"specks": one.calcifications_searched}
                for name, one in exam.views.items()
            ]
            if len(exam.lesions):
                table = exam.lesions.assign(**keys, view=exam.lesions["view_name"])
                lesions.append(table[table["view"].isin(exam.views)])
            found = fuse_views(exam.scored(detector.score_weights), exam.views, detector)
            for one in (candidate for some in found.values() for candidate in some):
                row, column = (v * exam.pixel_mm for v in one.centre_px)
                marks.append(
                    keys
                    | {"view": one.view, "type": one.type, "score": one.score}
                    | {"row_mm": row, "col_mm": column}
                )
        self.views, self.marks = pd.DataFrame(views), pd.DataFrame(marks)
        self.lesions = pd.concat(lesions, ignore_index=True)

    def matched(self, name: str) -> Detections:
        """Detections of one row of the table of results."""
        kind = kind_of(name)
        views, lesions, marks = self.searched(kind)
        return match_detections(
            views, lesions, marks, type=kind, targets=of_row(lesions, name).to_numpy()
        )

    def searched(self, kind: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Views, lesions and marks of the views in which a type was searched."""
        if kind != "calcification":
            return self.views, self.lesions, self.marks
        views = self.views[self.views["specks"]]
        names = views[["patient_id", "exam_id", "view"]]
        return views, self.lesions.merge(names), self.marks.merge(names)


def kind_of(name: str) -> str:
    """Type of lesion of a row of the table of results."""
    return "asymmetry" if name == "focal asymmetry" else name


def of_row(lesions: pd.DataFrame, name: str) -> pd.Series:
    """Whether each lesion belongs to a row of the table of results."""
    mine = lesions["type"].eq(kind_of(name))
    return mine & lesions["n_views"].eq(2) if name == "focal asymmetry" else mine


def interval(value: float, lower: float, upper: float) -> str:
    return f"{value:.2f} ({lower:.2f}-{upper:.2f})"


def main_table(fused: Marks, single: Marks, network: Marks) -> pd.DataFrame:
    rows = []
    for name in rows_of(fused):
        sensitivity, area = ASKED[name]
        d = fused.matched(name)
        found = froc_sensitivity(d, RATE, resamples=RESAMPLES)
        alone = froc_sensitivity(single.matched(name), RATE, resamples=RESAMPLES)
        plain = froc_curve(network.matched(name)).sensitivity_at(RATE)
        per_lesion = froc_sensitivity(d, RATE, per="lesion", resamples=RESAMPLES)
        breast = breast_auc(d, controls="all", resamples=RESAMPLES)
        _, lesions, _ = fused.searched(kind_of(name))
        mine = lesions[of_row(lesions, name)]
        rows.append(
            {
                "type": name,
                "lesions": len(mine.drop_duplicates(["patient_id", "lesion_id"])),
                "sensitivity at 0.5 a view": interval(found.value, found.lower, found.upper),
                "asked": f"{sensitivity:.2f}",
                "one view alone": interval(alone.value, alone.lower, alone.upper),
                "score of the network": f"{plain:.2f}",
                "found in any view": interval(per_lesion.value, per_lesion.lower, per_lesion.upper),
                "breast AUC": interval(breast.value, breast.lower, breast.upper),
                "asked ": f"{area:.2f}",
            }
        )
    return pd.DataFrame(rows)


def baseline_table(work: Path, fused: Marks, names: tuple[str, ...]) -> pd.DataFrame:
    """Sensitivity of a difference of Gaussians on the same views, with the best of its sizes."""
    marks = baseline_marks(work, names)
    rows = []
    for name in rows_of(fused):
        if name == "calcification":
            continue
        targets = of_row(fused.lesions, name).to_numpy()
        of_type = fused.lesions["type"].eq(kind_of(name)).to_numpy()
        values = {
            size: froc_curve(
                match_detections(
                    fused.views, fused.lesions[of_type], some, targets=targets[of_type]
                )
            ).sensitivity_at(RATE)
            for size, some in marks.items()
        }
        best = max(values, key=values.__getitem__)
        rows.append(
            {
                "type": name,
                "size, mm": f"{best:g}",
                "sensitivity at 0.5 a view": f"{values[best]:.2f}",
            }
        )
    return pd.DataFrame(rows)


def filter_part(work: Path, fused: Marks, names: tuple[str, ...]) -> list[str]:
    """Part of the page on the filter; candidates of another machine come without views."""
    if not all(files_of(work, name) for name in names):
        return []
    return ["## A filter on the same views", as_markdown(baseline_table(work, fused, names))]


def rows_of(marks: Marks) -> list[str]:
    """Rows of the table of results: those whose type was searched."""
    return [name for name in ASKED if len(marks.searched(kind_of(name))[0])]


def types_of(marks: Marks) -> list[str]:
    return [kind for kind in TYPES if len(marks.searched(kind)[0])]


def fusion_gain(fused: Marks, single: Marks, name: str) -> str:
    """Difference of sensitivity with and without fusion, with a bootstrap of women."""
    women = {one: i for i, one in enumerate(fused.views["patient_id"].unique())}
    both = [m.matched(name) for m in (fused, single)]

    def gain(weights: np.ndarray) -> float:
        one, two = (weighted_sensitivity(d, women, weights) for d in both)
        return one - two

    rng = np.random.default_rng(1)
    shares = np.full(len(women), 1 / len(women))
    values = [gain(rng.multinomial(len(women), shares)) for _ in range(RESAMPLES)]
    return interval(gain(np.ones(len(women))), *np.quantile(values, [0.025, 0.975]))


def weighted_sensitivity(d: Detections, women: dict[str, int], weights: np.ndarray) -> float:
    """Sensitivity at 0.5 false positives a view, where each woman counts as often as told."""
    of_view = weights[d.views["patient_id"].map(women).to_numpy()]
    false = d.false_positives.sort_values("score", ascending=False)
    rate = np.cumsum(of_view[false["at"].to_numpy()]) / of_view.sum()
    beyond = int(np.searchsorted(rate, RATE, side="right"))
    limit = false["score"].iloc[beyond] if beyond < len(false) else -np.inf
    of_lesion = of_view[d.lesions["at"].to_numpy()]
    return float(of_lesion @ (d.lesions["score"].to_numpy() > limit) / of_lesion.sum())


def place_table(exams: list[FoundExam], fused: Marks, detector: LesionDetector) -> pd.DataFrame:
    """Pairs, quadrants and depths of the lesions that were found at 0.5 false positives a view."""
    limits = {name: froc_curve(fused.matched(name)).threshold_at(RATE) for name in types_of(fused)}
    at_rate = replace(detector, operating_points={kind: limits.get(kind, 1.1) for kind in TYPES})
    pairs, quadrants, depths = [], [], []
    for exam in exams:
        if not len(exam.lesions):
            continue
        seen: dict[str, dict[str, object]] = {}
        found = conclude(exam.scored(detector.score_weights), exam.views, at_rate).findings
        for name in exam.views:
            some = [one for one in found if one.view == name]
            rows = exam.lesions[exam.lesions["view_name"] == name]
            for row in rows.to_dict("records"):
                near = [
                    one
                    for one in some
                    if one.type == row["type"]
                    and one.centre_mm is not None
                    and np.hypot(one.centre_mm[0] - row["row_mm"], one.centre_mm[1] - row["col_mm"])
                    <= max(row["radius_mm"], 5.0)
                ]
                if near:
                    depths.append((exam.number, abs(near[0].depth - row["depth"])))
                    seen.setdefault(row["lesion_id"], {"quadrant": row["quadrant"]})[name] = near[0]
        for one in seen.values():
            hit = [value for key, value in one.items() if key != "quadrant"]
            if len(hit) == 2:
                is_pair = hit[0].pair_id is not None and hit[0].pair_id == hit[1].pair_id
                pairs.append((exam.number, float(is_pair)))
                if is_pair and hit[0].quadrant is not None:
                    quadrants.append((exam.number, float(hit[0].quadrant == one["quadrant"])))
    rows = [
        ("correct pair where both views find the lesion", pairs, "0.85", np.mean),
        ("quadrant of correct pairs", quadrants, "0.90", np.mean),
        ("error of the depth, mean", depths, "0.08", np.nanmean),
        ("error of the depth, median", depths, "", np.nanmedian),
    ]
    return pd.DataFrame(
        [
            {"measure": name, "n": len(some), "value": by_woman(some, how), "asked": asked}
            for name, some, asked, how in rows
        ]
    )


def by_woman(some: list[tuple[str, float]], how: Callable[[np.ndarray], float]) -> str:
    """A statistic with a bootstrap of women."""
    table = pd.DataFrame(some, columns=["woman", "value"])
    if not len(table):
        return "none"
    groups = [group.to_numpy() for _, group in table.groupby("woman")["value"]]
    rng = np.random.default_rng(1)
    values = [
        how(np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))]))
        for _ in range(RESAMPLES)
    ]
    return interval(float(how(table["value"].to_numpy())), *np.quantile(values, [0.025, 0.975]))


def normal_table(fused: Marks, detector: LesionDetector) -> pd.DataFrame:
    """Marks in exams without lesions at the operating points that mr.find uses."""
    rows = []
    for kind in types_of(fused):
        point = detector.operating_points.get(kind, 0.5)
        per_exam = normal_false_positives(fused.matched(kind), point, resamples=RESAMPLES)
        d = fused.matched(kind)
        curve = froc_curve(d)
        place = int(np.searchsorted(-curve.threshold, -point, side="right")) - 1
        rows.append(
            {
                "type": kind,
                "lowest score": f"{point:.3f}",
                "sensitivity": f"{curve.sensitivity[place]:.2f}",
                "false positives a view": f"{curve.false_positives[place]:.2f}",
                "in a normal exam": interval(per_exam.value, per_exam.lower, per_exam.upper),
            }
        )
    return pd.DataFrame(rows)


def place_of_false_positives(fused: Marks) -> pd.DataFrame:
    """What the false positives of each type lie on, a view, at 0.5 a view."""
    rows = []
    resembling = structures(fused.views["patient_id"].unique())
    for kind in types_of(fused):
        views, lesions, marks = fused.searched(kind)
        limit = froc_curve(fused.matched(kind)).threshold_at(RATE)
        kept = marks[marks["type"].eq(kind) & (marks["score"] >= limit)].reset_index(drop=True)
        on = marks_on(kept, lesions.rename(columns={"type": "kind"}))
        left = set(kept.index) - on.pop(kind, set())
        # Calcifications resemble other structures, which are not in the table.
        others = on if kind == "calcification" else on | marks_on(kept, resembling)
        row: dict[str, str] = {"type": kind}
        for name in (*TYPES, *(KINDS if kind != "calcification" else ())):
            if name != kind:
                found = others.get(name, set())
                row[f"on: {name}"] = f"{len(left & found) / len(views):.2f}"
                left -= found
            else:
                row[f"on: {name}"] = ""
        row["on: tissue"] = f"{len(left) / len(views):.2f}"
        rows.append(row)
    columns = ["type", *(f"on: {name}" for name in (*TYPES, *KINDS, "tissue"))]
    return pd.DataFrame(rows, columns=columns).fillna("")


def marks_on(marks: pd.DataFrame, places: pd.DataFrame) -> dict[str, set[int]]:
    """Numbers of the marks that lie on each kind of lesion or structure."""
    near = marks.reset_index().merge(
        places[["patient_id", "view", "kind", "row_mm", "col_mm", "radius_mm"]],
        on=["patient_id", "view"],
        suffixes=("", "_true"),
    )
    apart = np.hypot(near["row_mm"] - near["row_mm_true"], near["col_mm"] - near["col_mm_true"])
    near = near[apart <= near["radius_mm"].clip(lower=5.0)]
    return {str(name): set(group["index"]) for name, group in near.groupby("kind")}


def group_table(fused: Marks) -> pd.DataFrame:
    """Sensitivity by size, contrast and margin."""
    rows = []
    for kind in types_of(fused):
        d = fused.matched(kind)
        views, lesions, marks = fused.searched(kind)
        mine = lesions["type"].eq(kind)
        cuts = lesions.loc[mine, "contrast"].quantile([1 / 3, 2 / 3]).tolist()
        groups = {
            "size below 10 mm": lesions["size_mm"] < 10,
            "size 10-20 mm": lesions["size_mm"].between(10, 20),
            "size above 20 mm": lesions["size_mm"] > 20,
            "lowest third of contrast": lesions["contrast"] <= cuts[0],
            "highest third of contrast": lesions["contrast"] > cuts[1],
        } | {f"margin {name}": lesions["margin"] == name for name in MARGINS}
        limit = froc_curve(d).threshold_at(RATE)
        for name, chosen in groups.items():
            count = int((mine & chosen).sum())
            if count < 20:
                continue
            some = match_detections(
                views,
                lesions,
                marks,
                type=kind,
                targets=(mine & chosen).to_numpy(),
                elsewhere="ignore",
            )
            curve = froc_curve(some)
            place = int(np.searchsorted(-curve.threshold, -limit, side="right")) - 1
            value = f"{curve.sensitivity[max(place, 0)]:.2f}"
            rows.append({"type": kind, "group": name, "in views": count, "sensitivity": value})
    return pd.DataFrame(rows)


def as_markdown(table: pd.DataFrame) -> str:
    lines = [
        "| " + " | ".join(str(c).strip() for c in table.columns) + " |",
        "|" + "---|" * len(table.columns),
        *("| " + " | ".join(map(str, row)) + " |" for row in table.to_numpy()),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--mias", type=Path)
    parser.add_argument("--coarse", action="store_true", help="exams of 0.2 mm alone")
    parser.add_argument("--sets", nargs="+", choices=HELD_OUT, help="some of the sets of exams")
    parser.add_argument("--write", action="store_true", help="write docs/reference/findings.md")
    args = parser.parse_args()
    if args.write and (args.coarse or args.sets):
        parser.error("--write needs all exams: leave out --coarse and --sets")
    names = tuple(
        name
        for name in args.sets or HELD_OUT
        if not args.coarse or SETS[name].pixel_mm >= COARSE_MM
    )
    detector = open_detector("findings-sim")
    exams = candidates(args.work, names)
    fused, single = Marks(exams, detector), Marks(exams, without_fusion(detector))
    network = Marks(exams, network_alone(detector))
    kinds = fused.lesions.drop_duplicates(["patient_id", "lesion_id"])["type"].value_counts()
    coarse = sum(exam.pixel_mm >= COARSE_MM for exam in exams)
    vendors = ", ".join(sorted(set(fused.views["vendor"])))
    normal = sum(not len(exam.lesions) for exam in exams)
    parts = [
        f"{len(exams)} simulated exams ({normal} without lesions) of the systems {vendors}, which "
        f"are not among those of the training: {', '.join(f'{n} {k}' for k, n in kinds.items())}. "
        f"{coarse} exams have pixels of 0.2 mm, and calcifications are not searched there.",
        "## Detection",
        as_markdown(main_table(fused, single, network)),
        "Gain of sensitivity by the fusion of CC and MLO: "
        f"focal asymmetries {fusion_gain(fused, single, 'focal asymmetry')}, asked: 0.08; "
        f"masses {fusion_gain(fused, single, 'mass')}.",
        *filter_part(args.work, fused, names),
        "## False positives a view, by what they lie on, at 0.5 a view",
        as_markdown(place_of_false_positives(fused)),
        "## Place",
        as_markdown(place_table(exams, fused, detector)),
        "## Operating points",
        as_markdown(normal_table(fused, detector)),
        "## By size and contrast, at 0.5 false positives a view",
        as_markdown(group_table(fused)),
    ]
    if args.mias is not None:
        parts += ["## Films of mini-MIAS", as_markdown(mias_table(args.mias, detector))]
    text = "\n\n".join(parts)
    print(text, flush=True)
    if args.write:
        head = (
            "# Results of findings-sim\n\n<!-- written by benchmarks/findings.py -->\n\n"
            f"mammorisk {mr.__version__}. Intervals are 95%, by a bootstrap of women. "
        )
        RESULTS.write_text(head + text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
