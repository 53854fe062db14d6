"""``mammorisk simulate``. Its options are generated from the fields of StudyOptions."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mammorisk._utils.progress import show_progress
from mammorisk.cli.common import AsJson, Debug, exit_on_error
from mammorisk.errors import SimulationError
from mammorisk.simulation.options import StudyOptions

#: Fields that have parameters of their own.
_OWN = ("n", "seed")


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder of the study: new, empty, or to resume.")],
    n: Annotated[int, typer.Option("--women", "-n", help="Women of the population.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed and options give the same files.")] = 1,
    images: Annotated[
        str, typer.Option(help="Women whose exams are rendered: a number, or 'all'.")
    ] = "0",
    workers: Annotated[int, typer.Option(help="Number of processes that render.")] = 1,
    as_json: AsJson = False,
    debug: Debug = False,
    **fields: Any,
) -> None:
    """Simulate a screening study with known true risks. The same command resumes."""
    from mammorisk.simulation.simulate import simulate as simulate_study

    with exit_on_error(debug, as_json):
        pictures: int | Literal["all"]
        if images != "all" and not images.isdigit():
            raise SimulationError(
                "--images is neither a number nor 'all'", remedy="See mammorisk simulate --help."
            )
        pictures = "all" if images == "all" else int(images)
        with show_progress(sys.stderr) as tell:
            study = simulate_study(
                n,
                seed=seed,
                out=out,
                images=pictures,
                workers=workers,
                on_progress=tell,
                **_nested(fields),
            )
        women = study.women
        summary = {
            "folder": str(out),
            "rows": len(women),
            "cancers": int((women["event"] == 1).sum()),
            "exams_rendered": len(study.cohort) if pictures else 0,
        }
    if as_json:
        typer.echo(json.dumps(summary))
        return
    typer.echo(
        f"SIMULATED study in {out}: {summary['rows']:,} women, {summary['cancers']:,} cancers, "
        f"{summary['exams_rendered']:,} with images"
    )
    typer.echo(f"Next: mammorisk predict --cohort {out} --out risks.parquet")


def _leaves(model: type[BaseModel]) -> Iterator[tuple[str, str, FieldInfo, Any]]:
    """Group (or empty), name, field and default of every option; nested models are flattened."""
    for name, field in model.model_fields.items():
        if name in _OWN:
            continue
        if isinstance(field.default, BaseModel):
            for inner, nested in type(field.default).model_fields.items():
                yield name, inner, nested, getattr(field.default, inner)
        else:
            yield "", name, field, field.default


def _parameter(group: str, name: str, field: FieldInfo, default: Any) -> inspect.Parameter:
    """Return a field as a parameter for typer."""
    kind: Any = field.annotation
    if get_origin(kind) is Literal:
        kind = str
    elif get_origin(kind) is tuple and get_args(kind)[-1] is Ellipsis:
        kind, default = str, ",".join(map(str, default))
    elif kind not in (int, float, bool, str) and get_origin(kind) is not tuple:
        # A number, or a word for None.
        kind, default = str, _NONE[name] if default is None else str(default)
    return inspect.Parameter(
        f"{group}_{name}" if group in _PREFIXED else name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, typer.Option(help=field.description)],
    )


#: Words on the command line for None.
_NONE = {"pixel_mm": "native", "malignant": "by-type"}
#: Nested models whose options carry the name of the group.
_PREFIXED = ("effects", "lesions")


def _nested(fields: dict[str, Any]) -> dict[str, Any]:
    """Options of the command line as the arguments of :func:`mammorisk.simulate`."""
    found: dict[str, Any] = {}
    for group, name, _, default in _leaves(StudyOptions):
        option = f"{group}_{name}" if group in _PREFIXED else name
        value = fields[option]
        if isinstance(value, str) and isinstance(default, tuple):
            value = tuple(part for part in value.split(",") if part)
        elif name in _NONE:
            value = None if value == _NONE[name] else _number(option, name, value)
        target = found.setdefault(group, {}) if group else found
        target[name] = value
    return found


def _number(option: str, name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SimulationError(
            f"--{option.replace('_', '-')} is neither a number nor {_NONE[name]!r}",
            remedy="See mammorisk simulate --help.",
        ) from None


def _take_options_of_the_study() -> None:
    """Give the command one parameter for each option of a study."""
    own = inspect.signature(simulate, eval_str=True)
    fixed = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    options = [_parameter(*leaf) for leaf in _leaves(StudyOptions)]
    parameters = [
        p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*fixed[:5], *options, *fixed[5:])
    ]
    simulate.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    simulate.__annotations__ = {p.name: p.annotation for p in parameters}


_take_options_of_the_study()
