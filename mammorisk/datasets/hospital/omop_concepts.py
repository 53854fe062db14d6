"""Concepts of OMOP by field, and conversion of their values."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator

from mammorisk.datasets.hospital.mapping import check_units

Table = Literal["condition_occurrence", "procedure_occurrence", "measurement", "observation"]


class ConceptSet(BaseModel):
    """Concepts of a field, and how their values are read.

    Attributes
    ----------
    table : tuple of str
        Tables of the database with the records.
    concepts : tuple of int
        Concept ids.
    codes : tuple of str
        Codes with their vocabulary, such as ``"LOINC:8302-2"``, which the table ``concept`` of the
        database turns into ids.
    descendants : bool
        Also all concepts below these, by the table ``concept_ancestor``.
    units : dict of int to str
        Unit concept -> unit, of a field that has units.
    unit_if_none : str or None
        Unit of values without one; None: such values are unknown.
    values : dict of int to object
        Concept of a value (``value_as_concept_id``) -> value of the field.
    count : {"days"} or None
        The value is the number of days with a record.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: tuple[Table, ...]
    concepts: tuple[int, ...] = ()
    codes: tuple[str, ...] = ()
    descendants: bool = False
    units: dict[int, str] = {}
    unit_if_none: str | None = None
    values: dict[int, Any] = {}
    count: Literal["days"] | None = None

    @field_validator("table", mode="before")
    @classmethod
    def _one_or_more(cls, table: Any) -> Any:
        return (table,) if isinstance(table, str) else table


class OmopMapping(BaseModel):
    """Concepts of exams, cancers and the fields of a questionnaire."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    female: tuple[int, ...]
    index: ConceptSet
    cancer: ConceptSet
    fields: dict[str, ConceptSet]

    @field_validator("fields")
    @classmethod
    def _are_fields(cls, fields: dict[str, ConceptSet]) -> dict[str, ConceptSet]:
        check_units({name: one.units.values() for name, one in fields.items()})
        return fields
