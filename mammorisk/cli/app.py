"""The command line: the words of the Python interface, and no logic of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mammorisk._version import __version__
from mammorisk.cli.common import DONE, PLACE, SOME_FAILED, AsJson, Debug, told
from mammorisk.cli.convert import convert
from mammorisk.cli.evaluate import evaluate, stratify
from mammorisk.cli.fit import fit
from mammorisk.cli.simulate import simulate

if TYPE_CHECKING:
    import pandas as pd

    from mammorisk.base import RiskModel
    from mammorisk.records.questionnaire import Questionnaire

app = typer.Typer(
    name="mammorisk",
    help="Breast cancer risk from mammograms and clinical data. Research software, not a medical "
    "device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Name or folder of a model. Default: hybrid for exams; for questionnaires alone "
        "bcsc-2008 where breast density is known, else icare-lit. `mammorisk models` lists all.",
    ),
]


class Engine(StrEnum):
    """Where parts of a cohort are predicted."""

    LOCAL = "local"
    RAY = "ray"


app.command()(simulate)
app.command()(fit)
app.command()(evaluate)
app.command()(stratify)
app.command()(convert)


def main() -> None:
    """Entry point of the ``mammorisk`` command."""
    app()


def _version(show: bool) -> None:
    if show:
        typer.echo(f"mammorisk {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def predict(
    exam: Annotated[
        str | None,
        typer.Argument(help="Folder, zip or URL of one exam: DICOM, or PNG/TIFF named by view."),
    ] = None,
    questionnaire: Annotated[
        Path | None,
        typer.Option("--questionnaire", "-q", help="JSON of Questionnaire fields."),
    ] = None,
    age: Annotated[
        float | None, typer.Option(help="Her age in years, when there is no questionnaire file.")
    ] = None,
    cohort: Annotated[
        str | None,
        typer.Option(help="Manifest of a cohort (CSV or Parquet), instead of EXAM.", metavar=PLACE),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="With --cohort: write here (.parquet or .csv); run again to resume."),
    ] = None,
    root: Annotated[
        str | None,
        typer.Option(
            help="With --cohort: where all images lie under. Default: where the manifest lies.",
            metavar=PLACE,
        ),
    ] = None,
    model: ModelName = None,
    allow_missing_views: Annotated[
        bool, typer.Option("--allow-missing-views", help="Predict from the views there are.")
    ] = False,
    backend: Annotated[
        str,
        typer.Option(
            help="What runs the network of --model: auto, torch, torch-bfloat16, torch-compile, "
            "openvino, openvino-bfloat16, cuda."
        ),
    ] = "auto",
    engine: Annotated[
        Engine, typer.Option(help="With --cohort and --out: this machine, or a Ray cluster.")
    ] = Engine.LOCAL,
    workers: Annotated[
        int | None, typer.Option(help="With --engine ray: how many. Default: one a core.")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="With --engine ray: of a running cluster. Default: one on this machine."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Write the risk curve of one woman here (.png, .svg, .pdf).")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Absolute risk over one to five years, for one exam or a cohort."""
    with told(debug):
        if cohort is not None:
            if exam is not None or questionnaire is not None or age is not None:
                raise typer.BadParameter("give either EXAM or --cohort, not both")
            failed = _predict_cohort(
                cohort,
                out,
                root,
                model,
                allow_missing_views,
                as_json,
                backend,
                engine,
                workers,
                address,
            )
            raise typer.Exit(SOME_FAILED if failed else DONE)
        if exam is None and questionnaire is None and age is None:
            raise typer.BadParameter("give the folder of an exam, --questionnaire, or --cohort")
        _predict_one(exam, questionnaire, age, model, backend, allow_missing_views, plot, as_json)


def _predict_one(
    exam: str | None,
    questionnaire: Path | None,
    age: float | None,
    model: str | None,
    backend: str,
    allow_missing_views: bool,
    plot: Path | None,
    as_json: bool,
) -> None:
    from mammorisk.io import read_exam
    from mammorisk.prediction.api import predict as predict_one
    from mammorisk.prediction.prediction import to_json

    chosen = _model_on(model, backend)
    woman = _read_questionnaire(questionnaire, age)
    if exam is None:
        assert woman is not None
        result = predict_one(woman, model=chosen)
    else:
        images = read_exam(exam, allow_missing_views=allow_missing_views)
        result = predict_one(images, woman, model=chosen)
    if plot is not None:
        from mammorisk.prediction.plot import save_risk

        save_risk(result, plot)
    if as_json:
        typer.echo(to_json(result))
    else:
        _print_prediction(result)


def _model_on(name: str | None, backend: str) -> RiskModel | None:
    """The model named; a backend alone is that of the default network."""
    from mammorisk.prediction.default_model import WITH_IMAGES
    from mammorisk.risk_models.registry import load_model

    if name is None and backend == "auto":
        return None
    return load_model(name or WITH_IMAGES, backend=backend)


