"""DatasetCard: content, terms and licence of a public cohort, and how they were checked."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mammorisk.records.cohort import OutcomeKind

#: How a statement about a cohort was checked, from best to worst.
Verified = Literal["release", "owner", "third party", "not verified"]


class Fact(BaseModel):
    """A statement about a release on which an adapter relies.

    Attributes
    ----------
    says : str
        The statement.
    verified : {"release", "owner", "third party", "not verified"}
        ``"release"``: seen in a table or program of the release itself. ``"owner"``: stated by its
        owner. ``"third party"``: found in public code of other users (two or more, or one with the
        data). ``"not verified"``: taken from memory.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    says: str
    verified: Verified


class DatasetCard(BaseModel):
    """Description of a public cohort.

    Attributes
    ----------
    name : str
        Name in :mod:`mammorisk.datasets`.
    title : str
    source : str
        Where the owner describes the data.
    version : str
        Release that the adapter was written for.
    licence : str
        Licence, and the uses that it forbids.
    terms : str
        Whose terms the user must accept.
    citation : str
    doi : str or None
        DOI of the publication or data set to cite.
    download : str
        How to get the data. The adapter never downloads anything.
    layout : str
        Files below the root folder.
    women, exams, images : int or None
        Size of the release as its source states it; None if not stated.
    outcome : {"survival", "interval-censored", "cross-sectional", "none"}
        Kind of outcome, see :attr:`mammorisk.Cohort.outcome_kind`.
    follow_up : str
        Outcome and length of follow-up.
    density : str
        Available information on breast density.
    acquisition : str
        Where acquisition parameters are found.
    images_are : str
        Format and kind of the images.
    splits : str
        The official split, or that there is none.
    facts : tuple of Fact
        Statements that the adapter relies on, and how each was checked.
    assumptions : tuple of str
        Assumptions of the adapter that the release does not state.

    See Also
    --------
    mammorisk.datasets.list : Cards of all cohorts as a table.

    Examples
    --------
    >>> import mammorisk as mr
    >>> card = mr.datasets.vindr_mammo.card
    >>> card.outcome, card.doi
    ('none', '10.1038/s41597-023-02100-7')
    >>> [fact.says for fact in card.facts if fact.verified == "not verified"]
    []
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    source: str
    version: str
    licence: str
    terms: str
    citation: str
    doi: str | None = None
    download: str
    layout: str
    women: int | None = None
    exams: int | None = None
    images: int | None = None
    outcome: OutcomeKind
    follow_up: str
    density: str
    acquisition: str
    images_are: str
    splits: str
    facts: tuple[Fact, ...]
    assumptions: tuple[str, ...] = ()
