"""How much of the fine signal remains at several pixel sizes, and what a model can reach with it.

    python benchmarks/fine_signal.py

The first table has the AUC of a simple statistic of texture, which separates women with a high
score of the fine signal from women with a low one, in one view each. Files of 0.1 mm are averaged
to larger pixels, as for the input of a network. The sign of the statistic is chosen at each size,
so that chance gives more than 0.5; the column without the signal shows how much more. The second
table has the AUC over five years of the true risk given what is known, with and without the fine
signal and the change since the prior exam: the highest AUC that a model can reach. No network is
trained. It takes about one minute on a free core.
"""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

import mammorisk as mr
from mammorisk.simulation.anatomy import draw_breasts
from mammorisk.simulation.exam_plan import plan_exam
from mammorisk.simulation.options import StudyOptions, check_options
from mammorisk.simulation.rendering import render

WOMEN, RENDERED_MM, PIXELS_MM = 60, 0.1, (0.1, 0.2, 0.3, 0.5, 0.8, 1.25)
POPULATION = 200_000


def picture(options: StudyOptions, woman: int) -> NDArray[np.float32]:
    """The left CC view of a woman at the rendered pixel size; 0 outside the breast."""
    plan = plan_exam(options, woman)
    breasts = draw_breasts(
        plan.anatomy_seed,
        area_percent=plan.area_percent,
        volumetric_percent=plan.volumetric_percent,
        exponent=options.exponent,
    )
    number, one = next(
        (i, view) for i, view in enumerate(plan.views) if (view.side, view.view) == ("L", "CC")
    )
    shown = render(
        breasts["L"],
        "CC",
        one.outline,
        one.exposure,
        plan.vendor,
        plan.texture,
        pixel_mm=plan.pixel_mm,
        rng=np.random.default_rng([*plan.noise_seed, number]),
        strength=plan.processing_strength,
    ).pixels
    return shown.astype(np.float32) / 2**plan.vendor.bits


def texture_statistic(image: NDArray[np.float32]) -> float:
    """Log power of the finest detail, less that of detail twice as large, within the breast."""
    inside = cv2.erode((image > 0).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    one = cv2.GaussianBlur(image, (0, 0), 1.0)
    two = cv2.GaussianBlur(image, (0, 0), 2.0)
    fine, coarse = image - one, one - two
    return float(np.log(np.var(fine[inside])) - np.log(np.var(coarse[inside])))


def averaged(image: NDArray[np.float32], pixel_mm: float) -> NDArray[np.float32]:
    if pixel_mm <= RENDERED_MM:
        return image
    size = [round(n * RENDERED_MM / pixel_mm) for n in image.shape]
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA))


def auc_of(high: NDArray[np.bool_], score: NDArray[np.float64]) -> str:
    outcome = mr.Outcome.binary(high)
    # The sign of a statistic does not matter.
    found = mr.metrics.auc(outcome, score)
    if found.value < 0.5:
        found = mr.metrics.auc(outcome, -score)
    return f"{found.value:.2f} ({found.lower:.2f} to {found.upper:.2f})"


def visibility() -> None:
    study = mr.simulate(400, seed=5, effects={"fine_hr": 2.0}, vendors=("alder",))
    score = study.truth["fine_score"].to_numpy()
    order = np.argsort(score)
    # Outer thirds, so that groups differ by about two standard deviations.
    outer = np.concatenate([order[:133], order[-133:]])
    chosen = np.sort(np.random.default_rng(1).permutation(outer)[:WOMEN])
    high = score[chosen] > 0
    tables = {}
    for name, hr in (("with the signal", 2.0), ("without", 1.0)):
        options = check_options(
            n=400, seed=5, effects={"fine_hr": hr}, vendors=("alder",), pixel_mm=RENDERED_MM
        )
        found = []
        for woman in chosen:
            image = picture(options, int(woman))
            found.append([texture_statistic(averaged(image, mm)) for mm in PIXELS_MM])
        statistics = np.array(found)
        tables[name] = {f"{mm:g}": auc_of(high, statistics[:, i]) for i, mm in enumerate(PIXELS_MM)}
    print(f"{WOMEN} women, AUC of the texture statistic for a high against a low fine score\n")
    print("| pixel, mm | with the signal | without |\n| --- | --- | --- |")
    for mm in tables["with the signal"]:
        print(f"| {mm} | {tables['with the signal'][mm]} | {tables['without'][mm]} |")


def oracles() -> None:
    effects = {"fine_hr": 1.8, "change_hr": 1.6}
    study = mr.simulate(POPULATION, seed=5, effects=effects)
    outcome = mr.Outcome.from_table(study.women)
    rows = []
    for part in ("_questionnaire", "_image_coarse", "_image", "_image_priors", ""):
        risk = study.truth[f"risk_5y{part}"].to_numpy()
        found = mr.metrics.cumulative_dynamic_auc(outcome, risk, 5)
        ratio = mr.metrics.expected_observed_ratio(outcome, risk, 5)
        rows.append(
            {
                "information besides age": part.removeprefix("_") or "everything",
                "AUC": f"{found.value:.3f} ({found.lower:.3f} to {found.upper:.3f})",
                "E/O": f"{ratio.value:.3f} ({ratio.lower:.3f} to {ratio.upper:.3f})",
            }
        )
    print(f"\n{POPULATION:,} women, {effects}, prior exams of half of them\n")
    table = pd.DataFrame(rows)
    print("| " + " | ".join(table.columns) + " |\n| --- | --- | --- |")
    for row in table.itertuples(index=False):
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    visibility()
    oracles()
