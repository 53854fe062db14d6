"""Recipes as data: those in the package, YAML files, and changes of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from mammorisk.errors import RecipeError

_ENDING = ".yaml"

Kind = TypeVar("Kind", bound=BaseModel)


def recipe_names(folder: Traversable) -> list[str]:
    """Names of the recipes in a folder of the package."""
    return sorted(
        file.name.removesuffix(_ENDING) for file in folder.iterdir() if file.name.endswith(_ENDING)
    )


def read_recipe(recipe: str | Path, folder: Traversable, *, purpose: str = "") -> dict[str, Any]:
    """Read a recipe by its name, or from a YAML file.

    Parameters
    ----------
    recipe : str or path
    folder : Traversable
        Folder of the recipes in the package.
    purpose : str
        What the recipes are for, for the error, such as ``" for annotated exams"``.

    Raises
    ------
    RecipeError
        There is no such name or file, or the file is not a mapping in YAML.
    """
    known, path = recipe_names(folder), Path(recipe)
    if isinstance(recipe, str) and recipe in known:
        text = folder.joinpath(f"{recipe}{_ENDING}").read_text(encoding="utf-8")
    elif path.is_file():
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(
                f"the recipe cannot be read ({type(error).__name__})",
                where=path.name,
                remedy="Give a text file in UTF-8 that can be read.",
            ) from None
    else:
        raise RecipeError(
            f"there is no recipe {path.name!r}{purpose}",
            remedy=f"Known: {', '.join(known)}; or a file.",
        )
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError:
        data = None
    if not isinstance(data, dict):
        raise RecipeError(
            "the recipe is not a mapping in YAML",
            where=path.name,
            remedy="Write one field a line, such as 'name: mine'.",
        )
    return data


def make_recipe(kind: type[Kind], data: dict[str, Any], changes: Mapping[str, Any]) -> Kind:
    """Create a recipe from its data, with changes.

    Parameters
    ----------
    kind : type
        Class of the recipe.
    data : dict
        Changed in place.
    changes : mapping of str to object
        Nested fields use double underscores: ``training__epochs``.

    Raises
    ------
    RecipeError
        A field is unknown or out of range.
    """
    remedy = f"See {kind.__module__}.{kind.__qualname__}."
    for name, value in changes.items():
        *parents, last = name.split("__")
        place = data
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise RecipeError(f"the recipe has no field {name}", remedy=remedy)
        place[last] = value
    try:
        return kind(**data)
    except ValidationError as error:
        faults = []
        for item in error.errors(include_url=False):
            where = ".".join(map(str, item["loc"]))
            # A rule between fields has no place.
            fault = item["msg"].removeprefix("Value error, ").lower()
            faults.append(f"{where}: {fault}" if where else fault)
        raise RecipeError("; ".join(faults), remedy=remedy) from None
