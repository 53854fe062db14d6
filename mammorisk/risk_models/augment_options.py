"""Options of the random changes of views in training."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AugmentOptions(BaseModel):
    """Random changes of the views of an exam in each step of the training.

    Attributes
    ----------
    flip_share : float
        Share of views that are flipped vertically.
    turn_deg : float
        Largest rotation in degrees, about the middle of the chest wall.
    zoom : float
        Largest relative change of size.
    shift : float
        Largest shift, as a share of the height or width. Views are not moved away from the chest
        wall.
    contrast, brightness : float
        Largest relative change of contrast, and of brightness on the standardised scale.
    noise_sd : float
        Standard deviation of noise on the standardised scale.
    jpeg_share : float
        Share of views that are compressed as JPEG.
    jpeg_quality : int
        Lowest quality of the compression; the highest is 95.
    cut_out_share : float
        Share of views in which a rectangle is blank.
    cut_out_size : float
        Height and width of the rectangle as shares of those of the view.
    view_dropout : float
        Probability of removing each view. At least one is kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip_share: float = Field(default=0.5, ge=0, le=1)
    turn_deg: float = Field(default=6.0, ge=0, le=45)
    zoom: float = Field(default=0.06, ge=0, lt=0.5)
    shift: float = Field(default=0.03, ge=0, lt=0.5)
    contrast: float = Field(default=0.05, ge=0, lt=1)
    brightness: float = Field(default=0.02, ge=0, lt=1)
    noise_sd: float = Field(default=0.0, ge=0, le=1)
    jpeg_share: float = Field(default=0.0, ge=0, le=1)
    jpeg_quality: int = Field(default=60, ge=10, le=95)
    cut_out_share: float = Field(default=0.0, ge=0, le=1)
    cut_out_size: float = Field(default=0.2, gt=0, lt=1)
    view_dropout: float = Field(default=0.0, ge=0, lt=1)
