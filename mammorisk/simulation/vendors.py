"""Profiles of fictitious mammography systems: detector, beams, processing. All numbers are assumed.

They differ as much as the systems of real vendors, and represent none of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """Mammography system of one vendor.

    Attributes
    ----------
    name : str
        Name in the column ``vendor`` and, after "SIMULATED", in Manufacturer (0008,0070).
    pixel_mm : float
        Pixel spacing of the detector.
    field_mm : (float, float)
        Height and width of the image.
    bits : int
        BitsStored (0028,0101).
    inverted : bool
        Whether images are MONOCHROME1.
    beams : tuple of (float, str, str, float)
        Maximum thickness in mm, anode, filter, and the energy in keV by which the beam is harder
        than tungsten/rhodium at the same voltage.
    kv_shift : float
        Difference to the voltage of the common rule, kV.
    detector_quanta_per_mm2 : float
        Quanta absorbed behind fat, kept constant by the automatic exposure.
    contrast : float
        Gain of the processing.
    gamma : float
        Exponent of the curve from contrast to grey. Above 1, dark tissue is shown darker.
    fat_level, white_level : float
        Share of the grey range at which fat and the brightest tissue are shown.
    skin_equalisation : float
        Share of the thinning towards the skin that is compensated by processing.
    source_detector_mm : float
    """

    name: str
    pixel_mm: float
    field_mm: tuple[float, float]
    bits: int
    inverted: bool
    beams: tuple[tuple[float, str, str, float], ...]
    kv_shift: float
    detector_quanta_per_mm2: float
    contrast: float
    gamma: float
    fat_level: float
    white_level: float
    skin_equalisation: float
    source_detector_mm: float


_WRH_WAG = ((70.0, "TUNGSTEN", "RHODIUM", 0.0), (999.0, "TUNGSTEN", "SILVER", 0.6))
_MO_RH = (
    (35.0, "MOLYBDENUM", "MOLYBDENUM", -2.0),
    (45.0, "MOLYBDENUM", "RHODIUM", -1.0),
    (999.0, "RHODIUM", "RHODIUM", -0.2),
)
_WRH = ((999.0, "TUNGSTEN", "RHODIUM", 0.0),)
_WAL = ((999.0, "TUNGSTEN", "ALUMINUM", -0.5),)

VENDORS = {
    vendor.name: vendor
    for vendor in (
        Vendor(
            name="alder",
            pixel_mm=0.07,
            field_mm=(232.96, 179.2),
            bits=12,
            inverted=False,
            beams=_WRH_WAG,
            kv_shift=0.0,
            detector_quanta_per_mm2=4.5e5,
            contrast=1.00,
            gamma=1.00,
            fat_level=0.26,
            white_level=0.95,
            skin_equalisation=0.90,
            source_detector_mm=700,
        ),
        Vendor(
            name="birch",
            pixel_mm=0.1,
            field_mm=(229.4, 191.4),
            bits=12,
            inverted=False,
            beams=_MO_RH,
            kv_shift=-0.6,
            detector_quanta_per_mm2=3.5e5,
            contrast=1.14,
            gamma=1.12,
            fat_level=0.20,
            white_level=0.98,
            skin_equalisation=0.94,
            source_detector_mm=660,
        ),
        Vendor(
            name="cedar",
            pixel_mm=0.085,
            field_mm=(238.0, 176.8),
            bits=14,
            inverted=True,
            beams=_WRH,
            kv_shift=0.5,
            detector_quanta_per_mm2=4.0e5,
            contrast=0.90,
            gamma=0.92,
            fat_level=0.32,
            white_level=0.92,
            skin_equalisation=0.85,
            source_detector_mm=655,
        ),
        Vendor(
            name="dogwood",
            pixel_mm=0.05,
            field_mm=(236.4, 177.0),
            bits=12,
            inverted=True,
            beams=_WRH,
            kv_shift=-0.3,
            detector_quanta_per_mm2=3.8e5,
            contrast=1.06,
            gamma=1.05,
            fat_level=0.29,
            white_level=0.97,
            skin_equalisation=0.92,
            source_detector_mm=650,
        ),
        # Not among the default systems, for studies of models on new equipment.
        Vendor(
            name="elm",
            pixel_mm=0.08,
            field_mm=(240.0, 192.0),
            bits=10,
            inverted=False,
            beams=_WAL,
            kv_shift=0.8,
            detector_quanta_per_mm2=2.5e5,
            contrast=0.80,
            gamma=0.82,
            fat_level=0.38,
            white_level=0.90,
            skin_equalisation=0.80,
            source_detector_mm=660,
        ),
        Vendor(
            name="fir",
            pixel_mm=0.09,
            field_mm=(234.0, 180.0),
            bits=12,
            inverted=False,
            beams=_MO_RH,
            kv_shift=-1.0,
            detector_quanta_per_mm2=3.0e5,
            contrast=1.28,
            gamma=1.25,
            fat_level=0.15,
            white_level=0.99,
            skin_equalisation=0.96,
            source_detector_mm=650,
        ),
    )
}

#: Default systems, assigned to the sites in turn.
DEFAULT_VENDORS = ("alder", "birch", "cedar", "dogwood")
