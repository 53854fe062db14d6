"""Digest of the images of an exam, as a key of what is made from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from mammorisk._utils.digests import array_digest
from mammorisk.records.exam import Exam


def exam_digest(exam: Exam, views: Iterable[str] | None = None, *settings: object) -> str:
    """Return a digest of the content of the images of an exam, in hexadecimal.

    Parameters
    ----------
    exam : Exam
    views : iterable of str, optional
        Names of the views that count. Default: all.
    *settings
        What else identifies what is made from the images.

    Raises
    ------
    MammoriskError
        A file cannot be read.
    """
    key = hashlib.blake2b(repr(settings).encode(), digest_size=16)
    for name in exam.views if views is None else views:
        view = exam[name]
        # A view that is not a file has no digest: the pixels are the key.
        told = array_digest(view.load().pixels) if view.digest is None else view.digest()
        key.update(f"{name} {told}".encode())
    return key.hexdigest()
