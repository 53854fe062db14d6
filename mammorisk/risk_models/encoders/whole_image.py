"""WholeImagePreprocessing: base of published preprocessings that resize the image to one size."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mammorisk.base import PreparedView
from mammorisk.warnings import make_warning

#: Rows or columns of an input.
Pixels = Annotated[int, Field(ge=32, le=4096)]


class WholeImagePreprocessing(BaseModel):
    """A preprocessing that resizes the image to one size, whatever its pixel spacing.

    ``mean`` and ``sd`` are constants of the published program, and are stored so that they can be
    read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    rows: Pixels
    columns: Pixels
    mean: float
    sd: float

    @model_validator(mode="after")
    def _check_constants(self) -> Self:
        fields = type(self).model_fields
        if (self.mean, self.sd) != (fields["mean"].default, fields["sd"].default):
            raise ValueError("mean and sd are constants of the published program")
        return self

    @property
    def spacing_mm(self) -> None:
        """None: the spacing depends on the image."""


def not_used() -> PreparedView:
    """Return what an encoder that needs images for presentation makes of one for processing."""
    text = "only an image for processing, not used by the encoder"
    return PreparedView(content=None, warnings=(make_warning("for-processing", text),))
