"""Layout: the tables of a release, their columns and their codes, as data in a YAML file."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator

from mammorisk.datasets.card import DatasetCard

_FOLDER = files("mammorisk.datasets.adapters")
_HOSPITAL = files("mammorisk.datasets.hospital")


class Column(BaseModel):
    """A column that an adapter reads.

    Attributes
    ----------
    name : str
        Name that the adapter uses.
    aliases : tuple of str
        Other names that a release or a common copy of it gives to the same column.
    required : bool
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    aliases: tuple[str, ...] = ()
    required: bool = True


class TableLayout(BaseModel):
    """A table of a release.

    Attributes
    ----------
    files : tuple of str
        Glob patterns below the root folder, the most likely one first.
    columns : tuple of Column
        A plain string in YAML is a required column.
    separators : str
        Separators that are tried on the header line.
    header : bool
        False for a file without a header line, whose columns come in the order of ``columns``.
    required : bool
        Whether the cohort cannot be read without it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: tuple[str, ...]
    columns: tuple[Column, ...]
    separators: str = ","
    header: bool = True
    required: bool = True

    @field_validator("columns", mode="before")
    @classmethod
    def _plain_names(cls, columns: Any) -> Any:
        return [{"name": one} if isinstance(one, str) else one for one in columns]


class Layout(BaseModel):
    """Description of a cohort as data.

    Attributes
    ----------
    card : DatasetCard
    tables : dict of str to TableLayout
    images : tuple of str
        Names of folders with the images; the first one that exists is used.
    codes : dict
        Codes of the release by column, with their meaning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    card: DatasetCard
    tables: dict[str, TableLayout] = Field(default_factory=dict)
    images: tuple[str, ...] = ()
    codes: dict[str, Any] = Field(default_factory=dict)


@cache
def load_layout(name: str) -> Layout:
    """Read the layout of a cohort from the package.

    Parameters
    ----------
    name : str
        Name of a cohort, such as ``"embed"``.

    Returns
    -------
    Layout

    Examples
    --------
    >>> from mammorisk.datasets.layout import load_layout
    >>> load_layout("embed").codes["tissueden"]["1"]
    'a'
    """
    path = _FOLDER / f"{name}.yaml"
    if not path.is_file():
        path = _HOSPITAL / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    return Layout.model_validate(yaml.safe_load(text))


def layout_names() -> list[str]:
    """Names of all public cohorts, sorted."""
    return sorted(
        one.name.removesuffix(".yaml") for one in _FOLDER.iterdir() if one.name.endswith(".yaml")
    )