def _read_questionnaire(path: Path | None, age: float | None) -> Questionnaire | None:
    from mammorisk.errors import QuestionnaireError
    from mammorisk.records.questionnaire import Questionnaire

    fields: dict[str, Any] = {}
    if path is not None:
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise QuestionnaireError(
                f"the questionnaire cannot be read ({type(error).__name__})",
                where=path.name,
                remedy='Give a JSON object such as {"age": 54, "parity": 2}.',
            ) from None
        if not isinstance(fields, dict):
            raise QuestionnaireError(
                "the questionnaire is not a JSON object",
                where=path.name,
                remedy='Give one such as {"age": 54, "parity": 2}.',
            )
    if age is not None:
        fields["age"] = age
    return Questionnaire(**fields) if fields else None


def _print_prediction(prediction: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    from mammorisk._utils.style import NOTICE
    from mammorisk.prediction.prediction import without_risk

    table = Table(title="Absolute risk of breast cancer", title_justify="left")
    table.add_column("model")
    for horizon in prediction.risk.index:
        table.add_column(f"{horizon:g} y", justify="right")

    def cells(row: pd.Series) -> list[str]:
        return ["–" if value != value else f"{100 * value:.2f}%" for value in row]

    table.add_row(prediction.model, *cells(prediction.risk), style="bold")
    for name, row in prediction.baselines.iterrows():
        table.add_row(str(name), *cells(row))
    console = Console(width=None if sys.stdout.isatty() else 100)
    console.print(table)
    density = prediction.density
    if density.get("category"):
        console.print(f"breast density {density['category']}, {density['source']}")
    for warning in prediction.warnings:
        console.print(f"! {warning}", markup=False, highlight=False)
    for note in without_risk(prediction):
        console.print(note, markup=False, highlight=False, style="dim")
    console.print(NOTICE, style="dim")


def _predict_cohort(
    manifest: str,
    out: Path | None,
    root: str | None,
    model: str | None,
    allow_missing_views: bool,
    as_json: bool,
    backend: str,
    engine: Engine,
    workers: int | None,
    address: str | None,
) -> int:
    """Number of exams without a risk."""
    from mammorisk.io import read_cohort
    from mammorisk.prediction.api import predict as predict_all
    from mammorisk.prediction.archive import predict_to_file
    from mammorisk.prediction.results_file import count_risks

    if out is None and engine is not Engine.LOCAL:
        raise typer.BadParameter("--engine needs --out")
    chosen = _model_on(model, backend)
    cohort = read_cohort(
        manifest, root=root, errors="flag", allow_missing_views=allow_missing_views
    )
    if out is not None:
        with _progress(len(cohort)) as advance:
            found = predict_to_file(
                cohort,
                out,
                model=chosen,
                engine=engine.value,
                workers=workers,
                address=address,
                on_part=advance,
            )
        if as_json:
            told = {"path": str(found.path), "exams": found.exams}
            typer.echo(json.dumps({**told, "without_risk": found.without_risk}, indent=2))
    else:
        risks = predict_all(cohort, model=chosen, progress=sys.stderr.isatty())
        found = count_risks([risks], Path())
        if as_json:
            # to_json turns NaN into null, which json.dumps would not.
            typer.echo(risks.to_json(orient="records", indent=2))
        else:
            typer.echo(risks.to_string(index=False))
    typer.echo(f"{found.exams} exams, {found.without_risk} without a risk", err=True)
    for exam_id, why in found.failures:
        typer.echo(f"  exam {exam_id}: {why}", err=True)
    if found.without_risk > len(found.failures):
        more = found.without_risk - len(found.failures)
        typer.echo(f"  ... and {more} more; see the column warnings", err=True)
    return found.without_risk


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """A bar on a terminal, a plain line a part in a pipe."""
    if not sys.stderr.isatty():
        yield lambda done, all_: typer.echo(f"{done} of {all_} exams", err=True)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("exams", total=total)
        yield lambda done, all_: bar.update(task, completed=done)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for what the demo makes.")] = Path("demo"),
    debug: Debug = False,
) -> None:
    """Simulate a study, predict with the bundled model, and compare with the truth: minutes."""
    from mammorisk.demo.run import run_demo

    with told(debug):
        run_demo(out, lambda text: typer.echo(text), _print_prediction)


@app.command()
def models(as_json: AsJson = False, debug: Debug = False) -> None:
    """Every named model: inputs, horizons, source."""
    from rich.console import Console
    from rich.table import Table

    from mammorisk.risk_models.registry import models as list_models

    with told(debug):
        known = list_models()
    if as_json:
        typer.echo(known.reset_index().to_json(orient="records", indent=2))
        return
    table = Table()
    for column in ("name", "what it is", "needs", "ages", "horizons"):
        table.add_column(column, overflow="fold")
    for name, card in known.iterrows():
        table.add_row(str(name), card["title"], card["required"], card["ages"], card["horizons"])
    Console(width=None if sys.stdout.isatty() else 120).print(table)
