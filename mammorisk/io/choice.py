"""Which of several images of a view is used: the one that a radiologist would hang first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mammorisk.errors import AmbiguousView
from mammorisk.io.dicom import ReadImage
from mammorisk.records.exam import STANDARD_VIEWS, ImageKind, Intent, SetAside, View
from mammorisk.warnings import ResultWarning, make_warning

#: What is compared, the most important first: what is said of the image that is preferred, and
#: what it is to be without.
_REASONS = (
    "the one without a view modifier",
    "the one for presentation",
    "the one without contrast agent",
    "the full-field one",
    "the one with a header",
    "the complete one",
    "the one of more bits",
    "the one with a time",
    "the latest",
)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One image a view.

    Attributes
    ----------
    views : dict of str to View
        In the order of ``STANDARD_VIEWS``.
    set_aside : list of SetAside
        The others.
    warnings : list of ResultWarning
        For each view of which there were several.
    """

    views: dict[str, View]
    set_aside: list[SetAside]
    warnings: list[ResultWarning]


def choose_images(images: Sequence[ReadImage]) -> Choice:
    """Choose one image for each standard view.

    Raises
    ------
    AmbiguousView
        Several pictures of a view, and nothing tells them apart.
    """
    views: dict[str, View] = {}
    aside: list[SetAside] = []
    warnings: list[ResultWarning] = []
    for name in STANDARD_VIEWS:
        group = [one for one in images if one.view.name == name]
        group, copies = _without_copies(group)
        aside += copies
        if not group:
            continue
        group.sort(key=_preference)
        views[name] = group[0].view
        if len(group) == 1:
            continue
        text = f"{len(group)} images, {_why(group)} used"
        warnings.append(make_warning("several-images", text, view=name))
        reason = "another image of the view was preferred"
        aside += [SetAside(source=one.view.source, reason=reason) for one in group[1:]]
    return Choice(views=views, set_aside=aside, warnings=warnings)


def _without_copies(group: list[ReadImage]) -> tuple[list[ReadImage], list[SetAside]]:
    """The same instance may lie in several places; anonymised ones may share an identifier."""
    kept: dict[tuple[object, ...], ReadImage] = {}
    copies = []
    for i, one in enumerate(group):
        key = (one.instance or i, one.view.rows, one.view.columns, _preference(one))
        if key in kept:
            reason = "a copy of an image that is also there (SOPInstanceUID)"
            copies.append(SetAside(source=one.view.source, reason=reason))
        else:
            kept[key] = one
    return list(kept.values()), copies


def _preference(image: ReadImage) -> tuple[object, ...]:
    """Sort key; the order of the files decides where all of it is equal."""
    view = image.view
    newest_first = tuple(-ord(character) for character in view.acquired_at or "")
    return (
        len(view.modifiers) > 0,
        view.intent is Intent.PROCESSING,
        view.contrast,
        view.kind is ImageKind.SYNTHETIC,
        image.is_picture,
        bool(view.partial),
        -image.bits,
        newest_first == (),
        newest_first,
    )


def _why(group: list[ReadImage]) -> str:
    """What set the first apart from the second."""
    first, second = (_preference(image) for image in group[:2])
    for reason, its, other in zip(_REASONS, first, second, strict=True):
        if its != other:
            return reason
    if group[0].is_picture:
        raise AmbiguousView(
            f"there are several pictures of {group[0].view.name} and nothing tells which of them "
            "belongs to the exam",
            remedy='Say it yourself: read_exam({"L-CC": path, ...}).',
        )
    return "the first, since nothing tells them apart,"
