"""read_exam(): a folder, a list of files or a mapping of views becomes an Exam."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from mammorisk.errors import (
    ExamError,
    IntentMismatch,
    MixedPatients,
    NoImages,
    TooLarge,
    UnknownView,
    UnreadableFile,
    ViewMissing,
    WrongModality,
)
from mammorisk.io.dicom import DicomImage, read_dicom
from mammorisk.io.limits import Limits
from mammorisk.io.parsing import looks_like_dicom
from mammorisk.io.pictures import PNG_MAGIC, TIFF_MAGICS, picture_view
from mammorisk.io.remote import fetch, hold, is_remote
from mammorisk.io.views import is_synthetic_name, parse_view_words
from mammorisk.records.exam import STANDARD_VIEWS, Exam, ImageKind, Intent, SetAside, View
from mammorisk.warnings import ResultWarning, make_warning

#: Reason under which files that are no images at all are listed.
NOT_AN_IMAGE = "not an image file"

Paths = str | Path | Sequence[str | Path] | Mapping[str, str | Path]


def read_exam(
    path: Paths,
    *,
    allow_missing_views: bool = False,
    allow_processing: bool = False,
    pixel_mm: float | None = None,
    limits: Limits | None = None,
) -> Exam:
    """Read an exam. Only headers are read; pixels follow when a view is first used.

    Parameters
    ----------
    path : path, sequence of paths, or mapping of str to path
        A folder (searched with its subfolders), a list of files, or ``{"L-CC": path, ...}``. Also a
        zip, or a URL of fsspec (``s3://``, ``gs://``, ``https://`` ...): its files are copied into
        a temporary folder, which goes with the exam.
        DICOM files may have any name; PNG and TIFF files carry the view in theirs (``L-CC``,
        ``LCC``, ``left_mlo`` ...) unless a mapping says it.
    allow_missing_views : bool
        Accept an exam without all four of R CC, L CC, R MLO, L MLO.
    allow_processing : bool
        Accept for-processing images where no for-presentation image of the view exists.
    pixel_mm : float, optional
        Pixel spacing in the breast, mm, of PNG and TIFF images.
    limits : Limits, optional

    Returns
    -------
    Exam
        One image a view. Of several, the standard one wins: no view modifier, for presentation,
        full-field over synthetic, not partial, latest; ``warnings`` says so and the others are in
        ``set_aside`` with the reason.

    Raises
    ------
    NoImages, WrongModality, UnknownView, ViewMissing, MixedPatients, IntentMismatch
    UnreadableFile, PixelError, UnsupportedSyntax, TooLarge
        A file without which the four views are not complete is damaged or refused.
    """
    limits = limits if limits is not None else Limits()
    fetched, path = _local(path, limits)
    found = _Found()
    for file in _files(path, limits, found):
        found.add(file, pixel_mm, limits)
    exam = found.exam(allow_missing_views, allow_processing)
    for folder in fetched:
        exam = hold(exam, folder)
    return exam


def _local(path: Paths, limits: Limits) -> tuple[list[TemporaryDirectory[str]], Paths]:
    """The same files on this machine, and the folders they were fetched into."""
    if isinstance(path, (str, Path)):
        if not is_remote(path):
            return [], path
        folder = fetch(path, limits)
        return [folder], folder.name
    files = list(path.values()) if isinstance(path, Mapping) else list(path)
    if not any(is_remote(file) for file in files):
        return [], path
    folders, local = [], []
    for file in files:
        if not is_remote(file):
            local.append(Path(file))
            continue
        folder = fetch(file, limits, one_file=True)
        folders.append(folder)
        local += [one for one in sorted(Path(folder.name).rglob("*")) if one.is_file()]
    if isinstance(path, Mapping) and len(local) == len(path):
        return folders, dict(zip(path, local, strict=True))
    return folders, local


@dataclass(frozen=True, kw_only=True)
class _File:
    path: Path
    source: str
    named_view: str | None = None


def _files(path: Paths, limits: Limits, found: _Found) -> Iterator[_File]:
    if isinstance(path, Mapping):
        for name, file in path.items():
            yield _File(path=Path(file), source=Path(file).name, named_view=name)
        return
    if isinstance(path, (str, Path)):
        root = Path(path)
        if root.is_dir():
            yield from _walk(root, limits, found)
        elif root.exists():
            yield _File(path=root, source=root.name)
        else:
            raise NoImages("there is no such file or folder", where=str(path))
        return
    for file in path:
        if not Path(file).exists():
            raise NoImages("there is no such file", where=str(file))
        yield _File(path=Path(file), source=Path(file).name)


def _walk(root: Path, limits: Limits, found: _Found) -> Iterator[_File]:
    """Regular files under a folder, in order; links that lead out of it are not followed."""
    real_root = root.resolve()
    seen = 0
    for folder, folders, names in os.walk(root, followlinks=False):
        here = Path(folder)
        depth = len(here.relative_to(root).parts)
        if folders and depth >= limits.max_folder_depth:
            reason = f"folders below it lie deeper than {limits.max_folder_depth} levels"
            found.set_aside.append(SetAside(source=str(here.relative_to(root)), reason=reason))
            folders.clear()
        folders.sort()
        for name in sorted(names):
            if name.startswith(".") or name.upper() == "DICOMDIR":
                continue
            seen += 1
            if seen > limits.max_files:
                raise TooLarge(
                    f"the folder holds more than {limits.max_files:,} files",
                    where=root.name,
                    remedy="Give the folder of one exam.",
                )
            file = here / name
            source = str(file.relative_to(root))
            try:
                mode = file.stat().st_mode
                inside = file.resolve().is_relative_to(real_root)
            except (OSError, RuntimeError):
                found.set_aside.append(SetAside(source=source, reason="a link that leads nowhere"))
                continue
            if not inside:
                reason = "a link out of the folder, not followed"
                found.set_aside.append(SetAside(source=source, reason=reason))
            elif not stat.S_ISREG(mode):
                found.set_aside.append(SetAside(source=source, reason="not a regular file"))
            else:
                yield _File(path=file, source=source)


@dataclass
class _Found:
    """What the files of one exam turned out to be."""

    images: list[DicomImage] = field(default_factory=list)
    pictures: list[View] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)
    errors: list[ExamError] = field(default_factory=list)

    def add(self, file: _File, pixel_mm: float | None, limits: Limits) -> None:
        try:
            self._add(file, pixel_mm, limits)
        except ExamError as error:
            self.errors.append(error)

    def _add(self, file: _File, pixel_mm: float | None, limits: Limits) -> None:
        side, position = parse_view_words(file.named_view or file.path.stem)
        if file.named_view is not None and (side is None or position not in ("CC", "MLO")):
            raise UnknownView(
                f"{file.named_view!r} is not the name of a view",
                remedy=f"Views are {', '.join(STANDARD_VIEWS)}.",
            )
        head = _head(file)
        # A DICOM file may begin like a TIFF: its own mark decides.
        if head.startswith((PNG_MAGIC, *TIFF_MAGICS)) and head[128:132] != b"DICM":
            if side is None or position not in ("CC", "MLO"):
                raise UnknownView(
                    "the file name does not tell side and view",
                    where=file.source,
                    remedy="Name it like L-CC.png, or pass {'L-CC': path, ...}.",
                )
            words = f"{file.named_view or ''} {file.path.stem}"
            view = picture_view(
                file.path,
                file.source,
                side,
                position,
                pixel_mm=pixel_mm,
                limits=limits,
                synthetic=is_synthetic_name(words),
            )
            self.pictures.append(view)
            return
        if not looks_like_dicom(head):
            if not head:
                raise UnreadableFile("the file is empty", where=file.source)
            self.set_aside.append(SetAside(source=file.source, reason=NOT_AN_IMAGE, is_image=False))
            return
        told = None if file.named_view is None or not side or not position else (side, position)
        result = read_dicom(file.path, file.source, limits, told)
        if isinstance(result, SetAside):
            self.set_aside.append(result)
            return
        if file.named_view is not None and result.view.name != f"{side}-{position}":
            raise UnknownView(
                f"given as {side}-{position}, but its header says {result.view.name}",
                where=file.source,
                remedy="Correct the mapping, or leave the view to the header by passing a list.",
            )
        self.images.append(result)

    def exam(self, allow_missing_views: bool, allow_processing: bool) -> Exam:
        self._check_one_patient()
        self._drop_processing_copies()
        views: dict[str, View] = {}
        warnings: list[ResultWarning] = []
        candidates = [image.view for image in self.images] + self.pictures
        for name in STANDARD_VIEWS:
            group = sorted((v for v in candidates if v.name == name), key=_preference)
            if not group:
                continue
            views[name] = group[0]
            if len(group) > 1:
                text = f"{len(group)} images, {_why(group)} used"
                warnings.append(make_warning("several-images", text, view=name))
                for other in group[1:]:
                    reason = f"another image of {name} was preferred"
                    self.set_aside.append(SetAside(source=other.source, reason=reason))
        self._check_complete(views, allow_missing_views)
        self._check_intent(views, allow_processing, warnings)
        for error in self.errors:
            source = error.where or "a file"
            self.set_aside.append(SetAside(source=source, reason=error.what))
        missing = [name for name in STANDARD_VIEWS if name not in views]
        if missing:
            text = f"missing views: {', '.join(missing)}"
            warnings.append(make_warning("views-missing", text))
        ages = {image.age_years for image in self.images if image.age_years is not None}
        sexes = {image.patient_sex for image in self.images if image.patient_sex is not None}
        return Exam(
            views=views,
            set_aside=tuple(self.set_aside),
            age_years=min(ages) if ages else None,
            patient_sex=sexes.pop() if len(sexes) == 1 else None,
            warnings=tuple(warnings),
        )

    def _check_one_patient(self) -> None:
        for what, attribute, values in (
            ("patients", "PatientID (0010,0020)", {i.patient for i in self.images}),
            ("studies", "StudyInstanceUID (0020,000D)", {i.study for i in self.images}),
        ):
            known = values - {""}
            if len(known) > 1:
                raise MixedPatients(
                    f"the files belong to {len(known)} {what}, told by {attribute}",
                    remedy="Give the files of one exam.",
                )

    def _drop_processing_copies(self) -> None:
        """The same exposure may be there raw and processed, linked by SourceImageSequence."""
        raw = frozenset().union(*(i.made_from for i in self.images)) if self.images else frozenset()
        kept = []
        for image in self.images:
            if image.view.intent is Intent.PROCESSING and image.instance in raw:
                reason = "for-processing copy of an image that is also there for presentation"
                self.set_aside.append(SetAside(source=image.view.source, reason=reason))
            else:
                kept.append(image)
        self.images = kept

    def _check_complete(self, views: dict[str, View], allow_missing_views: bool) -> None:
        missing = [name for name in STANDARD_VIEWS if name not in views]
        if not missing or (views and allow_missing_views and not self.errors):
            return
        if views and allow_missing_views:
            return
        if self.errors:
            raise self.errors[0]
        aside = "; ".join(f"{item.source}: {item.reason}" for item in self.set_aside[:8])
        if not views:
            reasons = [i.reason for i in self.set_aside if i.reason != NOT_AN_IMAGE]
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
            remedy="Pass allow_missing_views=True to predict from what is there.",
        )

    def _check_intent(
        self, views: dict[str, View], allow_processing: bool, warnings: list[ResultWarning]
    ) -> None:
        raw = [name for name, view in views.items() if view.intent is Intent.PROCESSING]
        if not raw:
            return
        if not allow_processing:
            raise IntentMismatch(
                "PresentationIntentType (0008,0068) is FOR PROCESSING and no image for "
                f"presentation is there: {', '.join(raw)}",
                where=views[raw[0]].source,
                remedy="Fetch the for-presentation images, or pass allow_processing=True.",
            )
        warnings.extend(make_warning("for-processing", view=name) for name in raw)


def _head(file: _File) -> bytes:
    try:
        with open(file.path, "rb") as handle:
            return handle.read(132)
    except OSError as error:
        raise UnreadableFile(
            f"the file cannot be opened ({error.strerror})", where=file.source
        ) from None


def _preference(view: View) -> tuple:
    """Sort key: the image a radiologist would hang first."""
    newest_first = tuple(-ord(c) for c in view.acquired_at or "")
    return (
        len(view.modifiers) > 0,
        view.intent is Intent.PROCESSING,
        view.kind is ImageKind.SYNTHETIC,
        bool(view.partial),
        newest_first == (),
        newest_first,
        view.source,
    )


def _why(group: list[View]) -> str:
    """What set the first apart from the second."""
    first, second = (_preference(view) for view in group[:2])
    reasons = (
        "the one without a view modifier",
        "the one for presentation",
        "the full-field one",
        "the complete one",
        "the one with a time",
        "the latest",
        "the first by name",
    )
    return next(text for text, a, b in zip(reasons, first, second, strict=True) if a != b)
