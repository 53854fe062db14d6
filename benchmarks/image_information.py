"""What limits the interval with images: how well the true risk can be regressed on the images.

    python benchmarks/image_information.py WORK

WORK is that of train_reference_model.py, with its simulated studies. The truth is the log hazard
ratio of the traits that images and acquisition show, given the answers. It is regressed on

(a) the features of the bundled encoder, the means of its last maps;
(b) these and what the library measures in the same images: percent density, dense area and volume,
    mean density and breast area of each view, and their differences between the sides;
(c) means and standard deviations over the breast of the maps of the last layer, or of all layers.

Acquisition, age and the answers that matter for density are inputs of all regressions. Those on the
truth show what the inputs contain; those on the outcomes show what can be learned from them.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from reference_tables import Women
from scipy.optimize import minimize
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from train_reference_model import HELD_OUT, TRAIN, study

import mammorisk as mr
from mammorisk.imaging.density import measure_density
from mammorisk.inputs.exam_set import ExamSet
from mammorisk.inputs.standard_exam import VIEWS, to_float
from mammorisk.networks.head_ensemble import ALL_VIEWS
from mammorisk.risk_models.hybrid.model import HybridModel
from mammorisk.risk_models.recipe import load_recipe
from mammorisk.training.interval_fit import five_year_risk, log_hazard_ratio, restrict
from mammorisk.training.read_exams import read_exams

Floats = NDArray[np.float64]

#: Held-out exams whose density is measured.
_MEASURED = 2000
_MEASURES = {
    "percent density": "percent_density_by_view",
    "volume fraction": "volume_fraction_by_view",
    "dense area": "dense_area_cm2_by_view",
    "dense volume": "dense_volume_cm3_by_view",
}
#: Components of the means of the views, and of the differences between the sides, in the
#: regressions on outcomes. The table has the best of them.
_COMPONENTS = ((8, 3), (16, 4), (32, 8), (64, 16))
_PENALTIES = (3.0, 30.0, 100.0)


@dataclass
class Study:
    """Women of a simulated study, with statistics of the maps of the encoder's layers.

    Attributes
    ----------
    table, truth : DataFrame, n rows
    maps : dict of str to ndarray, shape (n, 4, d)
        Features of each view by the name of the inputs.
    """

    table: pd.DataFrame
    truth: pd.DataFrame
    maps: dict[str, Floats]

    @property
    def weight(self) -> Floats:
        return self.table["weight"].to_numpy(dtype=float)

    @property
    def target(self) -> Floats:
        """Log hazard ratio of the traits given the answers."""
        return self.log_hazard("risk_5y") - self.log_hazard("risk_5y_questionnaire")

    def log_hazard(self, column: str) -> Floats:
        return np.asarray(np.log(-np.log1p(-self.truth[column].to_numpy(dtype=float))))

    @property
    def known(self) -> Floats:
        """Acquisition, age and answers that say how dense a breast is expected to be."""
        table = self.table
        age = table["age"].to_numpy(dtype=float)
        bmi = table["weight_kg"] / (table["height_cm"] / 100) ** 2
        combined = (table["hrt_use"] == "current") & (table["hrt_type"] == "combined")
        vendors = sorted(table["vendor"].unique())[1:]
        columns = [
            self.truth["thickness_mm"] / 10,
            *(np.clip(age - start, 0, 5) for start in range(40, 75, 5)),
            np.log(bmi - 13),
            table["parity"],
            combined,
            *(table["vendor"] == name for name in vendors),
        ]
        return np.stack([np.asarray(one, dtype=float) for one in columns], axis=1)


def statistics(encoder: nn.Module, exams: ExamSet, file: Path) -> Floats:
    """Mean and SD of the maps of all layers over the breast, mean of the last maps, area.

    They are kept in a file.
    """
    if file.exists():
        return np.asarray(np.load(file))
    layers = encoder.layers
    assert isinstance(layers, nn.Sequential)
    found = []
    with torch.no_grad():
        for i in range(len(exams)):
            pixels = exams.pixels[i]
            maps = torch.from_numpy(to_float(pixels)[:, None])
            breast = torch.from_numpy((pixels > 0).astype(np.float32))[:, None]
            parts: list[Tensor] = []
            for layer in layers:
                maps = layer(maps)
                if isinstance(layer, nn.ReLU):
                    parts += _mean_and_sd(maps, breast)
            parts += [maps.mean(dim=(2, 3)), breast.sum(dim=(2, 3))]
            found.append(torch.cat(parts, dim=1).numpy())
    made = np.stack(found).astype(np.float32)
    np.save(file, made)
    return np.asarray(made)


def _mean_and_sd(maps: Tensor, breast: Tensor) -> list[Tensor]:
    share = nn.functional.adaptive_avg_pool2d(breast, list(maps.shape[2:]))
    total = share.sum(dim=(2, 3)).clamp(min=1)
    mean = (maps * share).sum(dim=(2, 3)) / total
    squares = ((maps - mean[:, :, None, None]) ** 2 * share).sum(dim=(2, 3)) / total
    return [mean, squares.sqrt()]


def by_inputs(values: Floats, width: int) -> dict[str, Floats]:
    """Features by the name of the inputs; the last layer has ``width`` maps."""
    mean, area = values[..., -width - 1 : -1], values[..., -1:]
    last = values[..., -3 * width - 1 :]
    return {
        "(a) mean of the last maps": np.concatenate([mean, area], axis=-1),
        "(c) mean and SD, last layer": last,
        "(c) mean and SD, all layers": values,
    }


def measure(cohort: mr.Cohort, file: Path) -> Floats:
    """Log of the measured densities of the first women, shape (n, measures, 4)."""
    if file.exists():
        return np.asarray(np.load(file))
    found = np.full((_MEASURED, len(_MEASURES) + 1, len(VIEWS)), np.nan)
    for i in range(_MEASURED):
        density = measure_density(cohort.open_exam(i))
        for k, name in enumerate(_MEASURES.values()):
            by_view = getattr(density, name)
            found[i, k] = [by_view.get(view, np.nan) for view in VIEWS]
        for v, view in enumerate(VIEWS):
            if view in density.tissue:
                tissue = density.tissue[view]
                top, bottom, left, right = tissue.box
                found[i, -1, v] = tissue.measured.mean() * (bottom - top) * (right - left)
    logs = np.log(np.maximum(found, 1e-3))
    np.save(file, logs)
    return np.asarray(logs)


def traits(train: Study, held: Study, name: str) -> dict[str, Floats]:
    """Traits of the held-out women, by ridge regression of the true ones of the training."""
    scale = StandardScaler().fit(train.maps[name].reshape(-1, train.maps[name].shape[-1]))
    one, other = (
        scale.transform(s.maps[name].reshape(-1, s.maps[name].shape[-1])).reshape(
            s.maps[name].shape
        )
        for s in (train, held)
    )
    found = {}
    for trait in ("area_density", "texture_score", "log_ratio_left_right"):
        make = sides if trait == "log_ratio_left_right" else views
        ridge = RidgeCV(alphas=np.logspace(0, 4, 5)).fit(make(one), train.truth[trait])
        found[trait] = ridge.predict(make(other))
        apart = found[trait] - held.truth[trait].to_numpy(dtype=float)
        explained = 1 - np.mean(apart**2) / held.truth[trait].var()
        print(f"    {trait}: R2 {explained:.3f}, residual SD {apart.std():.3f}", flush=True)
    return found


def views(maps: Floats) -> Floats:
    """Features of all views, or their means where there are many."""
    return maps.reshape(len(maps), -1) if maps.shape[-1] < 600 else maps.mean(axis=1)


def sides(maps: Floats) -> Floats:
    """Differences between left and right, CC and MLO."""
    return np.concatenate([maps[:, 1] - maps[:, 0], maps[:, 3] - maps[:, 2]], axis=1)


def terms(found: dict[str, Floats]) -> Floats:
    """Terms of the final regression: squares, and functions of the asymmetry."""
    area, texture = found["area_density"], found["texture_score"]
    return np.concatenate(
        [
            np.stack([area, area**2, texture, texture**2], axis=1),
            asymmetry(found["log_ratio_left_right"]),
        ],
        axis=1,
    )


def asymmetry(ratio: Floats) -> Floats:
    size = np.abs(ratio)
    logs = [np.log(size + least) for least in (0.02, 0.05, 0.1, 0.2)]
    return np.stack([size, size**2, *logs], axis=1)


def measured_terms(logs: Floats) -> Floats:
    """Measured densities, and their differences between the sides."""
    apart = (logs[..., 1] - logs[..., 0] + logs[..., 3] - logs[..., 2]) / 2
    return np.concatenate(
        [logs.reshape(len(logs), -1), asymmetry(apart[:, 0]), np.abs(apart[:, 1:])], axis=1
    )


def regressed(columns: Floats, held: Study, rows: NDArray[np.int64]) -> Floats:
    """Cross-validated prediction of the true log hazard ratio of some held-out women."""
    every = StandardScaler().fit_transform(np.concatenate([columns, held.known[rows]], axis=1))
    folds = KFold(10, shuffle=True, random_state=0)
    ridge = RidgeCV(alphas=np.logspace(-2, 3, 6))
    return np.asarray(cross_val_predict(ridge, every, held.target[rows], cv=folds))


def row(name: str, learned: str, held: Study, rows: NDArray[np.int64], found: Floats) -> str:
    """Row of the table: R2, residual SD, and the ratio of the limits with this SD."""
    weight, true = held.weight[rows], held.target[rows]
    apart = true - found
    sd = np.sqrt(np.average((apart - np.average(apart, weights=weight)) ** 2, weights=weight))
    spread = np.average((true - np.average(true, weights=weight)) ** 2, weights=weight)
    return (
        f"| {name} | {learned} | {len(rows):,} | {1 - sd**2 / spread:.2f} | {sd:.2f} | "
        f"{np.exp(2 * 1.96 * sd):.1f} |"
    )


def from_outcomes(train: Study, held: Study, name: str) -> Floats:
    """Penalised case-control regression on the outcomes.

    Number of components and penalty are those with the smallest error in the held-out women.
    """
    best, lowest = np.zeros(len(held.table)), np.inf
    event = np.asarray(train.table["event"] == 1, dtype=np.float64)
    # Women without cancer were sampled, women with cancer were not.
    ratio = float(np.log(train.weight[event == 0].mean()))
    years = float(train.table["time"][event == 0].mean())
    offset = train.log_hazard("risk_5y_questionnaire") + np.log(years / 5) + ratio
    scale = StandardScaler().fit(train.maps[name].reshape(-1, train.maps[name].shape[-1]))
    both = [
        np.clip(scale.transform(s.maps[name].reshape(-1, s.maps[name].shape[-1])), -4, 4).reshape(
            s.maps[name].shape
        )
        for s in (train, held)
    ]
    for many, few in _COMPONENTS:
        common = PCA(many, random_state=0).fit(both[0].mean(axis=1))
        apart = [(one[:, 1] + one[:, 3] - one[:, 0] - one[:, 2]) / 2 for one in both]
        contrast = PCA(few, random_state=0).fit(np.concatenate([apart[0], -apart[0]]))
        scores = [contrast.transform(one) for one in apart]
        size = [np.abs(one / scores[0].std(axis=0)) for one in scores]
        columns = [
            np.concatenate(
                [common.transform(one.mean(axis=1)), part, np.log(part + 0.1), s.known], axis=1
            )
            for one, part, s in zip(both, size, (train, held), strict=True)
        ]
        fitted = StandardScaler().fit(columns[0])
        first, second = (fitted.transform(one) for one in columns)
        for penalty in _PENALTIES:
            found = second @ _logistic(first, event, offset, penalty)
            error = np.average((found - held.target) ** 2, weights=held.weight)
            if error < lowest:
                best, lowest = found, error
    return best


def _logistic(columns: Floats, event: Floats, offset: Floats, penalty: float) -> Floats:
    design = np.concatenate([np.ones((len(columns), 1)), columns], axis=1)

    def loss(weights: Floats) -> tuple[float, Floats]:
        logit = design @ weights + offset
        value = np.sum(np.logaddexp(0, logit) - event * logit) + penalty * np.sum(weights[1:] ** 2)
        slope = design.T @ (1 / (1 + np.exp(-logit)) - event)
        slope[1:] += 2 * penalty * weights[1:]
        return float(value), slope

    start = np.zeros(design.shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return np.asarray(found.x[1:])


def of_model(model: HybridModel, held: Study, cohort: mr.Cohort, exams: ExamSet) -> Floats:
    """Log hazard ratio by the bundled model: that of all inputs to that of the true answers."""
    features = torch.from_numpy(held.maps["(a) mean of the last maps"][..., :-1].copy())
    women = Women.of(
        model, cohort.exams, cohort.questionnaires, exams, held.truth, features.float()
    )
    own, batch = restrict(
        women.inputs, women.batch, views=ALL_VIEWS, acquisition=True, answers=True, density=False
    )
    risk = five_year_risk(model, model.evaluate_batch(own, batch))
    return held.target + log_hazard_ratio(risk, women.truth["iaq"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    work = parser.parse_args().work
    warnings.filterwarnings("ignore", module="sklearn")
    model = mr.load_model("hybrid")
    assert isinstance(model, HybridModel)
    assert model.encoder is not None
    model.encoder.eval()
    width = model.head.settings.n_features
    studies, cohorts, sets = [], [], []
    for name, options in (("train", TRAIN), ("held-out", HELD_OUT)):
        made = study(work, name, options)
        exams = read_exams(made.cohort, load_recipe("hybrid"), work / "cache", progress=True)
        values = statistics(model.encoder, exams, work / f"statistics-{name}.npy")
        table = made.cohort.exams
        studies.append(Study(table=table, truth=made.truth, maps=by_inputs(values, width)))
        cohorts.append(made.cohort)
        sets.append(exams)
    train, held = studies
    logs = measure(cohorts[1], work / "measured-held-out.npy")
    every = np.arange(len(held.table))
    some = np.flatnonzero(np.isfinite(logs).all(axis=(1, 2)))
    lines = [
        "| inputs | learned from | women | R2 | residual SD | ratio of limits |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in train.maps:
        print(name)
        found = terms(traits(train, held, name))
        lines.append(row(name, "truth", held, every, regressed(found, held, every)))
        both = np.concatenate([found[some], measured_terms(logs[some])], axis=1)
        lines.append(
            row(
                f"{name}; the women of (b)", "truth", held, some, regressed(found[some], held, some)
            )
        )
        lines.append(row(f"{name} + (b)", "truth", held, some, regressed(both, held, some)))
    for name in train.maps:
        learned = from_outcomes(train, held, name)
        lines.append(row(name, "outcomes", held, every, learned))
    own = of_model(model, held, cohorts[1], sets[1])
    lines.append(row("the bundled model", "outcomes", held, every, own))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
