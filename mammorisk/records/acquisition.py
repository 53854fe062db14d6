"""Acquisition: acquisition parameters of a mammogram, with units in the names."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from mammorisk.warnings import Warnings


class Acquisition(BaseModel):
    """Acquisition parameters of one image. None means not stated or not used.

    They are read by :func:`mammorisk.io.acquisition.read_acquisition`. A value outside its
    plausible range is None here; it is kept in ``raw``, and ``warnings`` names it.

    Attributes
    ----------
    manufacturer, model, software : str or None
        Normalised manufacturer (``"hologic"``, ``"ge"``, ``"siemens"``, ``"fujifilm"`` ...),
        ManufacturerModelName (0008,1090), SoftwareVersions (0018,1020).
    force_n : float or None
        CompressionForce (0018,11A2), newton, plausible 10-250; zero means missing.
    pressure_kpa : float or None
        CompressionPressure (0018,11A3), kPa, plausible 1-60.
    contact_area_mm2 : float or None
        CompressionContactArea (0018,11A5), plausible 500-40,000.
    thickness_mm : float or None
        BodyPartThickness (0018,11A0), plausible 10-130.
    kvp : float or None
        KVP (0018,0060), kV, plausible 20-50.
    mas : float or None
        ExposureInuAs (0018,1153) / 1000, else Exposure (0018,1152); plausible 1-600.
    exposure_ms, tube_ma : float or None
        ExposureTime (0018,1150), plausible 5-12,000; XRayTubeCurrent (0018,1151), 5-400.
    anode, filter : str or None
        AnodeTargetMaterial (0018,1191), FilterMaterial (0018,7050), lower case.
    filter_mm : float or None
        Mean of FilterThicknessMinimum and Maximum (0018,7052/7054), plausible 0.01-2.
    half_value_layer_mm_al : float or None
        HalfValueLayer (0040,0314), plausible 0.2-1.2.
    glandular_dose_mgy : float or None
        OrganDose (0040,0316) x 100, since the attribute is in dGy; plausible 0.1-10.
    entrance_dose_mgy : float or None
        EntranceDoseInmGy (0040,8302), plausible 0.2-60.
    angle_deg : float or None
        Absolute PositionerPrimaryAngle (0018,1510).
    grid : bool or None
        Grid (0018,1166): False for NONE.
    source_detector_mm : float or None
        DistanceSourceToDetector (0018,1110), plausible 500-800.
    magnification : float or None
        EstimatedRadiographicMagnificationFactor (0018,1114), plausible 1-3.
    detector_temperature_c : float or None
        DetectorTemperature (0018,7001), plausible 10-60.
    relative_exposure : float or None
        RelativeXRayExposure (0018,1405), vendor units: never compare across vendors.
    paddle : str or None
        PaddleDescription (0018,11A4).
    raw : dict of str to float
        Values that are not plausible, as in the file, by attribute keyword.
    warnings : tuple of ResultWarning
        Attributes that were not used as recorded.

    See Also
    --------
    mammorisk.View : The image, with its acquisition.

    Examples
    --------
    >>> import mammorisk as mr
    >>> known = mr.Acquisition(manufacturer="hologic", thickness_mm=52.0, kvp=29.0)
    >>> known.thickness_mm, known.force_n
    (52.0, None)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    manufacturer: str | None = None
    model: str | None = None
    software: str | None = None
    force_n: float | None = None
    pressure_kpa: float | None = None
    contact_area_mm2: float | None = None
    thickness_mm: float | None = None
    kvp: float | None = None
    mas: float | None = None
    exposure_ms: float | None = None
    tube_ma: float | None = None
    anode: str | None = None
    filter: str | None = None
    filter_mm: float | None = None
    half_value_layer_mm_al: float | None = None
    glandular_dose_mgy: float | None = None
    entrance_dose_mgy: float | None = None
    angle_deg: float | None = None
    grid: bool | None = None
    source_detector_mm: float | None = None
    magnification: float | None = None
    detector_temperature_c: float | None = None
    relative_exposure: float | None = None
    paddle: str | None = None
    raw: dict[str, float] = {}
    warnings: Warnings = ()

    def summary(self) -> str:
        """Return one line for a caption: ``"63 mm, 110 N, 29 kV, W/Rh"``."""
        parts = [
            f"{self.thickness_mm:.0f} mm" if self.thickness_mm is not None else None,
            f"{self.force_n:.0f} N" if self.force_n is not None else None,
            f"{self.kvp:.0f} kV" if self.kvp is not None else None,
            f"{self.mas:.0f} mAs" if self.mas is not None else None,
            "/".join(m.capitalize() for m in (self.anode, self.filter) if m) or None,
        ]
        return ", ".join(part for part in parts if part) or "acquisition not stated"
