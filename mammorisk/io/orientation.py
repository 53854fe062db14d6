"""Orientation of an image from its header, compared with side and view."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset

from mammorisk.io.dataset import number, texts, yes_no
from mammorisk.records.exam import FieldOfView, Laterality, Orientation, View
from mammorisk.warnings import ResultWarning, make_warning

_LETTERS = frozenset("APLRHF")


def read_orientation(dataset: Dataset) -> Orientation | None:
    """Read PatientOrientation (0020,0020). Call inside ``quiet_pydicom``.

    None if it is absent or does not have two directions.
    """
    found = [word.upper() for word in texts(dataset, "PatientOrientation")]
    if len(found) != 2 or not all(word and set(word) <= _LETTERS for word in found):
        return None
    return Orientation(rows=found[0], columns=found[1])


def read_field_of_view(dataset: Dataset) -> FieldOfView | None:
    """Read FieldOfViewRotation (0018,7032) and FieldOfViewHorizontalFlip (0018,7034).

    None if one of them is absent. They describe the rotation of the stored image relative to the
    detector. Images of one device with the same rotation must have the chest wall at the same edge.
    """
    rotation = number(dataset, "FieldOfViewRotation")
    flip = yes_no(dataset, "FieldOfViewHorizontalFlip")
    if rotation not in (0, 90, 180, 270) or flip is None:
        return None
    return FieldOfView(rotation_deg=int(rotation), is_flipped=flip)


def contradicts_side(
    orientation: Orientation, laterality: Laterality, position: str
) -> ResultWarning | None:
    """Return a warning if PatientOrientation does not fit side and view of an upright image.

    A left CC runs to A and R, a left MLO to A and FR; right ones to P and L, and to P and FL.

    Parameters
    ----------
    orientation : Orientation
    laterality : Laterality
    position : str

    Examples
    --------
    >>> contradicts_side(Orientation(rows="A", columns="R"), Laterality.LEFT, "CC")
    >>> print(contradicts_side(Orientation(rows="P", columns="FL"), Laterality.LEFT, "MLO"))
    PatientOrientation is that of the other side: sides exchanged or mirrored image
    """
    other = Laterality.RIGHT if laterality is Laterality.LEFT else Laterality.LEFT
    fits_other = orientation.turned(other, position) == "not"
    turned = orientation.turned(laterality, position)
    if turned == "not" or (turned == "half" and not fits_other):
        # Turned images are brought upright when the pixels are read, with a warning.
        return None
    if turned == "half":
        # In a CC view both have the same letters.
        said = "PatientOrientation is that of an image rotated by 180 degrees, or of the other side"
    elif turned == "quarter":
        said = "PatientOrientation is that of an image rotated by 90 degrees"
    elif fits_other:
        said = "PatientOrientation is that of the other side: sides exchanged or mirrored image"
    else:
        said = "PatientOrientation does not fit side and view"
    return make_warning("orientation-header", said)


def contradicting_fields(views: Sequence[View]) -> list[ResultWarning]:
    """Return a warning if views of one device have the same rotation but different orientations."""
    known = [
        (view, view.field_of_view, view.orientation)
        for view in views
        if view.field_of_view is not None and view.orientation is not None
    ]
    for i, (one, its_field, its_orientation) in enumerate(known):
        for other, field, orientation in known[i + 1 :]:
            if one.acquisition.model != other.acquisition.model:
                continue
            edges = its_orientation.chest_wall, orientation.chest_wall
            alike = its_field.mirrors(field)
            if alike is None or None in edges:
                continue
            if (edges[0] == edges[1]) != (not alike):
                said = (
                    "FieldOfViewRotation and FieldOfViewHorizontalFlip do not fit "
                    f"PatientOrientation in {one.name} and {other.name}"
                )
                return [make_warning("orientation-header", said)]
    return []
