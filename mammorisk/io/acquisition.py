"""Acquisition parameters from a DICOM header. Implausible values are not used."""

from __future__ import annotations

import re
from collections.abc import Iterable
from statistics import median
from typing import Any

from pydicom.dataset import Dataset

from mammorisk.io.dataset import items, label, numbers, text, texts
from mammorisk.records.acquisition import Acquisition
from mammorisk.warnings import ResultWarning, make_warning

#: Attribute of each field, factor to the unit of the field, and plausible range after scaling,
#: inclusive. Zero means "not recorded" in these attributes.
PLAUSIBLE: dict[str, tuple[str, float, float, float]] = {
    "force_n": ("CompressionForce", 1.0, 10, 250),
    "pressure_kpa": ("CompressionPressure", 1.0, 1, 60),
    "contact_area_mm2": ("CompressionContactArea", 1.0, 500, 40_000),
    "thickness_mm": ("BodyPartThickness", 1.0, 10, 130),
    "kvp": ("KVP", 1.0, 20, 50),
    "exposure_ms": ("ExposureTime", 1.0, 5, 12_000),
    "tube_ma": ("XRayTubeCurrent", 1.0, 5, 400),
    "half_value_layer_mm_al": ("HalfValueLayer", 1.0, 0.2, 1.2),
    # OrganDose is in dGy (PS3.3 C.8.7.8).
    "glandular_dose_mgy": ("OrganDose", 100.0, 0.1, 10),
    "entrance_dose_mgy": ("EntranceDoseInmGy", 1.0, 0.2, 60),
    "source_detector_mm": ("DistanceSourceToDetector", 1.0, 500, 800),
    "magnification": ("EstimatedRadiographicMagnificationFactor", 1.0, 1, 3),
    "detector_temperature_c": ("DetectorTemperature", 1.0, 10, 60),
    "relative_exposure": ("RelativeXRayExposure", 1.0, 0, float("inf")),
}

_MANUFACTURERS = (
    ("hologic", "hologic"),
    ("lorad", "hologic"),
    ("ge", "ge"),
    ("siemens", "siemens"),
    ("fuji", "fujifilm"),
    ("philips", "philips"),
    ("sectra", "philips"),
    ("giotto", "ims giotto"),
    ("planmed", "planmed"),
    ("agfa", "agfa"),
    ("carestream", "carestream"),
    ("kodak", "carestream"),
    ("konica", "konica minolta"),
)
# Some files state the model but not the manufacturer.
_MODELS = (
    ("senograph", "ge"),
    ("pristina", "ge"),
    ("mammomat", "siemens"),
    ("selenia", "hologic"),
    ("dimensions", "hologic"),
    ("amulet", "fujifilm"),
)

#: Ranges of the median force of a device in which the unit is probably not newton.
_LOOKS_LIKE_DAN = (3, 25)
_LOOKS_LIKE_DN = (300, 2500)


