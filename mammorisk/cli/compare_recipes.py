"""``mammorisk compare-recipes``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mammorisk.cli.common import (
    PLACE,
    AsJson,
    Debug,
    Missing,
    exit_on_error,
    missing_codes,
    read_cohort_with_warnings,
)
from mammorisk.cli.tables import print_table

if TYPE_CHECKING:
    from mammorisk.training.recipe_comparison import RecipeComparison

#: Measures of the printed table, by column of :attr:`mammorisk.RecipeComparison.table`.
_MEASURES = {"auc": "AUC", "c_index": "C index", "e_o": "E/O", "slope": "slope", "brier": "Brier"}


def compare_recipes(
    cohort: Annotated[
        str, typer.Argument(help="Path or URL of a manifest with outcomes (CSV or Parquet).")
    ],
    recipe: Annotated[
        list[str], typer.Option(help="Name of a recipe, or a YAML file. Repeatable.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the tables and the cross-validated risks, as CSV."),
    ] = None,
    embeddings: Annotated[
        Path | None, typer.Option(help="Table of embeddings, for the recipes that use them.")
    ] = None,
    published: Annotated[
        list[str] | None,
        typer.Option(help="Published model that is also compared. Repeatable."),
    ] = None,
    folds: Annotated[int, typer.Option(help="Number of folds of women.", min=2)] = 5,
    horizon: Annotated[float, typer.Option(help="Years, 1 to 5.")] = 5.0,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of the cache of standardised images.")
    ] = None,
    level: Annotated[float, typer.Option(help="Confidence level of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of the folds.")] = 1,
    missing: Missing = None,
    root: Annotated[
        str | None, typer.Option(help="Folder that contains all images.", metavar=PLACE)
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Compare recipes on one cohort by cross-validation, with paired differences."""
    from mammorisk.training.compare_recipes import compare_recipes as compare

    with exit_on_error(debug, as_json):
        found = compare(
            read_cohort_with_warnings(cohort, root=root, missing=missing_codes(missing)),
            recipe,
            embeddings=embeddings,
            published=published or (),
            folds=folds,
            horizon=horizon,
            cache=cache,
            level=level,
            seed=seed,
            progress=sys.stderr.isatty(),
        )
        if out is not None:
            found.to_csv(out)
    if as_json:
        tables = {
            "table": json.loads(found.table.reset_index().to_json(orient="records")),
            "differences": json.loads(found.differences.to_json(orient="records")),
            "notes": found.notes,
        }
        typer.echo(json.dumps(tables, indent=2))
        return
    _print_recipes(found)
    if len(found.differences):
        limits = {"lower": "difference_lower", "upper": "difference_upper"}
        print_table("differences", found.differences.rename(columns=limits))
    for note in found.notes:
        typer.echo(f"! {note}")


def _print_recipes(found: RecipeComparison) -> None:
    """Print one row a recipe, with each measure and its interval in one column."""
    import pandas as pd

    from mammorisk.evaluation.table_text import readable

    columns: dict[str, object] = {"recipe": found.table.index}
    for name, title in _MEASURES.items():
        one = pd.DataFrame(
            {
                "measure": name,
                "value": found.table[name],
                "lower": found.table[f"{name}_lower"],
                "upper": found.table[f"{name}_upper"],
            }
        )
        shown = readable(one)
        columns[title] = shown["value"].tolist() if "value" in shown else ""
    for name in ("exams", "cancers", "without_risk"):
        columns[name] = found.table[name].tolist()
    print_table(f"recipes, {found.horizon:g} years", pd.DataFrame(columns))
