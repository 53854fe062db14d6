"""An embedded example: one simulated four-view exam and a table of simulated women.

The pictures are schematic (a compressed half-breast with power-law parenchyma, skin, nipple and
muscle), made so that the demo and the examples run without any patient's data. They look like
mammograms to software and to a newcomer, not to a radiologist.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)

from mammorisk.errors import OutputError
from mammorisk.files import write_whole

PIXEL_MM = 0.3
ROWS, COLUMNS = 800, 620
#: Spectral exponent of the parenchyma: power falls as 1/f^3 (Burgess 2001,
#: doi:10.1118/1.1355308).
EXPONENT = 3.0

_VIEW_CODES = {
    "CC": ("399162004", "cranio-caudal"),
    "MLO": ("399368009", "medio-lateral oblique"),
}


def write_example_exam(folder: str | Path, *, density: float = 0.35, seed: int = 1) -> Path:
    """Write a simulated exam: four DICOM mammograms for presentation.

    Parameters
    ----------
    folder : path
        Made if it does not exist.
    density : float
        Share of the breast's area filled with parenchyma, 0.02-0.9.
    seed : int
        Same seed, same files.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        ``density`` out of range, or the folder cannot be written.
    """
    if not 0.02 <= density <= 0.9:
        raise OutputError("density is out of range", remedy="Give a share from 0.02 to 0.9.")
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, (side, view) in enumerate((s, v) for s in "RL" for v in ("CC", "MLO")):
            rng = np.random.default_rng([seed, number])
            dataset = _dataset(_pixels(side, view, density, rng), side, view, seed, rng)
            save = partial(dataset.save_as, enforce_file_format=True)
            write_whole(folder / f"{side}-{view}.dcm", save)
    except OSError as error:
        raise OutputError(
            f"the example cannot be written ({error.strerror})", where=folder.name
        ) from None
    return folder


def _pixels(side: str, view: str, density: float, rng: np.random.Generator) -> np.ndarray:
    """12-bit display values, chest wall at the left for the left breast."""
    y, x = np.mgrid[:ROWS, :COLUMNS].astype(np.float32) * PIXEL_MM
    height, depth = ROWS * PIXEL_MM, COLUMNS * PIXEL_MM
    centre = 0.5 * height if view == "CC" else 0.58 * height
    # Distance from the chest wall's middle in units of the skin line; wider below, as it sags.
    half = np.where(y < centre, 0.44 if view == "CC" else 0.56, 0.40) * height
    reach = 0.62 * depth
    radius = np.sqrt((x / reach) ** 2 + ((y - centre) / half) ** 2)
    nipple = np.hypot(x - reach, y - centre) < 4.0
    inside = (radius < 1.0) | nipple
    thickness = np.sqrt(np.clip(1.0 - radius**6, 0.0, 1.0))
    gland = _power_law(rng) - 1.6 * np.hypot((x - 0.45 * reach) / reach, (y - centre) / half)
    level = np.quantile(gland[inside], 1.0 - density)
    spread = gland[inside].std()
    dense = 1.0 / (1.0 + np.exp(-(gland - level) / (0.08 * spread)))
    grey = 0.24 + 0.06 * _power_law(rng) + dense * (0.34 + 0.07 * _power_law(rng))
    if view == "MLO":
        edge = 0.40 * depth * (1.0 - y / (0.62 * height))
        muscle = 1.0 / (1.0 + np.exp(np.clip(x - edge, -50.0, 50.0)))
        grey = grey * (1 - muscle) + muscle * (0.72 + 0.03 * _power_law(rng))
    skin = np.exp(-(((1.0 - radius) * reach / 1.5 - 0.6) ** 2)) * (radius < 1)
    grey = grey * (0.35 + 0.65 * thickness) + 0.10 * skin
    grey = grey + rng.normal(0, 0.008, grey.shape)
    values = np.where(inside, np.clip(grey, 0.03, 0.97), 0.0) * 4095
    pixels = values.astype(np.uint16)
    return pixels if side == "L" else np.ascontiguousarray(pixels[:, ::-1])


def _power_law(rng: np.random.Generator) -> np.ndarray:
    """A random field of zero mean and unit variance whose power falls as 1/f^EXPONENT."""
    white = np.fft.rfft2(rng.normal(size=(ROWS, COLUMNS)))
    frequency = np.hypot(np.fft.fftfreq(ROWS)[:, None], np.fft.rfftfreq(COLUMNS)[None, :])
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(white / frequency ** (EXPONENT / 2), s=(ROWS, COLUMNS))
    return ((field - field.mean()) / field.std()).astype(np.float32)


def _dataset(
    pixels: np.ndarray, side: str, view: str, seed: int, rng: np.random.Generator
) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid(
        entropy_srcs=["mammorisk", str(seed), side, view]
    )
    image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID = meta.MediaStorageSOPClassUID
    image.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    image.StudyInstanceUID = generate_uid(entropy_srcs=["mammorisk", str(seed)])
    image.SeriesInstanceUID = generate_uid(entropy_srcs=["mammorisk", str(seed), "series"])
    image.Modality, image.PresentationIntentType = "MG", "FOR PRESENTATION"
    image.ImageType = ["DERIVED", "PRIMARY", "", "SIMULATED"]
    image.SeriesDescription = f"{side} {view} simulated by mammorisk"
    image.Manufacturer, image.ManufacturerModelName = "mammorisk", "simulated example"
    image.PatientID, image.PatientName, image.PatientBirthDate = f"SIMULATED-{seed}", "", ""
    image.PatientSex, image.StudyDate, image.StudyTime = "F", "", ""
    image.ImageLaterality, image.ViewPosition = side, view
    code = Dataset()
    code.CodeValue, code.CodeMeaning = _VIEW_CODES[view]
    code.CodingSchemeDesignator = "SCT"
    image.ViewCodeSequence = [code]
    image.PatientOrientation = ["A", "R" if view == "CC" else "FR"]
    if side == "R":
        image.PatientOrientation = ["P", "L" if view == "CC" else "FL"]
    image.BodyPartThickness = str(round(rng.normal(56, 4)))
    image.CompressionForce = str(round(rng.normal(110, 12)))
    image.KVP, image.ExposureInuAs = "29", str(round(rng.normal(80_000, 5_000)))
    image.AnodeTargetMaterial, image.FilterMaterial = "TUNGSTEN", "RHODIUM"
    image.ImagerPixelSpacing = [str(PIXEL_MM)] * 2
    image.BreastImplantPresent, image.BurnedInAnnotation = "NO", "NO"
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.PresentationLUTShape = "IDENTITY"
    image.Rows, image.Columns = pixels.shape
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    image.PixelRepresentation = 0
    image.WindowCenter, image.WindowWidth = 2048, 4096
    image.PixelData = pixels.tobytes()
    image["PixelData"].VR = "OW"
    return image


def example_women(n: int, *, seed: int = 1) -> pd.DataFrame:
    """A table of simulated questionnaires, drawn from plain distributions (an assumption each).

    Parameters
    ----------
    n : int
    seed : int

    Returns
    -------
    DataFrame
        Columns are ``patient_id``, ``exam_id`` and Questionnaire fields.
    """
    rng = np.random.default_rng(seed)
    age = rng.uniform(40, 75, n).round(1)
    parity = rng.choice(5, n, p=[0.15, 0.18, 0.38, 0.20, 0.09])
    menopause = np.clip(rng.normal(50.5, 4, n), 38, 59).round()
    after = age > menopause
    biopsies = rng.choice(3, n, p=[0.80, 0.14, 0.06])
    return pd.DataFrame(
        {
            "patient_id": [f"S{i:06d}" for i in range(n)],
            "exam_id": [f"S{i:06d}-1" for i in range(n)],
            "age": age,
            "race_ethnicity": rng.choice(
                ["white", "black", "hispanic_us_born", "chinese", "native_american"],
                n,
                p=[0.68, 0.13, 0.12, 0.05, 0.02],
            ),
            "age_menarche": np.clip(rng.normal(12.8, 1.4, n), 9, 17).round(),
            "parity": parity,
            "age_first_birth": np.where(
                parity > 0, np.clip(rng.normal(26, 5, n), 17, 39).round(), np.nan
            ),
            "menopausal_status": np.where(after, "post", "pre"),
            "age_menopause": np.where(after, menopause, np.nan),
            "height_cm": np.clip(rng.normal(164, 6.5, n), 142, 184).round(),
            "weight_kg": np.clip(rng.normal(74, 14, n), 42, 140).round(),
            "first_degree_relatives": rng.choice(3, n, p=[0.85, 0.13, 0.02]),
            "biopsies": biopsies,
            "benign_breast_disease": biopsies > 0,
            "oral_contraceptive": rng.choice(["never", "former"], n, p=[0.25, 0.75]),
            "hrt_use": np.where(
                after, rng.choice(["never", "former", "current"], n, p=[0.7, 0.2, 0.1]), "never"
            ),
            "alcohol_g_per_day": rng.choice(
                [0.0, 3.0, 10.0, 20.0, 30.0], n, p=[0.35, 0.35, 0.18, 0.08, 0.04]
            ),
            "breast_density": rng.choice(list("abcd"), n, p=[0.10, 0.40, 0.41, 0.09]),
        }
    )
