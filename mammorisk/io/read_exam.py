"""read_exam(): read an exam from a folder, a list of files or a mapping of views."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from mammorisk.errors import (
    ExamError,
    IntentMismatch,
    MixedPatients,
    NoImages,
    UnknownView,
    UnreadableFile,
    ViewMissing,
    WrongModality,
)
from mammorisk.io.choice import choose_images
from mammorisk.io.dicom import ReadImage, read_dicom
from mammorisk.io.exam_files import ExamFile, Paths, list_files
from mammorisk.io.limits import Limits
from mammorisk.io.named_errors import name_errors
from mammorisk.io.one_exam import find_exam
from mammorisk.io.orientation import contradicting_fields
from mammorisk.io.parsing import looks_like_dicom
from mammorisk.io.patient import picture_facts
from mammorisk.io.picture_formats import picture_family, unread_format
from mammorisk.io.pictures import picture_view
from mammorisk.io.remote import fetch, hold, is_remote
from mammorisk.io.views import HARMLESS_MODIFIERS, ViewWords, parse_view_words
from mammorisk.io.words import is_mask_name, is_recombined_name, is_synthetic_name
from mammorisk.records.exam import STANDARD_VIEWS, Exam, Intent, SetAside, View
from mammorisk.warnings import ResultWarning, make_warning

#: Reason given for files that are not images.
NOT_AN_IMAGE = "not an image file"

#: Largest number of reasons in an error message.
_REASONS_NAMED = 6

#: INbreast names its oblique views ML: "20586908_6c613a14b80a8591_MG_R_ML_ANON".
_INBREAST = re.compile(r"^\d+_[0-9a-f]{16}_MG_[LR]_(CC|ML)_ANON$", re.IGNORECASE)


def read_exam(
    path: Paths,
    *,
    allow_missing_views: bool = False,
    allow_processing: bool = False,
    pixel_mm: float | None = None,
    limits: Limits | None = None,
) -> Exam:
    """Read an exam. Only headers are read; pixels are read when a view is first used.

    Parameters
    ----------
    path : path, sequence of paths, or mapping of str to path or paths
        A folder (searched with its subfolders), a list of files, or ``{"L-CC": path, ...}``. If a
        view of a mapping has several files, one is chosen as in a folder. A zip file or a URL of
        fsspec (``s3://``, ``gs://``, ``https://`` ...) is copied into a temporary folder, which is
        deleted when the exam is no longer used. DICOM files may have any name. The names of PNG,
        TIFF, PGM, BMP and JPEG files contain the view (``L-CC``, ``LCC``, ``left_mlo`` ...) unless
        a mapping gives it.
    allow_missing_views : bool
        Accept an exam without all four of R CC, L CC, R MLO, L MLO.
    allow_processing : bool
        Accept for-processing images of views without a for-presentation image.
    pixel_mm : float, optional
        Pixel spacing in the breast in mm for PNG, TIFF and similar files, which do not state it.
    limits : Limits, optional

    Returns
    -------
    Exam
        One image for each view. If there are several, the standard one is used: without view
        modifier, for presentation, without contrast agent, full-field before synthetic, not
        partial, latest. If the files belong to several exams of one woman, the latest complete exam
        is used and the one before it is ``prior``. A warning names the choice. Images that were not
        used are in ``set_aside`` with the reason.

    Raises
    ------
    NoImages, WrongModality, UnknownView, AmbiguousView, ViewMissing, MixedPatients, IntentMismatch
    UnreadableFile, PixelError, UnsupportedSyntax, TooLarge
        A file that is needed for the four views is damaged or refused. The message contains the
        view or the position of the file in the list; ``error.source`` is the name of the file.

    See Also
    --------
    read_cohort : Reads the exams of many women from a table.
    mammorisk.predict : Predicts the risk from an exam.

    Examples
    --------
    >>> import tempfile
    >>> import cv2
    >>> import numpy as np
    >>> folder = tempfile.mkdtemp()
    >>> for name in ("R-CC", "L-CC", "R-MLO", "L-MLO"):
    ...     _ = cv2.imwrite(f"{folder}/{name}.png", np.zeros((40, 30), np.uint16))
    >>> exam = read_exam(folder, pixel_mm=0.07)
    >>> exam
    <Exam: R-CC 40 x 30, L-CC 40 x 30, R-MLO 40 x 30, L-MLO 40 x 30>
    >>> [str(warning) for warning in exam.all_warnings()]
    ['all views: no acquisition header']
    """
    limits = limits if limits is not None else Limits()
    fetched, path = _local(path, limits)
    files, aside = list_files(path, limits)
    found = _Found(set_aside=aside, views_are_given=isinstance(path, Mapping))
    for i, file in enumerate(files):
        found.add(file, f"file {i + 1} of {len(files)}", pixel_mm, limits)
    exam = found.exam(allow_missing_views, allow_processing)
    for folder in fetched:
        exam = hold(exam, folder)
    return exam


def _local(path: Paths, limits: Limits) -> tuple[list[TemporaryDirectory[str]], Paths]:
    """Copy remote files to this machine. Return their paths and the temporary folders."""
    if isinstance(path, (str, Path)):
        if not is_remote(path):
            return [], path
        folder = fetch(path, limits)
        return [folder], folder.name
    folders: list[TemporaryDirectory[str]] = []

    def fetched(files: str | Path | Sequence[str | Path]) -> list[str | Path]:
        local: list[str | Path] = []
        for file in [files] if isinstance(files, (str, Path)) else files:
            if not is_remote(file):
                local.append(file)
                continue
            folder = fetch(file, limits, one_file=True)
            folders.append(folder)
            local += [one for one in sorted(Path(folder.name).rglob("*")) if one.is_file()]
        return local

    if isinstance(path, Mapping):
        return folders, {name: fetched(files) for name, files in path.items()}
    return folders, fetched(path)


@dataclass
class _Found:
    """Results of reading the files of one exam."""

    set_aside: list[SetAside]
    views_are_given: bool
    images: list[ReadImage] = field(default_factory=list)
    errors: list[ExamError] = field(default_factory=list)

    def add(self, file: ExamFile, place: str, pixel_mm: float | None, limits: Limits) -> None:
        try:
            with name_errors(file.named_view or place, file.source):
                found = _read(file, pixel_mm, limits)
        except ExamError as error:
            self.errors.append(error)
            return
        if isinstance(found, ReadImage):
            self.images.append(found)
        else:
            self.set_aside.append(found)

    def exam(self, allow_missing_views: bool, allow_processing: bool) -> Exam:
        self._drop_processing_copies()
        told = find_exam(self.images, views_are_given=self.views_are_given)
        self.set_aside += [
            SetAside(source=one.view.source, reason="of another exam") for one in told.others
        ]
        chosen = choose_images(told.images)
        self.set_aside += chosen.set_aside
        views = chosen.views
        warnings = [*told.warnings, *chosen.warnings]
        self._check_complete(views, allow_missing_views)
        _check_intent(views, allow_processing, warnings)
        self.set_aside += [
            SetAside(source=error.source or "", reason=error.what) for error in self.errors
        ]
        missing = [name for name in STANDARD_VIEWS if name not in views]
        if missing:
            text = f"missing views: {', '.join(missing)}"
            warnings.append(make_warning("views-missing", text))
        warnings += contradicting_fields(list(views.values()))
        return Exam(
            views=views,
            set_aside=tuple(self.set_aside),
            age_years=_age(told.images),
            patient_sex=_sex(told.images),
            warnings=tuple(warnings),
            prior=_prior(told.prior),
        )

    def _drop_processing_copies(self) -> None:
        """Set aside for-processing images that are the source of another image."""
        raw = frozenset[str]().union(*(one.made_from for one in self.images))
        kept = []
        for one in self.images:
            if one.view.intent is Intent.PROCESSING and one.instance in raw:
                reason = "for-processing copy of an image for presentation"
                self.set_aside.append(SetAside(source=one.view.source, reason=reason))
            else:
                kept.append(one)
        self.images = kept

    def _check_complete(self, views: dict[str, View], allow_missing_views: bool) -> None:
        missing = [name for name in STANDARD_VIEWS if name not in views]
        if not missing or (views and allow_missing_views):
            return
        # Raise the error of a file that may be the missing view. A picture without a view in its
        # name counts as such only if there is no other image.
        for error in self.errors:
            if not views or not isinstance(error, _NamelessPicture):
                raise error.as_unknown_view() if isinstance(error, _NamelessPicture) else error
        aside = _counted(
            [one.reason for one in self.set_aside] + [error.what for error in self.errors]
        )
        if not views:
            reasons = [one.reason for one in self.set_aside if one.reason != NOT_AN_IMAGE]
            if reasons and all(reason.startswith("Modality") for reason in reasons):
                raise WrongModality(
                    f"no mammogram was found ({aside})",
                    remedy="Give digital mammograms: Modality (0008,0060) MG.",
                )
            raise NoImages(
                f"no usable mammogram was found ({aside})" if aside else "no image was found",
                remedy="Give DICOM mammograms, or PNG/TIFF files named by view.",
            )
        raise ViewMissing(
            f"the exam has no {' and no '.join(missing)} view; found {', '.join(views)}"
            + (f" (set aside: {aside})" if aside else ""),
            remedy="Pass allow_missing_views=True to predict from the available views.",
        )


class _NamelessPicture(UnknownView):
    """A picture without side and view in its name: a report, a logo, or a missing view."""

    def as_unknown_view(self) -> UnknownView:
        return UnknownView(self.what, where=self.where, remedy=self.remedy, source=self.source)


def _counted(reasons: Sequence[str]) -> str:
    """Join reasons with their numbers of files, the most frequent first."""
    counts = Counter(reasons).most_common()
    told = [reason if n == 1 else f"{n} files: {reason}" for reason, n in counts[:_REASONS_NAMED]]
    return "; ".join(told)


def _check_intent(
    views: dict[str, View], allow_processing: bool, warnings: list[ResultWarning]
) -> None:
    raw = [name for name, view in views.items() if view.intent is Intent.PROCESSING]
    if not raw:
        return
    if not allow_processing:
        raise IntentMismatch(
            "PresentationIntentType (0008,0068) is FOR PROCESSING and there is no image for "
            f"presentation: {', '.join(raw)}",
            where=raw[0],
            remedy="Use the for-presentation images, or pass allow_processing=True.",
            source=views[raw[0]].source,
        )
    warnings.extend(make_warning("for-processing", view=name) for name in raw)


def _prior(images: Sequence[ReadImage]) -> Exam | None:
    try:
        chosen = choose_images(images)
    except MixedPatients:
        return None
    if not chosen.views:
        return None
    return Exam(
        views=chosen.views,
        set_aside=tuple(chosen.set_aside),
        age_years=_age(images),
        patient_sex=_sex(images),
        warnings=tuple(chosen.warnings),
    )


def _age(images: Sequence[ReadImage]) -> float | None:
    return min((one.patient.age_years for one in images if one.patient.age_years), default=None)


def _sex(images: Sequence[ReadImage]) -> str | None:
    known = {one.patient.sex for one in images if one.patient.sex is not None}
    return known.pop() if len(known) == 1 else None


def _read(file: ExamFile, pixel_mm: float | None, limits: Limits) -> ReadImage | SetAside:
    given = None if file.named_view is None else parse_view_words(file.named_view)
    if given is not None and (given.laterality is None or given.position is None):
        raise UnknownView(
            f"{file.named_view!r} is not the name of a view",
            remedy=f"Views are {', '.join(STANDARD_VIEWS)}.",
        )
    head = _head(file)
    family = picture_family(head)
    if family is not None:
        return _read_picture(file, family, given, pixel_mm, limits)
    if not looks_like_dicom(head):
        if not head:
            raise UnreadableFile("the file is empty")
        other = unread_format(head)
        if other is not None:
            reason = f"a picture in an unsupported format ({other}): convert it to PNG"
            return SetAside(source=file.source, reason=reason)
        return SetAside(source=file.source, reason=NOT_AN_IMAGE, is_image=False)
    told = None
    if given is not None and given.laterality is not None and given.position is not None:
        told = given.laterality, given.position
    found = read_dicom(file.path, file.source, limits, told)
    if isinstance(found, str):
        return SetAside(source=file.source, reason=found)
    if told is not None and found.view.name != f"{told[0].value}-{told[1]}":
        raise UnknownView(
            f"given as {told[0].value}-{told[1]}, but its header says {found.view.name}",
            remedy="Correct the mapping, or pass a list to take the view from the header.",
        )
    return found


def _read_picture(
    file: ExamFile, family: str, given: ViewWords | None, pixel_mm: float | None, limits: Limits
) -> ReadImage | SetAside:
    stem = str(Path(file.source).with_suffix(""))
    if is_mask_name(stem):
        return SetAside(source=file.source, reason="a mask or an overlay according to its name")
    if is_recombined_name(stem):
        reason = "a recombined image of a contrast-enhanced exam according to its name"
        return SetAside(source=file.source, reason=reason)
    named = parse_view_words(file.path.stem)
    modifiers = named.modifiers if given is None else (*given.modifiers, *named.modifiers)
    odd = [modifier for modifier in modifiers if modifier not in HARMLESS_MODIFIERS]
    if odd:
        return SetAside(source=file.source, reason=f"view modifier: {', '.join(odd)}")
    side, position = (given or named).laterality, (given or named).position
    warnings: tuple[ResultWarning, ...] = ()
    if given is None and _INBREAST.match(file.path.stem) and position == "ML":
        text = "ML in the name was read as MLO, as in INbreast"
        position, warnings = "MLO", (make_warning("view-inferred", text),)
    if position not in ("CC", "MLO", None) and side is not None:
        raise _NamelessPicture(
            f"the name of a picture contains {position}, which is not one of the four views",
            remedy="If it is one of them, pass a mapping: read_exam({'L-MLO': path, ...}).",
        )
    if side is None or position is None:
        raise _NamelessPicture(
            "the name of a picture does not contain side and view",
            remedy="Name it like L-CC.png, or pass {'L-CC': path, ...}.",
        )
    if given is not None and _contradicts(named, given):
        warnings = (make_warning("view-contradiction", "the file name contains another view"),)
    view, bits = picture_view(
        file.path,
        file.source,
        family,
        side,
        position,
        pixel_mm=pixel_mm,
        limits=limits,
        modifiers=modifiers,
        synthetic=is_synthetic_name(f"{file.named_view or ''} {file.path.stem}"),
        warnings=warnings,
    )
    return ReadImage(view=view, patient=picture_facts(file.source), is_picture=True, bits=bits)


def _contradicts(named: ViewWords, given: ViewWords) -> bool:
    inbreast = (named.position, given.position) == ("ML", "MLO")
    return named.laterality not in (None, given.laterality) or not (
        named.position in (None, given.position) or inbreast
    )


def _head(file: ExamFile) -> bytes:
    try:
        with open(file.path, "rb") as handle:
            return handle.read(132)
    except OSError as error:
        raise UnreadableFile(f"the file cannot be opened ({error.strerror})") from None
