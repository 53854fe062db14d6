"""Pixels on demand: in other processes and threads, once or many times."""

from __future__ import annotations

import multiprocessing
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from mammorisk import read_exam
from mammorisk.errors import ExamError, PixelError
from mammorisk.io import Limits
from mammorisk.records.exam import View
from tests import factories as f


def compressed_exam(folder: Path) -> dict[str, np.ndarray]:
    """Four JPEG 2000 views that differ."""
    pixels = {}
    for seed, name in enumerate(("R-CC", "L-CC", "R-MLO", "L-MLO")):
        side, view = name.split("-")
        pixels[name] = f.breast_pixels(side, view, seed=seed)
        f.write_view(folder / f"{name}.dcm", side, view, pixels=pixels[name], syntax=f.JPEG_2000)
    return pixels


def test_threads_get_their_own_images(tmp_path: Path) -> None:
    pixels = compressed_exam(tmp_path)
    views = list(read_exam(tmp_path)) * 6
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(lambda view: view.load().pixels, views))
    for view, image in zip(views, loaded, strict=True):
        np.testing.assert_array_equal(image, pixels[view.name])


def test_an_exam_survives_pickling(tmp_path: Path) -> None:
    pixels = compressed_exam(tmp_path)
    imagecodecs_png = imagecodecs.png_encode(pixels["L-CC"])
    (tmp_path / "png").mkdir()
    (tmp_path / "png" / "L-CC.png").write_bytes(imagecodecs_png)
    for path in (tmp_path / "L-CC.dcm", tmp_path / "png" / "L-CC.png"):
        exam = pickle.loads(pickle.dumps(read_exam(path, allow_missing_views=True)))
        np.testing.assert_array_equal(exam["L-CC"].load().pixels, pixels["L-CC"])


def _load(view: View) -> np.ndarray:
    return view.load().pixels


@pytest.mark.skipif(sys.platform == "win32", reason="fork")
def test_forked_children_do_not_share_a_decoder(tmp_path: Path) -> None:
    pixels = compressed_exam(tmp_path)
    views = list(read_exam(tmp_path))
    views[0].load()  # so that there is a decoder to share
    with multiprocessing.get_context("fork").Pool(2) as pool:
        loaded = pool.map(_load, views * 3, chunksize=1)
    for view, image in zip(views * 3, loaded, strict=True):
        np.testing.assert_array_equal(image, pixels[view.name])
    np.testing.assert_array_equal(views[0].load().pixels, pixels[views[0].name])


def test_a_script_without_main_guard_can_decode(tmp_path: Path) -> None:
    compressed_exam(tmp_path / "exam")
    # A module of that name beside the script must not be imported by the decoder.
    (tmp_path / "numpy.py").write_text("raise SystemExit(3)")
    code = (
        "import sys; sys.path.pop(0)\n"
        "from mammorisk import read_exam\n"
        f"print(sum(int(v.load().pixels.max() > 0) for v in read_exam({str(tmp_path / 'exam')!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert done.stdout.strip() == "4", done.stderr


def test_decoding_in_this_process_gives_the_same(tmp_path: Path) -> None:
    pixels = compressed_exam(tmp_path)
    exam = read_exam(tmp_path, limits=Limits(decode_in_process=True))
    for view in exam:
        np.testing.assert_array_equal(view.load().pixels, pixels[view.name])
    damaged = f.mammogram(syntax=f.JPEG_2000)
    damaged.PixelData = damaged.PixelData[:60] + b"\0" * (len(damaged.PixelData) - 60)
    damaged["PixelData"].VR = "OB"
    f.save(damaged, tmp_path / "L-CC.dcm")
    view = read_exam(tmp_path, limits=Limits(decode_in_process=True))["L-CC"]
    with pytest.raises(PixelError, match="cannot be decoded"):
        view.load()


@pytest.mark.parametrize("syntax", [f.EXPLICIT, f.IMPLICIT, f.BIG_ENDIAN, f.JPEG_2000])
@pytest.mark.parametrize("lost_bytes", [1, 40, 2000])
def test_pixels_cut_short_are_noticed_when_the_exam_is_read(
    tmp_path: Path, syntax: str, lost_bytes: int
) -> None:
    path = f.write_view(tmp_path / "a.dcm", syntax=syntax)
    path.write_bytes(path.read_bytes()[:-lost_bytes])
    with pytest.raises(PixelError, match=r"^file 1 of 1: .*truncated") as caught:
        read_exam(path, allow_missing_views=True)
    assert caught.value.source == "a.dcm"


def test_a_header_without_pixels(tmp_path: Path) -> None:
    dataset = f.mammogram()
    del dataset.PixelData
    with pytest.raises(PixelError, match="no PixelData"):
        read_exam(f.save(dataset, tmp_path / "a.dcm"), allow_missing_views=True)


def test_a_cut_copy_is_set_aside_when_the_views_are_complete(tmp_path: Path) -> None:
    f.write_exam(tmp_path)
    whole = (tmp_path / "LCC.dcm").read_bytes()
    (tmp_path / "copy.dcm").write_bytes(whole[:-100])
    (aside,) = read_exam(tmp_path).set_aside
    assert aside.source == "copy.dcm"
    assert "truncated" in aside.reason


def test_the_user_may_say_what_the_header_does_not(tmp_path: Path) -> None:
    path = f.write_view(tmp_path / "a.dcm", ImageLaterality="")
    (view,) = read_exam({"L-CC": path}, allow_missing_views=True)
    assert view.name == "L-CC"
    assert [told.code for told in view.warnings] == ["view-as-given"]
    assert "given by the user" in view.warnings[0].text


def test_folders_too_deep_are_named(tmp_path: Path) -> None:
    f.write_exam(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    exam = read_exam(tmp_path, limits=Limits(max_folder_depth=1))
    assert [(a.source, "deeper" in a.reason) for a in exam.set_aside] == [("a", True)]


@pytest.mark.parametrize("syntax", [f.EXPLICIT, f.IMPLICIT, f.BIG_ENDIAN])
def test_a_file_that_changed_after_its_header_was_read_is_parsed_again(
    tmp_path: Path, syntax: str
) -> None:
    first, second = (f.breast_pixels("L", "CC", seed=seed) for seed in (1, 2))
    path = f.write_view(tmp_path / "one.dcm", pixels=first, syntax=syntax)
    view = next(iter(read_exam(path, allow_missing_views=True)))
    np.testing.assert_array_equal(view.load().pixels, first)
    f.write_view(path, pixels=second, syntax=syntax, SeriesDescription="a longer header")
    np.testing.assert_array_equal(view.load().pixels, second)
    path.unlink()
    with pytest.raises(ExamError):
        view.load()
