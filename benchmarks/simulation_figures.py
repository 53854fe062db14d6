"""The pictures of docs/explanation/simulation.md, and the fitted spectra.

python benchmarks/simulation_figures.py docs/images
python benchmarks/simulation_figures.py /tmp/figures --real FOLDER    # beside a real exam

FOLDER is a real four-view exam without spacing in its files; its images are taken as 0.07 mm.
Pictures with real images are for looking at and do not go into the repository.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import mammorisk as mr
from mammorisk.imaging.segmented_view import segment_view
from mammorisk.records.exam import Exam
from mammorisk.simulation.exam_folders import write_exam_of
from mammorisk.simulation.exam_plan import plan_exam
from mammorisk.simulation.options import check_options
from mammorisk.simulation.population import draw_population

SEED = 2026
#: Windows whose spectra are averaged, and the band in which the slope is fitted.
WINDOW_MM, BAND_PER_MM = 25.6, (0.15, 1.0)
PLAUSIBLE = {
    "thickness_mm": ("compressed thickness (mm)", 35, 80),
    "force_n": ("compression force (N)", 60, 160),
    "kvp": ("tube voltage (kV)", 25, 34),
}
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"


def spectrum(exam: Exam, pixel_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Radially averaged power over windows of tissue, by frequency per mm, mean of the views."""
    powers = []
    edges = np.geomspace(*BAND_PER_MM, 13)
    for view in exam:
        seen = segment_view(view)
        size = 2 * round(WINDOW_MM / pixel_mm / 2)
        window = np.outer(np.hanning(size), np.hanning(size))
        frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(size, pixel_mm)] * 2))
        tissue = cv2.erode(seen.mask.tissue.astype(np.uint8), np.ones((9, 9))) > 0
        for top in range(0, tissue.shape[0] - size, size // 2):
            for left in range(0, tissue.shape[1] - size, size // 2):
                place = slice(top, top + size), slice(left, left + size)
                if tissue[place].all():
                    part = seen.image[place].astype(float)
                    part = (part - np.average(part, weights=window)) * window
                    power = np.abs(np.fft.fft2(part)) ** 2
                    powers.append(
                        [
                            power[(frequency >= a) & (frequency < b)].mean()
                            for a, b in pairwise(edges)
                        ]
                    )
    if not powers:
        return np.sqrt(edges[:-1] * edges[1:]), np.full(len(edges) - 1, np.nan)
    return np.sqrt(edges[:-1] * edges[1:]), np.mean(powers, axis=0)


def slope(frequency: np.ndarray, power: np.ndarray) -> float:
    return float(-np.polyfit(np.log(frequency), np.log(power), 1)[0])


def exams_figure(out: Path, women: pd.DataFrame) -> None:
    options = check_options(n=len(women), seed=SEED, pixel_mm=0.15)
    order = ("R-CC", "L-CC", "R-MLO", "L-MLO")
    fig, axes = plt.subplots(4, 4, figsize=(10, 12.5), layout="constrained")
    with TemporaryDirectory() as folder:
        for row, category in enumerate("abcd"):
            of_category = women[women["breast_density"] == category]
            typical = (of_category["area_density"] - of_category["area_density"].median()).abs()
            woman = int(typical.idxmin())
            exam = mr.read_exam(write_exam_of(options, woman, Path(folder)))
            for ax, name in zip(axes[row], order, strict=True):
                ax.imshow(segment_view(exam[name]).image, cmap="gray", vmin=0, vmax=1)
                ax.set_axis_off()
                if row == 0:
                    ax.set_title(name)
            axes[row, 0].text(
                0.02, 0.98, category, transform=axes[row, 0].transAxes, color="w", va="top", size=16
            )
    fig.suptitle("SIMULATED exams, typical of density a to d")
    fig.savefig(out / "simulated-exams.png", dpi=70)


def spectra_figure(out: Path, women: pd.DataFrame, real: Path | None) -> None:
    options = check_options(n=len(women), seed=SEED, pixel_mm=0.1)
    fig, ax = plt.subplots(figsize=(5.5, 4), layout="constrained")
    slopes = []
    with TemporaryDirectory() as folder:
        for woman in range(40):
            exam = mr.read_exam(write_exam_of(options, woman, Path(folder)))
            frequency, power = spectrum(exam, 0.1)
            if np.isfinite(power).all():
                slopes.append(slope(frequency, power))
                label = "simulated (40 exams)" if len(slopes) == 1 else None
                ax.loglog(frequency, power / power[0], color=BLUE, alpha=0.25, label=label)
    low, middle, high = np.percentile(slopes, [10, 50, 90])
    print(f"simulated: slope {middle:.2f} (10th to 90th percentile {low:.2f}-{high:.2f})")
    if real is not None:
        frequency, power = spectrum(mr.read_exam(real), 0.07)
        print(f"real exam: slope {slope(frequency, power):.2f}")
        ax.loglog(frequency, power / power[0], color=ORANGE, lw=2, label="real exam")
    ax.loglog(frequency, (frequency / frequency[0]) ** -3, "k--", lw=1, label="slope 3")
    ax.set(xlabel="spatial frequency (1/mm)", ylabel="power relative to 0.16 per mm")
    ax.legend()
    fig.savefig(out / "simulated-spectrum.png", dpi=90)


def density_figure(out: Path, women: pd.DataFrame) -> None:
    # Sprague 2014, doi:10.1093/jnci/dju255.
    published = {42.5: 57, 47.5: 55, 52.5: 46, 57.5: 38, 62.5: 33, 67.5: 31, 72.5: 26}
    dense = 100 * women["breast_density"].isin(["c", "d"])
    simulated = dense.groupby(5 * (women["age"] // 5) + 2.5).mean()
    fig, ax = plt.subplots(figsize=(5.5, 4), layout="constrained")
    ax.plot(simulated.index, simulated, "o-", color=BLUE, label=f"simulated ({len(women):,} women)")
    ax.plot(list(published), list(published.values()), "s--", color=ORANGE, label="Sprague 2014")
    ax.set(xlabel="age (years)", ylabel="heterogeneously or extremely dense (%)", ylim=(0, 70))
    ax.legend()
    fig.savefig(out / "simulated-density.png", dpi=90)


def acquisition_figure(out: Path) -> None:
    options = check_options(n=2000, seed=SEED)
    exposures = pd.DataFrame(
        [
            vars(view.exposure) | {"vendor": plan.vendor.name}
            for plan in (plan_exam(options, woman) for woman in range(2000))
            for view in plan.views
        ]
    )
    fig, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    for ax, (name, (label, low, high)) in zip(axes, PLAUSIBLE.items(), strict=True):
        groups = exposures.groupby("vendor")[name]
        bins = np.arange(exposures[name].min() - 0.5, exposures[name].max() + 1.5)
        bins = bins if name == "kvp" else bins[:: 4 if name == "thickness_mm" else 8]
        for colour, (vendor, values) in zip((BLUE, ORANGE, GREEN, PURPLE), groups, strict=True):
            ax.hist(values, bins, histtype="step", color=colour, label=vendor, density=True)
        ax.axvspan(low, high, color="0.9", zorder=0, label="usual in screening")
        ax.set(xlabel=label, ylabel="share of views per unit" if ax is axes[0] else "")
    axes[0].legend(fontsize=8)
    fig.savefig(out / "simulated-acquisition.png", dpi=80)
    numbers = exposures[[*PLAUSIBLE, "mas", "glandular_dose_mgy"]]
    print(numbers.quantile([0.05, 0.5, 0.95]).round(2).to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--real", type=Path)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    plt.switch_backend("Agg")
    women = draw_population(SEED, 100_000)
    exams_figure(arguments.out, women)
    spectra_figure(arguments.out, women, arguments.real)
    density_figure(arguments.out, women)
    acquisition_figure(arguments.out)


if __name__ == "__main__":
    main()
