"""ResultWarning, the record of a warning about a result, and the table of warning codes.

A warning stays a record from its origin to the output. Only the output code converts records to
text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

#: ``"refusal"``: the model does not apply to the woman or the data cannot be used, so there is no
#: risk. ``"incomplete"``: there is no risk because a value is not known. ``"caution"``: the risk
#: may be wrong or depends on doubtful data. ``"info"``: a value was assumed, estimated or left out.
Severity = Literal["info", "caution", "incomplete", "refusal"]


class WarningCode(NamedTuple):
    """One row of the table of codes."""

    severity: Severity
    meaning: str


#: Every warning code of a result, grouped by origin.
CODES: dict[str, WarningCode] = {
    # reading the files of an exam
    "exam-unreadable": WarningCode("refusal", "the exam cannot be read"),
    "exam-not-read": WarningCode("info", "the exam cannot be read; the model does not need it"),
    "row-invalid": WarningCode("refusal", "the row of the table cannot be used"),
    "male-patient": WarningCode(
        "refusal", "the table or the image header says that the patient is male"
    ),
    "image-set-aside": WarningCode("info", "an image of the exam was not used"),
    "several-images": WarningCode("info", "several images of a view: one was chosen"),
    "image-conflict": WarningCode(
        "caution", "an image arrived again with other contents: the first was used"
    ),
    "views-missing": WarningCode("caution", "standard views are missing"),
    "for-processing": WarningCode("caution", "image for processing, not for presentation"),
    "no-acquisition-header": WarningCode("info", "no acquisition header"),
    "several-exams": WarningCode("caution", "the files hold several exams: one was taken"),
    "exam-doubtful": WarningCode("caution", "whether the images are of one exam is not certain"),
    "not-mammography": WarningCode("caution", "the header names another modality"),
    "not-breast": WarningCode("caution", "the header names another part of the body"),
    "contrast-agent": WarningCode("caution", "contrast agent was given"),
    "lossy-compression": WarningCode("caution", "lossy compression: fine texture is lost"),
    "eight-bit": WarningCode("caution", "8-bit image: grey levels are coarse"),
    "spacing-unknown": WarningCode("caution", "pixel spacing unknown"),
    "spacing-doubtful": WarningCode("caution", "pixel spacing is implausible or ambiguous"),
    "synthetic": WarningCode("caution", "synthetic 2D image from tomosynthesis"),
    "view-as-given": WarningCode("info", "side or view as given by the user"),
    "view-inferred": WarningCode("info", "side or view inferred from a free-text attribute"),
    "view-contradiction": WarningCode("caution", "attributes for side or view disagree"),
    "view-modifier": WarningCode("caution", "the view has a modifier"),
    "implant": WarningCode("caution", "breast implant"),
    "partial-view": WarningCode("caution", "partial view"),
    "burned-in-text": WarningCode("info", "text is burned into the image"),
    "suspicious-preamble": WarningCode("caution", "the file begins like a program"),
    "greyscale-header": WarningCode("caution", "greyscale attributes are faulty or contradictory"),
    "orientation-header": WarningCode(
        "caution", "orientation attributes do not fit side and view of an upright image"
    ),
    "age-unreadable": WarningCode("caution", "the age in the image header cannot be read"),
    "pixels-contradict-header": WarningCode(
        "caution", "bits, sign or padding of the pixels are not as the header says"
    ),
    "acquisition-value": WarningCode("info", "an acquisition attribute was not used as recorded"),
    "force-unit": WarningCode("caution", "compression force is probably not in newton"),
    # pixels
    "no-breast": WarningCode("caution", "no breast was found in the image"),
    "not-a-breast": WarningCode(
        "caution", "a flat field, a test object or noise: no breast is shown"
    ),
    "mask-implausible": WarningCode(
        "caution", "the outline that was found is not that of a breast"
    ),
    "no-background": WarningCode("caution", "no background: cropped inside the breast?"),
    "muscle-not-found": WarningCode("caution", "pectoral muscle not found"),
    "turned": WarningCode("caution", "the image was stored turned and was brought upright"),
    "window-misfit": WarningCode("caution", "the window in the header does not fit the pixels"),
    "view-doubtful": WarningCode("caution", "the image looks like another view than it is named"),
    "wrong-side": WarningCode("caution", "the chest wall is not where the header says"),
    "clipped": WarningCode("caution", "the breast may be cut off at an image edge"),
    "inverted": WarningCode("caution", "grey levels look inverted"),
    "saturated": WarningCode("caution", "a part of the breast is saturated"),
    "size-asymmetry": WarningCode("caution", "one breast is much larger than the other"),
    "magnified": WarningCode("caution", "magnification view"),
    "no-contrast": WarningCode("caution", "the breast has no contrast"),
    "cut-to-shape": WarningCode("caution", "the breast is larger than the input of the network"),
    "prior-exam": WarningCode("info", "about the prior exam"),
    # findings
    "lesions-not-searched": WarningCode(
        "caution", "there are no findings: lesions could not be searched. The risk needs none"
    ),
    "calcifications-not-searched": WarningCode(
        "caution", "calcifications were not searched: the pixels are too coarse or of unknown size"
    ),
    # breast density
    "density-estimated": WarningCode("info", "breast density was estimated from the images"),
    "density-not-measured": WarningCode("caution", "density could not be measured in a view"),
    "density-doubtful": WarningCode("caution", "density was measured on an unsuitable image"),
    # questionnaire
    "questionnaire-invalid": WarningCode(
        "refusal", "an answer is impossible or contradicts another"
    ),
    "no-questionnaire": WarningCode("info", "no questionnaire: all but age unknown"),
    "age-from-header": WarningCode("info", "age from the image header"),
    "age-contradiction": WarningCode("caution", "age in the header and questionnaire differ"),
    # tables of women
    "column-renamed": WarningCode("info", "a column was read whose name is nearly that of a field"),
    "column-not-read": WarningCode("caution", "a column that looks like a field was not read"),
    "code-suspected": WarningCode("caution", "a number may be a code for not known"),
    "units-suspected": WarningCode("caution", "a column is probably in another unit"),
    "value-implausible": WarningCode("caution", "an answer is possible but improbable"),
    "format-unverified": WarningCode(
        "caution", "format of a file of risks not checked with the tool"
    ),
    "row-short": WarningCode("caution", "the line of the row has fewer fields than the header"),
    "follow-up-doubtful": WarningCode("caution", "follow-up is probably coded in another way"),
    "weight-doubtful": WarningCode("caution", "sampling weights look like body weights"),
    # public cohorts and exports of hospitals
    "rows-excluded": WarningCode("info", "rows of the release are not in the cohort"),
    "value-not-read": WarningCode("info", "values of the release were taken as unknown"),
    "images-absent": WarningCode("info", "image files of the release are not there"),
    "sampled-cohort": WarningCode(
        "caution", "cases were sampled more often than controls: absolute risks need weights"
    ),
    "outcome-assumed": WarningCode("caution", "follow-up rests on an assumption"),
    "missing-by-site": WarningCode("caution", "a column is missing at some sites only"),
    # published models: women to whom they do not apply
    "prior-breast-cancer": WarningCode("refusal", "not for women with prior breast cancer"),
    "lcis": WarningCode("refusal", "not for women with LCIS"),
    "brca-carrier": WarningCode("refusal", "not for BRCA1/2 carriers"),
    "age-out-of-range": WarningCode("refusal", "age outside the range of the model"),
    "not-applicable": WarningCode("refusal", "the model does not apply to these answers"),
    "answer-missing": WarningCode("incomplete", "an answer required by the model is unknown"),
    "horizon-not-answered": WarningCode("incomplete", "the model does not answer the horizon"),
    "horizon-past-last-age": WarningCode(
        "incomplete", "the horizon ends after the last age of the model"
    ),
    # published models: assumptions
    "lifetime-end": WarningCode("info", "the age at which lifetime risk ends"),
    "race-assumed": WarningCode(
        "caution", "race unknown or not in the model: rates of another group were used"
    ),
    "unknown-as-lowest": WarningCode("info", "unknown answers count as the lowest category"),
    "unknown-averaged": WarningCode(
        "info", "unknown answers were averaged over a reference sample"
    ),
    "unknown-category": WarningCode(
        "info", "the model has a category of its own for unknown answers"
    ),
    "answer-assumed": WarningCode("info", "an answer was assumed from others"),
    "answer-not-used": WarningCode("info", "an answer was not used"),
    "adverse-fact-not-used": WarningCode(
        "caution", "a fact that raises the risk is not part of the model: the risk may be too low"
    ),
    "age-carried": WarningCode(
        "caution", "a part of the model was taken at the nearest age that it covers"
    ),
    "rates-replaced": WarningCode(
        "info", "incidence and mortality are not those with which the model was published"
    ),
    "rates-doubtful": WarningCode(
        "caution", "the incidence or mortality given to the model is implausible"
    ),
    "short-horizon": WarningCode("info", "the horizon is shorter than the published one"),
    # networks
    "outside-domain": WarningCode("caution", "images unlike the training data were not used"),
    "incomplete-exam": WarningCode(
        "caution", "views are missing, and the others do not show enough: the images were not used"
    ),
    "trained-on-simulated": WarningCode(
        "caution", "the model was trained on simulated exams and does not describe real women"
    ),
    "no-images": WarningCode("info", "no images: risk from the questionnaire alone"),
    "images-needed": WarningCode("incomplete", "the model needs images"),
    "uncalibrated": WarningCode("caution", "raw probabilities, not calibrated risks"),
    # checks of a cohort
    "woman-in-splits": WarningCode("refusal", "a woman is in several splits"),
    "image-in-splits": WarningCode("refusal", "an image is in several splits"),
    "image-of-women": WarningCode("refusal", "an image belongs to several women"),
    "exam-repeated": WarningCode("caution", "an exam of a woman is in the table several times"),
    "pixels-not-compared": WarningCode("info", "copies of images were not searched in the pixels"),
    "image-flat": WarningCode("caution", "all pixels of an image have the same value"),
    "exams-unreadable": WarningCode("caution", "exams of the cohort cannot be read"),
    "rows-in-error": WarningCode("caution", "rows of the manifest cannot be used"),
    "outcome-missing": WarningCode("caution", "rows have no outcome"),
    "few-cancers": WarningCode("caution", "the cohort has few cancers for this purpose"),
    "imbalanced": WarningCode("caution", "few exams of a batch have cancer"),
    "incidence-implausible": WarningCode(
        "caution", "cancers are rarer or more frequent than usual"
    ),
    "cancers-by-source": WarningCode("caution", "the share of cancers differs between sources"),
    "follow-up-short": WarningCode("caution", "most women are not followed to the horizon"),
    "field-missing": WarningCode("info", "an answer is missing for most women"),
    "acquisition-outlier": WarningCode(
        "caution", "acquisition values are far from those of the same device"
    ),
    # choice of the model
    "model-replaced": WarningCode(
        "info", "the default model does not apply: another model was used"
    ),
    "network-not-installed": WarningCode(
        "caution", "images were not used: the libraries of networks are not installed"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultWarning:
    """One warning about a result.

    Attributes
    ----------
    code : str
        A key of :data:`CODES`, stable between versions.
    severity : {"info", "caution", "incomplete", "refusal"}
    view : str or None
        The views concerned (``"L-CC"``, ``"L-CC, R-CC"``, ``"all views"``); None for the woman or
        the exam as a whole.
    text : str
        One sentence in plain English. It never contains the name of a file or patient.

    See Also
    --------
    mammorisk.warning_codes : Table of all codes.

    Examples
    --------
    >>> import mammorisk as mr
    >>> prediction = mr.predict(mr.Questionnaire(age=54), model="bcrat", horizons=5)
    >>> [warning.code for warning in prediction.warnings]
    ['unknown-as-lowest', 'race-assumed']
    >>> print(prediction.warnings[1])
    race unknown: rates of white women
    """

    code: str
    severity: Severity
    view: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.view}: {self.text}" if self.view else self.text

    def to_dict(self) -> dict[str, str | None]:
        """Return the four fields as plain JSON types.

        Returns
        -------
        dict
            Keys ``code``, ``severity``, ``view`` and ``text``.
        """
        return {
            "code": self.code,
            "severity": self.severity,
            "view": self.view,
            "text": self.text,
        }


#: Warnings of one exam or row, in order.
Warnings = tuple[ResultWarning, ...]


def make_warning(code: str, text: str | None = None, *, view: str | None = None) -> ResultWarning:
    """Create a warning with the severity of its code.

    Parameters
    ----------
    code : str
        A key of :data:`CODES`.
    text : str, optional
        Default: the meaning of the code.
    view : str, optional
        For example ``"L-CC"``.

    Returns
    -------
    ResultWarning

    Raises
    ------
    KeyError
        The code is not in the table.

    Examples
    --------
    >>> from mammorisk.warnings import make_warning
    >>> print(make_warning("implant", "breast implant", view="L-CC"))
    L-CC: breast implant
    """
    entry = CODES[code]
    return ResultWarning(code=code, severity=entry.severity, view=view, text=text or entry.meaning)


def merge_views(warnings: Iterable[ResultWarning], n_views: int = 0) -> Warnings:
    """Merge warnings with the same code and text in several views into one record.

    Parameters
    ----------
    warnings : iterable of ResultWarning
    n_views : int
        Number of views of the exam. A warning about all of them (two or more) has the view
        ``"all views"``.

    Returns
    -------
    tuple of ResultWarning
        In the order of first appearance.

    Examples
    --------
    >>> from mammorisk.warnings import make_warning, merge_views
    >>> merged = merge_views([make_warning("implant", view=v) for v in ("L-CC", "L-MLO")])
    >>> print(*merged)
    L-CC, L-MLO: breast implant
    """
    views: dict[tuple[str, str], list[str]] = {}
    first: dict[tuple[str, str], ResultWarning] = {}
    for one in warnings:
        key = (one.code, one.text)
        first.setdefault(key, one)
        names = views.setdefault(key, [])
        if one.view is not None and one.view not in names:
            names.append(one.view)
    return tuple(
        replace(
            one,
            view=None
            if not views[key]
            else "all views"
            if len(views[key]) == n_views > 1
            else ", ".join(views[key]),
        )
        for key, one in first.items()
    )


def is_refused(warnings: Iterable[ResultWarning]) -> bool:
    """Whether any of the warnings is a refusal."""
    return any(one.severity == "refusal" for one in warnings)


def join_text(warnings: Sequence[ResultWarning]) -> str:
    """Join all texts, for the column ``warnings`` of a result table."""
    return "; ".join(str(one) for one in warnings)


def join_codes(warnings: Sequence[ResultWarning]) -> str:
    """Join distinct codes with commas, for the column ``warning_codes`` of a result table."""
    return ",".join(dict.fromkeys(one.code for one in warnings))


def warning_codes() -> pd.DataFrame:
    """Return the table of all warning codes.

    Returns
    -------
    DataFrame
        Indexed by ``code``, with columns ``severity`` and ``meaning``.

    See Also
    --------
    mammorisk.ResultWarning : A warning with one of these codes.

    Examples
    --------
    >>> import mammorisk as mr
    >>> mr.warning_codes().loc["brca-carrier", "severity"]
    'refusal'
    """
    import pandas as pd

    rows: list[dict[str, Any]] = [
        {"code": code, **entry._asdict()} for code, entry in CODES.items()
    ]
    return pd.DataFrame(rows).set_index("code")
