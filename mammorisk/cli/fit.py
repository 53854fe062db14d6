"""``mammorisk fit``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mammorisk.cli.common import (
    PLACE,
    AsJson,
    Debug,
    Missing,
    RatesDeaths,
    RatesKind,
    RatesPer,
    RatesTable,
    exit_on_error,
    missing_codes,
    rates_option,
    read_cohort_with_warnings,
)


def fit(
    cohort: Annotated[
        str, typer.Argument(help="Path or URL of a manifest with outcomes (CSV or Parquet).")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write the model to. The same command resumes an interrupted run."
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Name of a recipe (hybrid, hybrid-mirai, coxnet, clinical-only, density-fit "
            "...) or a YAML file. [default: hybrid, or that of --init]"
        ),
    ] = None,
    init: Annotated[
        str | None, typer.Option(help="Name or folder of a model to fine-tune.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of the cache of standardised images.")
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(
            help="Table of embeddings of the cohort (see `mammorisk embed`), for hybrid-mirai, "
            "hybrid-embeddings, coxnet, survival-forest and gradient-boosting."
        ),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Value of a field of the recipe, for example training.epochs=5. Repeatable.",
        ),
    ] = None,
    rates: RatesTable = None,
    rates_per: RatesPer = None,
    rates_kind: RatesKind = None,
    rates_deaths: RatesDeaths = None,
    missing: Missing = None,
    root: Annotated[
        str | None, typer.Option(help="Folder that contains all images.", metavar=PLACE)
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Number of processes that read and augment exams."),
    ] = None,
    log: Annotated[
        list[str] | None,
        typer.Option(help="Also log to tensorboard, wandb or mlflow. Repeatable."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Only estimate the size of the cache, the memory and the time."
        ),
    ] = False,
    devices: Annotated[
        str, typer.Option(help="Number of devices, or 'auto' (Lightning).")
    ] = "auto",
    strategy: Annotated[
        str, typer.Option(help="Strategy for several devices or nodes (Lightning).")
    ] = "auto",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Fit or fine-tune a model on a local cohort."""
    import json

    from mammorisk.risk_models.mirai.model import MiraiModel
    from mammorisk.training.fit import fit as fit_model

    if out is None and not dry_run:
        raise typer.BadParameter("give a folder", param_hint="--out")
    with exit_on_error(debug, as_json):
        changes = changes_of(change)
        if given := rates_option(rates, rates_per, rates_kind, rates_deaths):
            changes["baseline__rates"] = given["rates"]
        options: dict[str, Any] = {
            "init": init,
            "out": out,
            "cache": cache,
            "embeddings": embeddings,
            "workers": workers,
            "loggers": tuple(log or ()),
            # On a terminal a bar, elsewhere lines.
            "progress": True,
            "devices": int(devices) if devices.isdigit() else devices,
            "strategy": strategy,
            "on_warning": lambda one: typer.echo(f"{one.severity}: {one.text}", err=True),
        }
        read = read_cohort_with_warnings(cohort, root=root, missing=missing_codes(missing))
        if dry_run:
            plan = fit_model(read, recipe, dry_run=True, **options, **changes)
            typer.echo(json.dumps(plan.to_dict()) if as_json else str(plan))
            return
        model = fit_model(read, recipe, **options, **changes)
    training = model.record["training"] if isinstance(model, MiraiModel) else model.training
    if as_json:
        typer.echo(json.dumps(training, default=str))
        return
    kind = " on SIMULATED women" if model.card.simulated else ""
    typer.echo(f"{model.name} fitted{kind} and saved in {out}")
    for line in _in_words(training):
        typer.echo(f"  {line}")
    typer.echo("The record of the training is in config.json; --json prints it.")


def _in_words(training: Mapping[str, Any]) -> Iterator[str]:
    """The numbers of a training record; nested parts are left to the record itself."""
    for name, value in training.items():
        title = name.replace("_", " ")
        if isinstance(value, dict) and {"exams", "women", "cancers"} <= value.keys():
            yield (
                f"{title}: {value['exams']:,} exams of {value['women']:,} women, "
                f"{value['cancers']:,} with cancer"
            )
        elif name == "cross_validated":
            for measure, (estimate, lower, upper) in value.items():
                yield f"{measure}, cross-validated: {estimate:.3f} ({lower:.3f} to {upper:.3f})"
        elif name == "ages":
            yield f"ages: {value[0]:g} to {value[1]:g} years"
        elif name == "excluded":
            yield from (f"excluded: {count:,} exams, {reason}" for reason, count in value.items())
        elif isinstance(value, float):
            yield f"{title}: {value:.4g}"
        elif isinstance(value, (str, int)):
            yield f"{title}: {value}"


def changes_of(texts: list[str] | None) -> dict[str, Any]:
    """Read ``--set NAME=VALUE`` as changes of a recipe.

    Raises
    ------
    RecipeError
        A text is not of this form.
    """
    import yaml

    from mammorisk.errors import RecipeError

    changes: dict[str, Any] = {}
    for text in texts or []:
        name, separator, value = text.partition("=")
        if not separator:
            raise RecipeError(f"--set {text} is not NAME=VALUE")
        changes[name.replace(".", "__")] = yaml.safe_load(value)
    return changes