def read_acquisition(dataset: Dataset) -> Acquisition:
    """Read the acquisition parameters of one image.

    Call inside ``quiet_pydicom``. Tomosynthesis objects have them in XRay3DAcquisitionSequence
    (0018,9507) and, for tube voltage, in its PerProjectionAcquisitionSequence (0018,9538).

    Parameters
    ----------
    dataset : pydicom Dataset

    Returns
    -------
    Acquisition
    """
    places = [dataset]
    for item in items(dataset, "XRay3DAcquisitionSequence"):
        places.append(item)
        places.extend(items(item, "PerProjectionAcquisitionSequence")[:1])
    raw: dict[str, float] = {}
    warnings: list[ResultWarning] = []
    fields: dict[str, Any] = {}
    for field, (keyword, factor, low, high) in PLAUSIBLE.items():
        fields[field] = _plausible(places, keyword, factor, low, high, raw, warnings)
    fields["mas"] = _plausible(places, "ExposureInuAs", 0.001, 1, 600, raw, warnings)
    if fields["mas"] is None:
        fields["mas"] = _plausible(places, "Exposure", 1.0, 1, 600, raw, warnings)
    thin = _plausible(places, "FilterThicknessMinimum", 1.0, 0.01, 2, raw, warnings)
    thick = _plausible(places, "FilterThicknessMaximum", 1.0, 0.01, 2, raw, warnings)
    fields["filter_mm"] = (thin + thick) / 2 if thin and thick else thin or thick
    angle = _first(places, "PositionerPrimaryAngle", warnings)
    fields["angle_deg"] = abs(angle) if angle is not None and abs(angle) <= 180 else None

    grid = _first_texts(places, "Grid")
    model = label(text(dataset, "ManufacturerModelName"))
    filters = [
        known.lower()
        for word in _first_texts(places, "FilterMaterial")[:4]
        if (known := label(word))
    ]
    anode = label(next(iter(_first_texts(places, "AnodeTargetMaterial")), None))
    if len(places) > 1:
        warnings.append(
            make_warning("acquisition-value", "values are from XRay3DAcquisitionSequence")
        )
    return Acquisition(
        **fields,
        manufacturer=_manufacturer(label(text(dataset, "Manufacturer")), model),
        model=model,
        software=label(text(dataset, "SoftwareVersions")),
        anode=anode.lower() if anode else None,
        filter="/".join(filters).replace("aluminium", "aluminum") or None,
        grid=grid[0].upper() != "NONE" if grid and grid[0] else None,
        paddle=label(next(iter(_first_texts(places, "PaddleDescription")), None)),
        raw=raw,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _first(places: list[Dataset], keyword: str, warnings: list[ResultWarning]) -> float | None:
    for place in places:
        try:
            found = numbers(place, keyword)
        except ValueError:
            warnings.append(make_warning("acquisition-value", f"{keyword}: not a number"))
            continue
        if found:
            return found[0]
    return None


def _first_texts(places: list[Dataset], keyword: str) -> list[str]:
    return next((found for place in places if (found := texts(place, keyword))), [])


def _plausible(
    places: list[Dataset],
    keyword: str,
    factor: float,
    low: float,
    high: float,
    raw: dict[str, float],
    warnings: list[ResultWarning],
) -> float | None:
    value = _first(places, keyword, warnings)
    if value is None:
        return None
    if value == 0:
        warnings.append(make_warning("acquisition-value", f"{keyword}: zero means missing"))
        return None
    scaled = value * factor
    if not low <= scaled <= high:
        raw[keyword] = value
        text = f"{keyword}: {value:g} is implausible, not used"
        warnings.append(make_warning("acquisition-value", text))
        return None
    return scaled


def _manufacturer(name: str | None, model: str | None) -> str | None:
    for written, table in ((name, _MANUFACTURERS), (model, _MODELS)):
        lowered = (written or "").lower()
        words = re.split(r"[^a-z]+", lowered)
        for part, maker in table:
            # "ge" must be a separate word: "image" ends with it too.
            if part in words or (len(part) > 2 and part in lowered):
                return maker
    return name.lower() if name else None


def doubt_force_units(
    acquisitions: Iterable[Acquisition],
) -> list[ResultWarning | None]:
    """Find images whose compression force is probably not in newton.

    The unit can only be determined from many exams, by the median force of a manufacturer and
    model. Values are not rescaled: correct the source if necessary.

    Parameters
    ----------
    acquisitions : iterable of Acquisition
        Records of many exams.

    Returns
    -------
    list of ResultWarning or None
        One for each image, in order: a warning where the median of its group lies in 3-25 ("looks
        like daN or kgf") or 300-2500 ("looks like dN").
    """
    known = list(acquisitions)
    groups: dict[tuple[str | None, str | None], list[float]] = {}
    for one in known:
        force = one.force_n if one.force_n is not None else one.raw.get("CompressionForce")
        if force is not None:
            groups.setdefault((one.manufacturer, one.model), []).append(force)
    medians = {group: median(forces) for group, forces in groups.items()}

    def doubt(group: tuple[str | None, str | None]) -> ResultWarning | None:
        text = doubt_force_median(medians.get(group, 0.0))
        return None if text is None else make_warning("force-unit", text)

    return [doubt((one.manufacturer, one.model)) for one in known]


def doubt_force_median(median_force: float) -> str | None:
    """Return a text if the median force of a device is probably not in newton.

    Parameters
    ----------
    median_force : float
        As recorded; 0 if it is not known.
    """
    for (low, high), unit in ((_LOOKS_LIKE_DAN, "daN or kgf"), (_LOOKS_LIKE_DN, "dN")):
        if low <= median_force <= high:
            return f"CompressionForce: the median of the device looks like {unit}"
    return None
