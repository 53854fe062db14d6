"""DetectorCard: description of a detector of lesions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DetectorCard:
    """Description of a detector: what it finds, its training data and its limits.

    Attributes
    ----------
    name : str
    title : str
    types : tuple of str
        Types of lesions that it finds.
    training_data : str
        Exams on which it was trained.
    source : str
        Publication that it follows.
    licence : str
        Licence of the weights.
    intended_use : str
    limits : str
        Known limits.
    simulated : bool
        Whether the training data are simulated. Every result then says so.
    start_simulated : bool
        Whether the training continued that of a detector which was trained on simulated exams.
        Every result then says so.

    See Also
    --------
    mammorisk.find : Finds lesions with a detector.

    Examples
    --------
    >>> from mammorisk.findings.registry import open_detector
    >>> card = open_detector("findings-sim").card  # doctest: +SKIP
    >>> card.simulated  # doctest: +SKIP
    True
    """

    name: str
    title: str
    types: tuple[str, ...]
    training_data: str
    source: str
    licence: str
    intended_use: str
    limits: str
    simulated: bool = False
    start_simulated: bool = False
