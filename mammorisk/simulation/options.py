"""Options of a simulated study, with units, ranges and defaults."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mammorisk.errors import SimulationError
from mammorisk.simulation.vendors import DEFAULT_VENDORS, VENDORS

Design = Literal["cohort", "case-cohort", "nested-case-control"]
Compression = Literal["none", "jpeg2000"]


class Effects(BaseModel):
    """Hazard ratios of the simulated women; frozen.

    Attributes
    ----------
    questionnaire : float, 0-2
        Power to which the published hazard ratios of the questionnaire are raised. 1 uses the
        published ratios, and 0 removes the effect. The default of 0.9 is an assumption: the product
        of ratios from separate studies varies more than ratios from one study.
    density_hr : float, 0.2-5
        Hazard ratio per SD of volumetric density given age, BMI and the other answers. Published
        ratios per SD adjusted for age and BMI are about 1.4-1.6; for volumetric density see
        Hudson 2018, doi:10.1186/s13058-018-1078-8.
    texture_hr : float, 0.2-5
        Hazard ratio per SD of texture, independent of density. Published ratios of texture and
        deep-learning scores beyond density are about 1.4-1.8; for such a score see Dembrower
        2020, doi:10.1148/radiol.2019190872.
    asymmetry_hr : float, 0.2-5
        Hazard ratio per SD of left-right asymmetry, independent of the other effects. Assumed.
    fine_hr : float, 0.2-5
        Hazard ratio per SD of the fine signal: texture with structures of 0.3 to 0.5 mm, which
        pictures with pixels of 1.25 mm do not show (:mod:`mammorisk.simulation.signals`). The
        default of 1 leaves it out of risks and images.
    change_hr : float, 0.2-5
        Hazard ratio per SD of the change of density since the prior exam beyond that of age. The
        exam itself does not show it. The default of 1 leaves it out.

    See Also
    --------
    mammorisk.simulate : Takes them as ``effects=``.

    Examples
    --------
    >>> from mammorisk.simulation import Effects
    >>> Effects(density_hr=1.4).texture_hr
    1.8
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    questionnaire: float = Field(
        default=0.9,
        ge=0,
        le=2,
        description="Power to which published questionnaire hazard ratios are raised, 0-2.",
    )
    density_hr: float = Field(
        default=1.6, ge=0.2, le=5, description="Hazard ratio per SD of volumetric density, 0.2-5."
    )
    texture_hr: float = Field(
        default=1.8, ge=0.2, le=5, description="Hazard ratio per SD of texture, 0.2-5."
    )
    asymmetry_hr: float = Field(
        default=1.45,
        ge=0.2,
        le=5,
        description="Hazard ratio per SD of left-right asymmetry, 0.2-5.",
    )
    fine_hr: float = Field(
        default=1.0,
        ge=0.2,
        le=5,
        description="Hazard ratio per SD of fine texture (0.3-0.5 mm), 0.2-5; 1 for none.",
    )
    change_hr: float = Field(
        default=1.0,
        ge=0.2,
        le=5,
        description="Hazard ratio per SD of the change since the prior exam, 0.2-5; 1 for none.",
    )


