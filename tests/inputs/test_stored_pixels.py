"""Standardised exams that stay on disk: whole entries or none, repair, full disks, workers."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mammorisk as mr
from mammorisk.errors import CacheDamaged, OutputError, PixelError
from mammorisk.inputs import image_cache
from mammorisk.inputs.exam_set import ExamSet, load_exams
from mammorisk.inputs.image_cache import ImageCache
from mammorisk.inputs.standard_exam import ImageSettings, standard_exam, to_float
from mammorisk.inputs.stored_pixels import StoredPixels
from mammorisk.records.exam import Exam
from tests.factories import simulated_exam

SETTINGS = ImageSettings(spacing_mm=4, rows=60, columns=40)


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Exam:
    return mr.read_exam(simulated_exam(tmp_path_factory.mktemp("e"), pixel_mm=2.0))


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    return ImageCache(folder=tmp_path / "c", settings=SETTINGS)


def opener(exam: Exam) -> object:
    views = list(exam.views.values())

    def open_exam(row: int) -> Exam:
        if row == 2:
            raise PixelError("damaged")
        return Exam(views={view.name: view for view in views[: 4 - row % 2]})

    return open_exam


def entries(cache: ImageCache) -> list[Path]:
    assert cache.folder is not None
    return sorted(cache.folder.rglob("*.safetensors"))


def stored(exam: Exam, cache: ImageCache, *, workers: int = 0) -> ExamSet:
    return load_exams(range(5), opener(exam), cache, in_memory=False, workers=workers)  # type: ignore[arg-type]


def test_pixels_on_disk_are_those_in_memory(exam: Exam, cache: ImageCache) -> None:
    whole = load_exams(range(5), opener(exam), cache, workers=0)  # type: ignore[arg-type]
    lazy = stored(exam, cache, workers=2)
    assert isinstance(lazy.pixels, StoredPixels)
    assert lazy.pixels.shape == whole.pixels.shape
    np.testing.assert_array_equal(lazy.present, whole.present)
    np.testing.assert_array_equal(lazy.percent_density, whole.percent_density)
    pd.testing.assert_frame_equal(lazy.acquisition, whole.acquisition)
    names = [[one and one.manufacturer for one in exams.acquisitions] for exams in (lazy, whole)]
    assert names[0] == names[1]
    some = lazy.take(np.array([3, 0]))
    np.testing.assert_array_equal(some.pixels[[0, 1]], whole.pixels[[3, 0]])
    pd.testing.assert_frame_equal(
        some.acquisition, whole.take(np.array([3, 0])).acquisition, check_dtype=False
    )
    assert lazy.errors == whole.errors
    assert "damaged" in lazy.errors[2]
    np.testing.assert_array_equal(lazy.pixels[[4, 0, 2]], whole.pixels[[4, 0, 2]])
    np.testing.assert_array_equal(lazy.pixels[1, 2], whole.pixels[1, 2])
    rows, tokens = np.array([0, 0, 3]), np.array([1, 3, 0])
    np.testing.assert_array_equal(lazy.pixels[rows, tokens], whole.pixels[rows, tokens])


@pytest.mark.parametrize("damage", ["cut", "flipped byte", "gone"])
def test_a_damaged_entry_is_made_again(exam: Exam, cache: ImageCache, damage: str) -> None:
    pixels = stored(exam, cache).pixels
    assert isinstance(pixels, StoredPixels)
    before = [pixels.exam(row).copy() for row in (0, 1)]
    for file in entries(cache):
        content = bytearray(file.read_bytes())
        content[-1500] ^= 0xFF
        if damage == "cut":
            content = content[:-10]
        file.write_bytes(content)
        if damage == "gone":
            file.unlink()
    other = pickle.loads(pickle.dumps(pixels))
    with pytest.raises(CacheDamaged, match="row 1"):
        # A process that was not forked cannot open exams.
        other.exam(1)
    pixels._last = None
    for row in (0, 1):
        np.testing.assert_array_equal(pixels.exam(row), before[row])
    np.testing.assert_array_equal(other.exam(1), before[1])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_full_disk_stops_and_keeps_what_was_done(
    exam: Exam, cache: ImageCache, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    write = image_cache._write

    def full(made: object, path: Path) -> None:
        if entries(cache):
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        write(made, path)  # type: ignore[arg-type]

    with monkeypatch.context() as small:
        small.setattr(image_cache, "_write", full)
        with pytest.raises(OutputError, match=r"No space left.*are kept"):
            stored(exam, cache, workers=workers)
    assert len(entries(cache)) == 1
    assert not list(cache.folder.rglob("*.new"))  # type: ignore[union-attr]
    kept = entries(cache)[0].stat().st_mtime_ns
    assert stored(exam, cache).present[0].all()
    assert kept in {file.stat().st_mtime_ns for file in entries(cache)}


def test_an_exam_without_files_is_kept_too(exam: Exam, cache: ImageCache) -> None:
    from dataclasses import replace

    made = Exam(views={"L-CC": replace(exam["L-CC"], digest=None)})
    found = load_exams(range(1), lambda row: made, cache, in_memory=False, workers=0)
    np.testing.assert_array_equal(found.pixels[0], standard_exam(made, SETTINGS).pixels)


def test_the_version_of_the_preprocessing_is_up_to_date(tmp_path: Path) -> None:
    """If this fails, raise PREPROCESSING_VERSION and change the numbers."""
    seen = mr.read_exam(simulated_exam(tmp_path, pixel_mm=1.0))
    made = standard_exam(seen, ImageSettings())
    grey = [to_float(view)[view > 0] for view in made.pixels]
    assert image_cache.PREPROCESSING_VERSION == 1
    np.testing.assert_allclose(
        [one.mean() for one in grey], [0.3598, 0.3821, 0.3271, 0.3498], atol=1e-3
    )
    np.testing.assert_allclose(made.percent_density, [24.34, 36.24, 18.51, 22.65], atol=0.05)
    np.testing.assert_allclose(
        [(view > 0).mean() for view in made.pixels], [0.7485, 0.748, 0.879, 0.8767], atol=1e-3
    )
