"""Mapping of a hospital: the mapping of the package with changes of the user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from mammorisk.datasets.questionnaire_mapping import UNITS
from mammorisk.errors import DatasetError
from mammorisk.records.questionnaire_fields import FIELDS

Model = TypeVar("Model", bound=BaseModel)


def merge_mapping(
    model: type[Model], default: dict[str, Any], given: Mapping[str, Any] | str | Path | None
) -> Model:
    """Apply the changes of the user to a mapping, and check the result.

    Parameters
    ----------
    model : type
        Class of the mapping.
    default : dict
        Mapping of the package.
    given : dict, path of a YAML file, or None
        Entries that replace those of the package; in ``fields``, fields are replaced one by one.

    Raises
    ------
    DatasetError
        The file cannot be read, or an entry is wrong; the message names the entry.
    """
    content, where = dict(default), "mapping"
    if isinstance(given, (str, Path)):
        where = Path(given).name
        try:
            given = yaml.safe_load(Path(given).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise DatasetError(
                f"the mapping cannot be read ({type(error).__name__})", where=where
            ) from None
    if given is not None:
        if not isinstance(given, Mapping):
            raise DatasetError("the mapping is not a dictionary", where=where)
        of_user = given.get("fields") or {}
        if not isinstance(of_user, Mapping):
            raise DatasetError("fields is not a dictionary", where=where)
        fields = {**content["fields"], **of_user}
        content = {**content, **given, "fields": fields}
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        text = first["msg"].removeprefix("Value error, ")
        raise DatasetError(f"{place}: {text}", where=where) from None


def check_units(fields: Mapping[str, Iterable[str]]) -> None:
    """Refuse names that are not Questionnaire fields, and units that a field does not have.

    Raises
    ------
    ValueError
        As pydantic validators require.
    """
    unknown = [name for name in fields if name not in FIELDS]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no Questionnaire field")
    for name, units in fields.items():
        wrong = [unit for unit in units if unit not in UNITS.get(name, {})]
        if wrong:
            raise ValueError(f"{name}: unit {wrong[0]!r} is not known")
