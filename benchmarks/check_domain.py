"""How often the bundled hybrid model uses the images of exams unlike those of its training.

    python benchmarks/check_domain.py [FOLDER ...] [--exams 200] [--every 1]

Always prints the share of simulated exams that lose their images (false flags), by number of views.
With folders of films it also prints the share of films outside the domain. Each folder is one of:

- films FILM.png with FILM_label.png (see check_segmentation.py), right oblique views;
- films FILM.png with labels.csv (columns film and woman), two oblique views of each woman;
- one exam, as ``mammorisk.read_exam`` reads it.

An exam of two views has the oblique films of one woman, or of two women. An exam of four views has
two more films in the place of the CC views. The pixel spacing of films (``--film-mm``) is either
given or unknown.

Columns: exams; outside by the pixels alone (the domain guard: encoder features and grey
statistics); outside by the headers alone (manufacturer, implant, number of views); outside by
either, which is what a prediction does; exams in which no view shows a breast, which are not in the
shares. Films have no header. A file with a forged header has the rate of the pixels alone.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import mammorisk as mr
from mammorisk.errors import MammoriskError
from mammorisk.imaging.quality import check_view
from mammorisk.imaging.segmented_view import segment_view
from mammorisk.imaging.windowing import to_display
from mammorisk.inputs.exam_set import stack_exams
from mammorisk.inputs.standard_exam import network_view, stack_views
from mammorisk.records.exam import Laterality, View
from mammorisk.records.stored_image import Greyscale, RawImage
from mammorisk.risk_models.hybrid.guard_features import guard_features
from mammorisk.risk_models.hybrid.model import HybridModel

Change = Callable[[np.ndarray], np.ndarray]

#: Quality findings with which a view shows no usable breast.
REFUSED = ("no-breast", "not-a-breast")

#: Another seed than those of training and evaluation (train_reference_model.py).
SIMULATED = {"seed": 77_001, "images": "all", "pixel_mm": 1.0, "prior_share": 0.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--exams", type=int, default=200, help="simulated exams")
    parser.add_argument("--every", type=int, default=1, help="take every Nth film")
    parser.add_argument("--film-mm", type=float, default=0.2, help="pixel spacing of films in mm")
    options = parser.parse_args()
    model = mr.load_model("hybrid")
    if not isinstance(model, HybridModel) or model.guard is None:
        raise SystemExit("the bundled hybrid model has no domain guard")
    print("| images | spacing | views | exams | pixels | headers | either | not a breast |")
    print("|---|---|---|---|---|---|---|---|")
    check_simulated(model, options.exams)
    for folder in options.folders:
        films = read_films(folder)
        if films is None:
            check_exam(model, folder)
            continue
        for change_name, change in CHANGES.items():
            for mm in (options.film_mm, None):
                some = [
                    [changed(film, change, mm) for film in one] for one in films[:: options.every]
                ]
                for count in (1, 2, 4):
                    report(
                        model,
                        f"{folder.name}, {change_name}",
                        "unknown" if mm is None else f"{mm:g} mm",
                        count,
                        compose(some, count),
                    )
    if not options.folders:
        print("\nNo folder of films was given: only simulated exams were checked.")


def check_simulated(model: HybridModel, n: int) -> None:
    """False flags, and what simulated exams become when their pixels are replaced."""
    with tempfile.TemporaryDirectory() as folder:
        made = mr.simulate(n, out=folder, **SIMULATED)
        exams = [list(made.cohort.open_exam(i)) for i in range(len(made.cohort))]
        for count in (4, 2, 1):
            rng = np.random.default_rng(count)
            kept = [
                {exam[i].name: exam[i] for i in rng.permutation(len(exam))[:count]}
                for exam in exams
            ]
            report(model, "simulated", "1 mm", count, kept)
        kept = [{view.name: changed(view, noise, view.pixel_mm) for view in e} for e in exams[:20]]
        report(model, "noise with simulated headers", "1 mm", 4, kept)
        kept = [{v.name: changed(v, inverted, v.pixel_mm) for v in e} for e in exams[:20]]
        report(model, "simulated, inverted", "1 mm", 4, kept)


def check_exam(model: HybridModel, folder: Path) -> None:
    try:
        exam = mr.read_exam(folder, allow_missing_views=True)
    except MammoriskError as error:
        print(f"| {folder.name} | | | refused: {error.what} | | | | |")
        return
    views = {view.name: view for view in exam}
    report(model, folder.name, "as stored", len(views), [views])


def read_films(folder: Path) -> list[list[View]] | None:
    """Films of each woman; None if the folder is one exam."""
    labels = folder / "labels.csv"
    if labels.exists():
        films = pd.read_csv(labels).drop_duplicates("film")
        groups = [[folder / f"{film}.png" for film in g["film"]] for _, g in films.groupby("woman")]
    else:
        files = sorted(folder.glob("*_label.png"))
        groups = [[f.with_name(f.name.replace("_label", ""))] for f in files]
    found = []
    for files in groups:
        exam = []
        for file, side in zip(files, "RL", strict=False):
            exam += mr.read_exam({f"{side}-MLO": file}, allow_missing_views=True)
        found.append(exam)
    return found or None


def compose(women: Sequence[Sequence[View]], count: int) -> list[dict[str, View]]:
    """Exams of so many views out of films."""
    films = [film for woman in women for film in woman]
    if count == 1:
        return [{film.name: film} for film in films]
    names = ("R-MLO", "L-MLO", "R-CC", "L-CC")[:count]
    return [
        {name: _as(film, name) for name, film in zip(names, films[i : i + count], strict=True)}
        for i in range(0, len(films) - count + 1, count)
    ]


def _as(film: View, name: str) -> View:
    side, position = name.split("-")
    return replace(film, laterality=Laterality(side), position=position)


def changed(view: View, change: Change, pixel_mm: float | None) -> View:
    """The view with other pixels, display grey levels in 16 bits, and this pixel spacing."""

    def load() -> RawImage:
        grey = to_display(view.load())
        pixels = np.round(change(grey) * 65535).astype(np.uint16)
        return RawImage(pixels=pixels, greyscale=Greyscale(bits_stored=16))

    return replace(view, load=load, pixel_mm=pixel_mm)


def same(grey: np.ndarray) -> np.ndarray:
    return grey


def inverted(grey: np.ndarray) -> np.ndarray:
    return 1 - grey


def stretched(grey: np.ndarray) -> np.ndarray:
    low, high = np.percentile(grey[grey > 0.02], [2, 98])
    return np.clip((grey - low) / (high - low), 0, 1)


def eight_bits(grey: np.ndarray) -> np.ndarray:
    return np.round(grey * 255) / 255


def gamma(grey: np.ndarray) -> np.ndarray:
    return grey**0.7


def noise(grey: np.ndarray) -> np.ndarray:
    return np.random.default_rng(grey.size).random(grey.shape)


CHANGES: dict[str, Change] = {
    "as stored": same,
    "inverted": inverted,
    "contrast stretched": stretched,
    "8 bits": eight_bits,
    "gamma 0.7": gamma,
}


def report(
    model: HybridModel, name: str, spacing: str, count: int, exams: Sequence[Mapping[str, View]]
) -> None:
    """One row of the table."""
    settings, made, refused = model.recipe.image, [], 0
    for views in exams:
        contents = {}
        for view in views.values():
            seen = segment_view(view)
            if any(one.code in REFUSED for one in check_view(seen)):
                continue
            contents[view.name] = network_view(seen, settings).content
        refused += not contents
        if contents:
            made.append([stack_views(contents, settings)])
    shares = ["", "", ""]
    if made:
        stacked = stack_exams(made, settings)
        features = model.features(stacked)
        assert model.guard is not None
        pixels = ~model.guard.inside(guard_features(stacked, features.numpy()))
        headers = np.array(
            [
                model.origin is not None
                and model.origin.objection(stacked, i, model.name) is not None
                for i in range(len(stacked))
            ]
        )
        shares = [f"{100 * one.mean():.1f}%" for one in (pixels, headers, pixels | headers)]
    print(
        f"| {name} | {spacing} | {count} | {len(exams)} | {' | '.join(shares)} | {refused} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
