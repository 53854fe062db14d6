"""Pictures follow physics and the exposure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pydicom
import pytest

import mammorisk as mr
from mammorisk.imaging.windowing import to_display
from mammorisk.records.exam import ImageKind
from mammorisk.simulation.anatomy import draw_breasts
from mammorisk.simulation.exam_folders import write_exam_of
from mammorisk.simulation.exam_plan import ExamPlan, plan_exam
from mammorisk.simulation.exposure import attenuation, effective_energy
from mammorisk.simulation.hazard import baseline
from mammorisk.simulation.options import check_options
from mammorisk.simulation.population import draw_population
from mammorisk.simulation.rendering import render
from mammorisk.simulation.vendors import VENDORS

OPTIONS = check_options(n=1000, seed=12)


def picture(plan: ExamPlan, view: int = 1, **changes: object) -> np.ndarray:
    one = plan.views[view]
    breasts = draw_breasts(
        plan.anatomy_seed,
        area_percent=plan.area_percent,
        volumetric_percent=plan.volumetric_percent,
        exponent=3.0,
    )
    options: dict[str, object] = {
        "exposure": one.exposure,
        "vendor": plan.vendor,
        "texture": plan.texture,
        "pixel_mm": 1.0,
        "rng": np.random.default_rng(0),
    } | changes
    done = render(breasts[one.side], one.view, one.outline, **options)  # type: ignore[arg-type]
    return done.pixels if done.raw is None else done.raw


def test_attenuation_falls_with_energy_and_parenchyma_stops_more() -> None:
    energies = np.linspace(16, 29, 40)
    fat, gland = np.array([attenuation(e) for e in energies]).T
    assert (gland > fat).all()
    assert (np.diff(fat) < 0).all()
    assert (np.diff(gland - fat) < 0).all()
    assert effective_energy(32, 0, 60) > effective_energy(26, 0, 60) > effective_energy(26, 0, 40)


def test_raw_signal_follows_beers_law() -> None:
    plan = plan_exam(OPTIONS, 5)
    one = plan.views[1]
    raw = picture(plan, raw=True).astype(float)
    # Where there is no breast the signal is that of air: brighter by the fat that is missing.
    fat, _ = attenuation(one.exposure.energy_kev)
    inside = picture(plan) > 0
    bright = np.percentile(raw[inside], 60)
    expected = 1638 * np.exp(fat * one.exposure.thickness_mm)
    air = np.median(raw[~inside])
    assert air == pytest.approx(min(expected, 2**14 - 1), rel=0.01)
    assert bright < 0.5 * air


def test_the_same_tissue_looks_different_at_another_thickness_voltage_or_vendor() -> None:
    plan = plan_exam(OPTIONS, 7)
    one = plan.views[1]
    vendor = VENDORS["alder"]
    grey = picture(plan, vendor=vendor).astype(float)
    inside = grey > 0
    for change in (
        {
            "vendor": vendor,
            "exposure": replace(one.exposure, energy_kev=one.exposure.energy_kev + 3),
        },
        {
            "vendor": vendor,
            "exposure": replace(one.exposure, thickness_mm=one.exposure.thickness_mm + 25),
        },
        {"vendor": replace(vendor, gamma=1.3, contrast=1.3)},
    ):
        other = picture(plan, **change).astype(float)
        difference = np.abs(other[inside].mean() - grey[inside].mean()) / 4095
        assert difference > 0.004


def test_a_finer_picture_shows_the_same_breast() -> None:
    plan = plan_exam(OPTIONS, 3)
    coarse = picture(plan, 3).astype(np.float32)
    fine = picture(plan, 3, pixel_mm=0.25).astype(np.float32)
    pooled = cv2.resize(fine, coarse.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.corrcoef(pooled.ravel(), coarse.ravel())[0, 1] > 0.99


def test_noise_grows_as_pixels_shrink_and_quanta_go() -> None:
    plan = plan_exam(OPTIONS, 3)

    def noise(pixel_mm: float, quanta: float) -> float:
        vendor = replace(VENDORS["alder"], detector_quanta_per_mm2=quanta)
        pair = []
        for seed in (1, 2):
            rng = np.random.default_rng(seed)
            made = picture(plan, vendor=vendor, pixel_mm=pixel_mm, rng=rng, raw=True)
            pair.append(made.astype(float))
        inside = pair[0] < 5000
        return float(np.std((pair[0] - pair[1])[inside] / pair[0][inside]) / np.sqrt(2))

    # Behind dense tissue fewer quanta arrive than behind fat.
    assert noise(0.1, 4e5) == pytest.approx(1 / np.sqrt(4e5 * 0.01), rel=0.35)
    assert noise(0.1, 1e5) == pytest.approx(2 * noise(0.1, 4e5), rel=0.1)


def test_files_read_as_a_real_exam(tmp_path: Path) -> None:
    options = check_options(n=1000, seed=12, for_processing=True, vendors=("cedar", "alder"))
    compressed = options.model_copy(update={"compression": "jpeg2000", "for_processing": False})
    for woman in (0, 1, 2):
        folder = write_exam_of(options, woman, tmp_path / "plain")
        exam = mr.read_exam(folder)
        plan = plan_exam(options, woman)
        # The values for processing are seen and set aside.
        assert len(exam.set_aside) == 4
        assert {told.code for told in exam.warnings} == {"several-images"}
        assert all("the one for presentation used" in told.text for told in exam.warnings)
        other = mr.read_exam(write_exam_of(compressed, woman, tmp_path / "compressed"))
        for view, planned in zip(plan.views, plan.views, strict=True):
            read = exam[f"{view.side}-{view.view}"]
            assert read.kind is ImageKind.FFDM
            assert read.acquisition.thickness_mm == planned.exposure.thickness_mm
            assert read.acquisition.kvp == planned.exposure.kvp
            assert read.acquisition.force_n == planned.exposure.force_n
            assert read.acquisition.glandular_dose_mgy == pytest.approx(
                planned.exposure.glandular_dose_mgy, rel=1e-6
            )
            assert read.acquisition.warnings == ()
            # Bright is dense whatever the photometric interpretation, chest wall where it belongs.
            grey = to_display(read.load())
            chest = grey[:, :20] if view.side == "L" else grey[:, -20:]
            away = grey[:, -20:] if view.side == "L" else grey[:, :20]
            assert chest.mean() > away.mean() + 0.1
            np.testing.assert_array_equal(
                grey, to_display(other[f"{view.side}-{view.view}"].load())
            )


def test_required_attributes_are_there(tmp_path: Path) -> None:
    folder = write_exam_of(OPTIONS, 1, tmp_path)
    for file in folder.glob("*.dcm"):
        image = pydicom.dcmread(file)
        # Type 1 of the Digital Mammography X-Ray Image (PS3.3 A.27), those an archive refuses
        # an image without.
        for name in (
            *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"),
            *("Modality", "PresentationIntentType", "ImageType", "InstanceNumber"),
            *("PixelIntensityRelationship", "PixelIntensityRelationshipSign", "RescaleIntercept"),
            *("RescaleSlope", "RescaleType", "PresentationLUTShape", "LossyImageCompression"),
            *("BurnedInAnnotation", "DetectorType", "ImagerPixelSpacing", "PositionerType"),
            *("ImageLaterality", "OrganExposed", "AnatomicRegionSequence", "ViewCodeSequence"),
            *("PatientOrientation", "BreastImplantPresent", "PartialView"),
        ):
            assert name in image, name
            assert image[name].value not in ("", None, []), name
        # Type 2: there, perhaps empty.
        for name in (
            *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate"),
            *("StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID"),
            *("Manufacturer", "SeriesNumber", "AcquisitionContextSequence"),
        ):
            assert name in image, name
        assert "SIMULATED" in image.ImageType
        assert "SIMULATED" in image.Manufacturer
        assert "SIMULATED" in str(image.PatientName)
    uids = {
        pydicom.dcmread(f, specific_tags=["SOPInstanceUID"]).SOPInstanceUID
        for f in folder.iterdir()
    }
    assert len(uids) == 4


def test_acquisition_is_as_in_screening_and_force_tells_nothing_of_risk() -> None:
    women = draw_population(12, 1500)
    plans = [plan_exam(OPTIONS, woman) for woman in women.index]
    exposures = pd.DataFrame([vars(view.exposure) for plan in plans for view in plan.views])
    low, high = exposures["force_n"].quantile([0.05, 0.95])
    assert 60 <= low < high <= 160
    assert 55 <= exposures["thickness_mm"].mean() <= 60
    assert exposures["kvp"].between(24, 35).all()
    assert exposures["mas"].quantile([0.05, 0.95]).between(20, 250).all()
    assert 0.7 <= exposures["glandular_dose_mgy"].median() <= 2.0
    assert np.corrcoef(exposures["thickness_mm"], exposures["kvp"])[0, 1] > 0.7
    force = exposures["force_n"].groupby(np.arange(len(exposures)) // 4).mean()
    hidden = women[["texture_score", "asymmetry_score", "density_score"]]
    for name in hidden:
        # Three standard errors: force follows discomfort and size.
        assert abs(np.corrcoef(force, hidden[name])[0, 1]) < 3 / np.sqrt(len(force))
    assert baseline(OPTIONS.effects).by_age.shape == (2, 3)


def test_prior_is_the_same_breast_younger() -> None:
    for woman in range(20):
        now, before = plan_exam(OPTIONS, woman), plan_exam(OPTIONS, woman, prior=True)
        assert before.anatomy_seed == now.anatomy_seed
        assert before.texture == now.texture
        assert before.header.age == pytest.approx(now.header.age - 2)
        assert before.header.exam_id != now.header.exam_id
        assert (now.header.exam_date - before.header.exam_date).days in (730, 731)
        for side in "LR":
            assert before.area_percent[side] >= now.area_percent[side] - 1e-9
        assert before.views[0].outline != now.views[0].outline
