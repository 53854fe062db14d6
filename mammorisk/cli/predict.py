"""``mammorisk predict``."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mammorisk.cli.common import (
    DONE,
    PLACE,
    SOME_FAILED,
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

if TYPE_CHECKING:
    from mammorisk.base import RiskModel
    from mammorisk.records.questionnaire import Questionnaire

ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Name or folder of a model. Default for exams: hybrid. Default for questionnaires: "
        "bcsc-2008 if breast density is known, else icare-lit. `mammorisk models` lists all.",
    ),
]


class Engine(StrEnum):
    """Engine that predicts the parts of a cohort."""

    LOCAL = "local"
    RAY = "ray"


def predict(
    exam: Annotated[
        str | None,
        typer.Argument(
            help="Folder, zip file or URL of one exam: DICOM, or PNG/TIFF files named by view."
        ),
    ] = None,
    questionnaire: Annotated[
        Path | None,
        typer.Option("--questionnaire", "-q", help="JSON file with Questionnaire fields."),
    ] = None,
    age: Annotated[
        float | None, typer.Option(help="Age in years, if there is no questionnaire file.")
    ] = None,
    cohort: Annotated[
        str | None,
        typer.Option(help="Manifest of a cohort (CSV or Parquet), instead of EXAM.", metavar=PLACE),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="With --cohort: file for the risks (.parquet or .csv). The same command resumes "
            "an interrupted run."
        ),
    ] = None,
    root: Annotated[
        str | None,
        typer.Option(
            help="With --cohort: folder with all images. Default: the folder of the manifest.",
            metavar=PLACE,
        ),
    ] = None,
    model: ModelName = None,
    rates: RatesTable = None,
    rates_per: RatesPer = None,
    rates_kind: RatesKind = None,
    rates_deaths: RatesDeaths = None,
    missing: Missing = None,
    allow_missing_views: Annotated[
        bool,
        typer.Option(
            "--allow-missing-views", help="Predict from the available views if some are missing."
        ),
    ] = False,
    backend: Annotated[
        str,
        typer.Option(
            help="Backend for the network of the model: auto, torch, torch-bfloat16, "
            "torch-compile, openvino, openvino-bfloat16, cuda."
        ),
    ] = "auto",
    engine: Annotated[
        Engine,
        typer.Option(help="With --cohort and --out: run on this machine or on a Ray cluster."),
    ] = Engine.LOCAL,
    workers: Annotated[
        int | None,
        typer.Option(help="With --engine ray: number of workers. Default: one per core."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="With --engine ray: address of a running cluster. Default: one on this machine."
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="File for the risk curve of one woman (.png, .svg or .pdf)."),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Predict absolute risk over one to five years for one exam or a cohort."""
    with exit_on_error(debug, as_json):
        given = rates_option(rates, rates_per, rates_kind, rates_deaths)
        chosen = _model_on(model, backend, given)
        codes = missing_codes(missing)
        if cohort is not None:
            if exam is not None or questionnaire is not None or age is not None:
                raise typer.BadParameter("give either EXAM or --cohort, not both")
            failed = _predict_cohort(
                cohort,
                out,
                root,
                chosen,
                allow_missing_views,
                as_json,
                codes,
                engine,
                workers,
                address,
            )
            raise typer.Exit(SOME_FAILED if failed else DONE)
        if exam is None and questionnaire is None and age is None:
            raise typer.BadParameter("give the folder of an exam, --questionnaire, or --cohort")
        has_risk = _predict_one(
            exam, questionnaire, age, chosen, codes, allow_missing_views, plot, as_json
        )
        raise typer.Exit(DONE if has_risk else SOME_FAILED)


def _predict_one(
    exam: str | None,
    questionnaire: Path | None,
    age: float | None,
    chosen: RiskModel | None,
    missing: dict[str, list[str]],
    allow_missing_views: bool,
    plot: Path | None,
    as_json: bool,
) -> bool:
    """Return whether there is a risk at any horizon."""
    from mammorisk.cli.show import print_prediction
    from mammorisk.io import read_exam
    from mammorisk.prediction.api import predict as predict_one
    from mammorisk.prediction.prediction import to_json

    woman = _read_questionnaire(questionnaire, age, missing)
    if exam is None:
        result = predict_one(_known(woman), model=chosen)
    else:
        images = read_exam(exam, allow_missing_views=allow_missing_views)
        result = predict_one(images, woman, model=chosen)
    if plot is not None:
        from mammorisk.prediction.plot import save_risk

        save_risk(result, plot)
    if as_json:
        typer.echo(to_json(result))
    else:
        print_prediction(result)
    return bool(result.risk.notna().any())


def _model_on(name: str | None, backend: str, options: dict[str, Any]) -> RiskModel | None:
    """Load the named model. A backend without a name selects the default network."""
    from mammorisk.prediction.default_model import WITH_IMAGES
    from mammorisk.risk_models.registry import load_model

    if name is None and options:
        raise typer.BadParameter("--rates needs --model: the model whose rates are replaced")
    if name is None and backend == "auto":
        return None
    return load_model(name or WITH_IMAGES, backend=backend, **options)


def _known(woman: Questionnaire | None) -> Questionnaire:
    if woman is None:
        raise typer.BadParameter("give the folder of an exam, --questionnaire, or --cohort")
    return woman


def _read_questionnaire(
    path: Path | None, age: float | None, missing: dict[str, list[str]]
) -> Questionnaire | None:
    from mammorisk.errors import QuestionnaireError
    from mammorisk.records.questionnaire import Questionnaire
    from mammorisk.records.read_answers import is_code

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
    fields = {
        name: value for name, value in fields.items() if not is_code(value, missing.get(name, ()))
    }
    if age is not None:
        fields["age"] = age
    return Questionnaire(**fields) if fields else None


def _predict_cohort(
    manifest: str,
    out: Path | None,
    root: str | None,
    chosen: RiskModel | None,
    allow_missing_views: bool,
    as_json: bool,
    missing: dict[str, list[str]],
    engine: Engine,
    workers: int | None,
    address: str | None,
) -> int:
    """Return the number of exams without a risk."""
    from mammorisk._utils.progress import progress_bar
    from mammorisk.prediction.api import predict as predict_all
    from mammorisk.prediction.archive import predict_to_file
    from mammorisk.prediction.results_file import count_risks

    if out is None and engine is not Engine.LOCAL:
        raise typer.BadParameter("--engine needs --out")
    cohort = read_cohort_with_warnings(
        manifest,
        root=root,
        errors="flag",
        allow_missing_views=allow_missing_views,
        missing=missing,
    )
    if out is not None:
        with progress_bar("exams", len(cohort)) as advance:
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
            counts = {"exams": found.exams, "without_risk": found.without_risk}
            typer.echo(json.dumps({"path": str(found.path), **counts}, indent=2))
    else:
        risks = predict_all(cohort, model=chosen, progress=sys.stderr.isatty())
        found = count_risks([risks], Path())
        if as_json:
            # to_json converts NaN to null; json.dumps does not.
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
