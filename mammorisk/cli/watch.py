"""``mammorisk watch``."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mammorisk.cli.common import DONE, SOME_FAILED, UNUSABLE, Debug, exit_on_error, stop_signals
from mammorisk.cli.export import Identity
from mammorisk.cli.predict import ModelName
from mammorisk.service.result_files import DEFAULT_FORMATS, FORMATS

if TYPE_CHECKING:
    from mammorisk.service.exam_job import ExamScorer

#: Default of ``--formats``.
DEFAULT_WORDS = ",".join(DEFAULT_FORMATS)
Formats = Annotated[
    str,
    typer.Option(
        help="Files beside result.json, separated by commas: sr (needs [clinic]), fhir, pdf, "
        "dicom-pdf, html."
    ),
]
AllowMissing = Annotated[
    bool,
    typer.Option(
        "--allow-missing-views", help="Predict from the available views if some are missing."
    ),
]


def watch(
    inbox: Annotated[
        Path,
        typer.Argument(
            help="Folder into which DICOM images are put.", exists=True, file_okay=False
        ),
    ],
    outbox: Annotated[Path, typer.Argument(help="Folder for the results, one folder an exam.")],
    model: ModelName = None,
    formats: Formats = DEFAULT_WORDS,
    identity: Identity = False,
    allow_missing_views: AllowMissing = False,
    quiet: Annotated[
        float,
        typer.Option(
            help="Seconds without a new image after which an incomplete exam is taken.", min=0
        ),
    ] = 120.0,
    poll: Annotated[
        float, typer.Option(help="Seconds between looks into the inbox.", min=0.1)
    ] = 5.0,
    state: Annotated[
        Path | None,
        typer.Option(help="Folder of the queue and its event log. Default: OUTBOX/.queue."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Take what is there as complete, and end after it.")
    ] = False,
    silent: Annotated[
        bool,
        typer.Option(
            "--silent", help="Silent trial: store the results beside the queue, return nothing."
        ),
    ] = False,
    unblind: Annotated[
        str | None,
        typer.Option(
            metavar="REASON",
            help="Copy the stored results of a silent trial to OUTBOX, and end. The event log "
            "keeps the reason.",
        ),
    ] = None,
    check_log: Annotated[
        bool, typer.Option("--check-log", help="Check the chain of the event log, and end.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Score the exams that arrive in a folder. The queue survives a kill at any moment."""
    from mammorisk.service.canary import Canary
    from mammorisk.service.disk_errors import disk_errors
    from mammorisk.service.inbox import Inbox
    from mammorisk.service.job_queue import JobQueue
    from mammorisk.service.own_exam import score_own_exam
    from mammorisk.service.silent import outbox_of, record_mode
    from mammorisk.service.silent import unblind as copy_stored
    from mammorisk.service.watch import Watch

    place = state or outbox / ".queue"
    with exit_on_error(debug), JobQueue(place) as queue:
        if check_log:
            with disk_errors():
                events = queue.check()
            typer.echo(f"{events} events, unchanged")
            raise typer.Exit(DONE)
        if unblind is not None:
            with disk_errors():
                number = copy_stored(queue, place, outbox, unblind)
            typer.echo(f"{number} stored results copied")
            raise typer.Exit(DONE)
        # Not within disk_errors(): a model that cannot be read is no fault of the queue.
        scorer = scorer_of(model, formats, identity, allow_missing_views)
        with disk_errors():
            arriving = Inbox(inbox, quiet_s=0 if once else quiet)
            results = outbox_of(outbox, place, silent=silent)
            results.mkdir(parents=True, exist_ok=True)
            record_mode(queue, silent=silent)
            canary = Canary(result=partial(score_own_exam, scorer))
            watcher = Watch(arriving, results, queue, scorer, canary=canary)
            if once:
                watcher.run_to_end()
            else:
                watcher.run(poll_s=poll, stopped=stop_signals())
            counts = queue.counts()
        typer.echo(", ".join(f"{n} {name}" for name, n in counts.items()) or "no exams", err=True)
        for job in queue.jobs():
            if job.state == "failed":
                typer.echo(f"  job {job.id}: {job.reason}", err=True)
        _tell_set_aside(arriving.set_aside)
        raise typer.Exit(SOME_FAILED if counts.get("failed") else DONE)


def process_folder(
    folder_in: Annotated[
        Path,
        typer.Argument(
            help="Folder of DICOM images.",
            envvar=["MERCURE_IN_DIR", "MONAI_INPUTPATH"],
            exists=True,
            file_okay=False,
        ),
    ],
    folder_out: Annotated[
        Path,
        typer.Argument(
            help="Folder for the results.", envvar=["MERCURE_OUT_DIR", "MONAI_OUTPUTPATH"]
        ),
    ],
    model: ModelName = None,
    formats: Formats = DEFAULT_WORDS,
    identity: Identity = False,
    allow_missing_views: AllowMissing = False,
    debug: Debug = False,
) -> None:
    """Score the exams of a folder into another, as a step of mercure or MONAI Deploy."""
    from mammorisk.prediction.status import exit_code
    from mammorisk.service.folder_task import run_folder

    with exit_on_error(debug):
        scorer = scorer_of(model, formats, identity, allow_missing_views)
        told = run_folder(folder_in, folder_out, scorer)
    counts = Counter(one.get("status", "unusable") for one in told["exams"])
    without = counts.total() - counts["done"]
    typer.echo(f"{counts.total()} exams, {without} without a risk", err=True)
    _tell_set_aside(told["set_aside"])
    raise typer.Exit(exit_code(counts) if counts else UNUSABLE)


def _tell_set_aside(files: int) -> None:
    if files:
        typer.echo(
            f"{files} files belong to no exam: damaged, not DICOM, or of no standard view", err=True
        )


def scorer_of(
    model: str | None, formats: str, identity: bool, allow_missing_views: bool
) -> ExamScorer:
    """Return the scorer for the options of a command. Its model is loaded once."""
    from mammorisk.service.load_scorer import load_scorer

    return load_scorer(
        model, read_formats(formats), identity=identity, allow_missing_views=allow_missing_views
    )


def read_formats(formats: str) -> tuple[str, ...]:
    """Read ``--formats``.

    Raises
    ------
    BadParameter
        A word is not a format.
    MissingDependency
        A format needs a library that is not installed.
    """
    from mammorisk._utils.optional import require
    from mammorisk.prediction.exports.sr import CLINIC

    wanted = tuple(word.strip() for word in formats.split(",") if word.strip())
    if unknown := set(wanted) - set(FORMATS):
        raise typer.BadParameter(
            f"{', '.join(sorted(unknown))}: known are {', '.join(FORMATS)}",
            param_hint="--formats",
        )
    if "sr" in wanted:
        require("highdicom", CLINIC, what="a DICOM structured report")
    return wanted