class LesionOptions(BaseModel):
    """Lesions in the images of a study; frozen. The default is none.

    Each rate is the mean number of lesions of a type in an exam (Poisson, at most 3). With any rate
    above 0, or with ``distractors``, every exam is rendered with a detailed background and with
    structures that resemble lesions (:mod:`mammorisk.simulation.distractors`). Lesions are drawn
    independently of later cancer.

    Attributes
    ----------
    mass, calcification, asymmetry, distortion : float, 0-3
        Mean number of lesions of the type in an exam.
    malignant : float or None
        Share of malignant lesions, 0-1. None uses a share for each type.
    distractors : bool
        Whether to render detailed exams with distractors also where no rate is above 0, for studies
        without lesions.

    See Also
    --------
    mammorisk.simulate : Takes them as ``lesions=``.

    Examples
    --------
    >>> from mammorisk.simulation import LesionOptions
    >>> LesionOptions.mixed().mass
    0.3
    >>> LesionOptions().detailed
    False
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mass: float = Field(default=0.0, ge=0, le=3, description="Mean number of masses in an exam.")
    calcification: float = Field(
        default=0.0, ge=0, le=3, description="Mean number of groups of calcifications in an exam."
    )
    asymmetry: float = Field(
        default=0.0, ge=0, le=3, description="Mean number of asymmetries in an exam."
    )
    distortion: float = Field(
        default=0.0, ge=0, le=3, description="Mean number of architectural distortions in an exam."
    )
    malignant: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Share of malignant lesions, 0-1, or 'by-type' for a share for each type.",
    )
    distractors: bool = Field(
        default=False,
        description="Draw distractors also where no lesions are asked for.",
    )

    @classmethod
    def mixed(cls) -> LesionOptions:
        """Return a mixture of all types, which ``simulate(lesions=True)`` uses."""
        return cls(mass=0.3, calcification=0.3, asymmetry=0.2, distortion=0.15)

    @property
    def detailed(self) -> bool:
        """Whether exams are rendered with detail, distractors and lesions."""
        rates = (self.mass, self.calcification, self.asymmetry, self.distortion)
        return self.distractors or any(rates)


class StudyOptions(BaseModel):
    """Options of :func:`mammorisk.simulate`. Immutable; they determine every woman of the study.

    Attributes
    ----------
    n : int
        Number of women in the population, 1 to 50 million.
    seed : int
        Seed of the random numbers.
    age_range : (float, float)
        Ages at entry in years, within 40-80; the last is excluded.
    effects : Effects
        Hazard ratios.
    follow_up_years : float
        Years from the first entry to the end of the study, 1-10.
    recruitment_years : float
        Years over which women enter evenly, so that the end of the study censors at different
        times. Must be less than ``follow_up_years``.
    loss_per_year : float
        Rate of loss to follow-up, 0-0.5.
    design : {"cohort", "case-cohort", "nested-case-control"}
        Design by which women are sampled from the population.
    subcohort_fraction : float
        Share of women in the subcohort of a case-cohort design.
    controls_per_case : int
        Number of controls per case of a nested case-control design, 1-20.
    prior_share : float
        Share of women with an exam two years before, among those who were at least 40 then.
    sites : int
        Number of sites, 1-20. Each site has one vendor of mammography systems.
    vendors : tuple of str
        Names from :data:`~mammorisk.simulation.vendors.VENDORS`, assigned to the sites in turn.
    site_loss : tuple of float
        Rates of loss to follow-up of the sites in turn, each 0-2, in place of ``loss_per_year``.
    site_missing : tuple of float
        Shares of answers that are missing in the manifest, 0-1, of the sites in turn. With 1 a site
        asks for age alone. Every answer but age is missing independently of all other numbers.
    pixel_mm : float or None
        Pixel spacing of the images in mm, 0.05-2. None uses the spacing of each vendor (0.05-0.1).
    exponent : float
        Exponent of the power spectrum of the parenchymal pattern, 2-4: power falls as
        1/f^exponent.
    for_processing : bool
        Whether to also write images for processing.
    compression : {"none", "jpeg2000"}
        Compression of the pixels; JPEG 2000 is lossless.
    lesions : LesionOptions
        Lesions and distractors in the images; none by default. True is
        :meth:`LesionOptions.mixed`.

    See Also
    --------
    mammorisk.simulate : Takes these options.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int = Field(ge=1, le=50_000_000)
    seed: int = Field(default=1, ge=0, lt=2**63)
    age_range: tuple[float, float] = Field(
        default=(40.0, 75.0),
        description="Ages at entry in years, within 40-80; the last is excluded.",
    )
    effects: Effects = Effects()
    follow_up_years: float = Field(
        default=8.0,
        ge=1,
        le=10,
        description="Years from the first entry to the end of the study, 1-10.",
    )
    recruitment_years: float = Field(
        default=2.0, ge=0, description="Women enter evenly over this many years."
    )
    loss_per_year: float = Field(
        default=0.02, ge=0, le=0.5, description="Rate of loss to follow-up per year, 0-0.5."
    )
    design: Design = Field(
        default="cohort", description="cohort, case-cohort or nested-case-control."
    )
    subcohort_fraction: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="Share of women in the subcohort of a case-cohort design, 0-1.",
    )
    controls_per_case: int = Field(
        default=4,
        ge=1,
        le=20,
        description="Controls per case of a nested case-control design, 1-20.",
    )
    prior_share: float = Field(
        default=0.5, ge=0, le=1, description="Share of women with an exam two years before, 0-1."
    )
    sites: int = Field(default=4, ge=1, le=20, description="Number of sites, 1-20.")
    vendors: tuple[str, ...] = Field(
        default=DEFAULT_VENDORS,
        description=f"Simulated systems, assigned to the sites in turn: {', '.join(VENDORS)}.",
    )
    site_loss: tuple[Annotated[float, Field(ge=0, le=2)], ...] = Field(
        default=(), description="Rates of loss per year of the sites in turn, such as 0.01,0.2."
    )
    site_missing: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        default=(), description="Shares of missing answers of the sites in turn, such as 0,0.5."
    )
    pixel_mm: float | None = Field(
        default=1.0,
        ge=0.05,
        le=2,
        description="Pixel spacing in mm, 0.05-2, or 'native' for the spacing of each vendor.",
    )
    exponent: float = Field(
        default=3.0,
        ge=2,
        le=4,
        description="Exponent of the power spectrum of the parenchymal pattern, 2-4.",
    )
    for_processing: bool = Field(default=False, description="Also write images for processing.")
    compression: Compression = Field(default="none", description="none, or jpeg2000 (lossless).")
    lesions: LesionOptions = LesionOptions()

    @field_validator("lesions", mode="before")
    @classmethod
    def _mixture(cls, value: object) -> object:
        if isinstance(value, bool):
            return LesionOptions.mixed() if value else LesionOptions()
        return value


def check_options(**values: Any) -> StudyOptions:
    """Validate options.

    Parameters
    ----------
    **values
        Fields of :class:`StudyOptions`.

    Returns
    -------
    StudyOptions

    Raises
    ------
    SimulationError
        Options are out of range. The message names all of them.
    """
    try:
        options = StudyOptions(**values)
    except ValidationError as error:
        faults = [
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg'].lower()}"
            for item in error.errors(include_url=False)
        ]
        raise SimulationError("; ".join(faults), remedy="See help(mammorisk.simulate).") from None
    low, high = options.age_range
    if not 40 <= low < high <= 80:
        raise SimulationError(
            "age_range must rise and lie within 40 to 80", remedy="Give (first, last) in years."
        )
    if options.recruitment_years >= options.follow_up_years:
        raise SimulationError(
            "recruitment_years must be less than follow_up_years",
            remedy="Increase follow_up_years, so that the last women are also followed.",
        )
    if not options.vendors or not set(options.vendors) <= set(VENDORS):
        raise SimulationError(f"vendors must be among {', '.join(VENDORS)}")
    return options
