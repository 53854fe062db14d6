"""Choice of one image for each view: the one that a radiologist would look at first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mammorisk.errors import AmbiguousView
from mammorisk.io.dicom import ReadImage
from mammorisk.records.exam import STANDARD_VIEWS, ImageKind, Intent, SetAside, View
from mammorisk.warnings import ResultWarning, make_warning

#: Descriptions of the preferred image, by the properties that are compared, most important first.
_REASONS = (
    "the one without a view modifier",
    "the one for presentation",
    "the one without contrast agent",
    "the full-field one",
    "the one with a header",
    "the complete one",
    "the one with more bits",
    "the one with a time",
    "the latest",
)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One image for each view.

    Attributes
    ----------
    views : dict of str to View
        In the order of ``STANDARD_VIEWS``.
    set_aside : list of SetAside
        Images that were not chosen.
    warnings : list of ResultWarning
        One for each view with several images.
    """

    views: dict[str, View]
    set_aside: list[SetAside]
    warnings: list[ResultWarning]


def choose_images(images: Sequence[ReadImage]) -> Choice:
    """Choose one image for each standard view.

    Raises
    ------
    AmbiguousView
        There are several equivalent pictures of a view.
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
    """Remove copies. Size and properties must also agree: anonymised images may share an id."""
    kept: dict[tuple[object, ...], ReadImage] = {}
    copies = []
    for i, one in enumerate(group):
        key = (one.instance or i, one.view.rows, one.view.columns, _preference(one))
        if key in kept:
            reason = "a copy of another image (same SOPInstanceUID)"
            copies.append(SetAside(source=one.view.source, reason=reason))
        else:
            kept[key] = one
    return list(kept.values()), copies


def _preference(image: ReadImage) -> tuple[object, ...]:
    """Return the sort key. If all properties are equal, the order of the files decides."""
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
    """Return the description of the property in which the first differs from the second."""
    first, second = (_preference(image) for image in group[:2])
    for reason, its, other in zip(_REASONS, first, second, strict=True):
        if its != other:
            return reason
    if group[0].is_picture:
        raise AmbiguousView(
            f"there are several pictures of {group[0].view.name}, and none of their properties "
            "shows which of them belongs to the exam",
            remedy='Pass a mapping: read_exam({"L-CC": path, ...}).',
        )
    return "the first of equivalent ones,"
