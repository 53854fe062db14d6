"""``mammorisk predict``."""

from __future__ import annotations

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
)
from mammorisk.cli.export import (
    CadSr,
    Exports,
    Fhir,
    Html,
    Identity,
    Pdf,
    Sr,
    print_not_searched,
    write_exports,
)
from mammorisk.cli.findings_output import flat_findings
from mammorisk.cli.predict_cohort import Engine, predict_cohort
from mammorisk.cli.tables import write_table
from mammorisk.prediction.status import EXIT_CODES

if TYPE_CHECKING:
    from mammorisk.base import Horizon, RiskModel
    from mammorisk.prediction.prediction import Prediction
    from mammorisk.records.questionnaire import Questionnaire

ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Name or folder of a model. Default for exams: hybrid. Default for questionnaires: "
        "bcsc-2008 if breast density is known, else icare-lit. `mammorisk models` lists all.",
    ),
]


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
    embeddings: Annotated[
        Path | None,
        typer.Option(
            help="With --cohort and a model fitted on embeddings: table of embeddings of the "
            "cohort. Images are then not read."
        ),
    ] = None,
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
    horizons: Annotated[
        list[str] | None,
        typer.Option(
            help="Years from the exam, separated by commas, or 'lifetime'. Default: 1,2,3,4,5.",
            metavar="YEARS",
        ),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option(help="With EXAM: folder of the previous exam.", metavar=PLACE),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="Also apply a surveillance policy: an id (mr.policies() lists all) or a YAML file."
        ),
    ] = None,
    findings: Annotated[
        bool,
        typer.Option(
            "--findings",
            help="Also search lesions for review in the images. No risk uses them. With --out they "
            "are a column of the file.",
        ),
    ] = False,
    findings_out: Annotated[
        Path | None,
        typer.Option(help="File for the table of findings (.parquet or .csv); with --findings."),
    ] = None,
    audit: Annotated[
        Path | None,
        typer.Option(help="File to which a JSON line for each result is appended."),
    ] = None,
    sr: Sr = None,
    fhir: Fhir = None,
    pdf: Pdf = None,
    html: Html = None,
    cad_sr: CadSr = None,
    identity: Identity = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Predict absolute risk over one to five years for one exam or a cohort.

    Exit codes: 0 every exam has a risk; 1 some have none, or with --findings were not searched;
    2 unusable input; 3 refused.
    """
    from mammorisk.prediction.audit import audit_result, audited_errors

    with exit_on_error(debug, as_json):
        given = rates_option(rates, rates_per, rates_kind, rates_deaths)
        chosen = _model_on(model, backend, given)
        codes = missing_codes(missing)
        wanted = _horizons(horizons)
        if embeddings is not None and cohort is None:
            raise typer.BadParameter("--embeddings needs --cohort")
        if not findings and (findings_out is not None or cad_sr is not None):
            raise typer.BadParameter("--findings-out and --cad-sr need --findings")
        exports = Exports(sr=sr, fhir=fhir, pdf=pdf, html=html, cad_sr=cad_sr, identity=identity)
        if cohort is not None:
            one = (exam, questionnaire, age, prior, plot)
            if any(value is not None for value in one) or exports.any:
                raise typer.BadParameter(
                    "give either EXAM or --cohort, not both; --questionnaire, --age, --prior, "
                    "--plot, --sr, --fhir, --pdf, --html and --cad-sr are for one exam"
                )
            raise typer.Exit(
                predict_cohort(
                    cohort,
                    out,
                    root=root,
                    model=chosen,
                    horizons=wanted,
                    policy=policy,
                    audit=audit,
                    allow_missing_views=allow_missing_views,
                    as_json=as_json,
                    missing=codes,
                    engine=engine,
                    workers=workers,
                    address=address,
                    embeddings=embeddings,
                    findings=findings,
                    findings_out=findings_out,
                )
            )
        if exam is None and questionnaire is None and age is None:
            raise typer.BadParameter("give the folder of an exam, --questionnaire, or --cohort")
        if exam is None and (prior is not None or findings):
            raise typer.BadParameter("--prior and --findings need EXAM")
        with audited_errors(audit):
            result = _predict_one(
                exam,
                _read_questionnaire(questionnaire, age, codes),
                model=chosen,
                horizons=wanted,
                prior=prior,
                findings=findings,
                allow_missing_views=allow_missing_views,
            )
            if policy is not None:
                result = result.with_policy(policy)
        if audit is not None:
            audit_result(audit, result.to_dict())
        if plot is not None:
            from mammorisk.prediction.plot import save_risk

            save_risk(result, plot)
        write_exports(result, exports)
        if findings_out is not None:
            if result.findings is None:
                print_not_searched(result, "--findings-out")
            else:
                write_table(flat_findings(result.findings.table), findings_out)
        _show(result, as_json)
        is_unsearched = findings and result.findings is None
        # As for a cohort: the exit code of a risk that is missing says more.
        raise typer.Exit(EXIT_CODES[result.status] or (SOME_FAILED if is_unsearched else DONE))


def _predict_one(
    exam: str | None,
    woman: Questionnaire | None,
    *,
    prior: str | None,
    findings: bool,
    allow_missing_views: bool,
    **options: Any,
) -> Prediction:
    from mammorisk.io import read_exam
    from mammorisk.prediction.api import predict as predict_one

    if exam is None:
        return predict_one(_known(woman), **options)
    images = read_exam(exam, allow_missing_views=allow_missing_views)
    return predict_one(images, woman, prior=prior, findings=findings, **options)


def _show(result: Prediction, as_json: bool) -> None:
    from mammorisk.cli.show import print_prediction
    from mammorisk.prediction.prediction import to_json

    if as_json:
        typer.echo(to_json(result))
    else:
        print_prediction(result)


def _horizons(texts: list[str] | None) -> tuple[Horizon, ...]:
    from mammorisk.base import DEFAULT_HORIZONS

    found: list[Horizon] = []
    for word in ",".join(texts or ()).split(","):
        if word.strip() == "lifetime":
            found.append("lifetime")
        elif word.strip():
            try:
                years = float(word)
                found.append(int(years) if years.is_integer() else years)
            except ValueError:
                raise typer.BadParameter(
                    f"{word.strip()!r} is not a number of years", param_hint="--horizons"
                ) from None
    return tuple(dict.fromkeys(found)) or DEFAULT_HORIZONS


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
    from mammorisk.io.answers_file import read_answers_file
    from mammorisk.records.questionnaire import Questionnaire
    from mammorisk.records.read_answers import is_code

    fields = {} if path is None else read_answers_file(path)
    fields = {
        name: value for name, value in fields.items() if not is_code(value, missing.get(name, ()))
    }
    if age is not None:
        fields["age"] = age
    return Questionnaire(**fields) if fields else None
