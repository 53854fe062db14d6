"""Writes reference/api/index.rst: the public names by purpose. autosummary adds a page for each.

The names come from ``__all__`` of the package and of its public rooms. This file only says in which
section a name stands; a name that is in no section stands under "Other".
"""

from __future__ import annotations

import importlib
import inspect
import sys
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util.typing import ExtensionMetadata

SECTIONS: dict[str, list[str]] = {
    "Read": [
        "read_exam",
        "read_cohort",
        "read_risks",
        "map_questionnaire",
        "check_cohort",
        "CohortCheck",
        "Limits",
    ],
    "Predict": [
        "predict",
        "predict_to_file",
        "Prediction",
        "PredictionFile",
        "result_schema",
        "ResultWarning",
        "warning_codes",
        "load_model",
        "models",
        "read_rates",
        "rates",
        "Rates",
        "RiskModel",
        "ImageModel",
        "ModelCard",
    ],
    "Train and adapt": [
        "fit",
        "recalibrate",
        "compare_recipes",
        "RecipeComparison",
        "leave_one_out",
        "LeaveOneOut",
        "Recipe",
        "RiskEstimator",
    ],
    "Embed": ["embed", "read_embeddings", "Embeddings"],
    "Evaluate": ["evaluate", "Report", "Outcome"],
    "Apply a policy": ["stratify", "policies", "compare_policies"],
    "Watch a service": ["monitor", "MonitorReport"],
    "Simulate": ["simulate", "Study"],
    "Records": ["Questionnaire", "Exam", "View", "Acquisition", "Cohort"],
    "Find lesions": ["find", "Findings"],
    "Look": ["plot_exam"],
    "Errors": ["MammoriskError"],
}
#: Public rooms, each with its own ``__all__``.
ROOMS = {
    "metrics": "Each metric of a report as a function: any scores, any outcomes.",
    "policy": "Surveillance policies as data.",
    "clinical": "Published models.",
    "embeddings": "Encoders of views by name, each with its preprocessing.",
    "datasets": "Public cohorts and exports of hospitals.",
    "findings": "Lesions: records, annotated cohorts and their readers.",
    "simulation": "The virtual screening study.",
}
#: More names than this are divided by subject.
LONG_LIST = 20
#: Documented objects that are reached through a public name and have no shorter path.
FURTHER = {
    "Models and training": [
        "mammorisk.risk_models.hybrid.model.HybridModel",
        "mammorisk.risk_models.mirai.model.MiraiModel",
        "mammorisk.risk_models.recipe.TrainingOptions",
        "mammorisk.risk_models.recipe.MiraiOptions",
        "mammorisk.risk_models.hybrid.saliency.Explanation",
        "mammorisk.risk_models.recalibrated.RecalibratedModel",
        "mammorisk.risk_models.mirai.download.fetch_mirai",
        "mammorisk.risk_models.mirai.convert.convert_snapshots",
        "mammorisk.risk_models.encoders.mammo_clip.convert.convert_mammo_clip",
        "mammorisk.risk_models.hub.push_model",
        "mammorisk.training.comparison.compare_classifiers",
        "mammorisk.runtime.backend.choose_backend",
    ],
}


def _public(module_name: str) -> list[str]:
    """Public functions and classes of a room, by their import paths.

    Adapters of public cohorts are objects, and have pages of their own (dataset_pages).
    """
    module = importlib.import_module(module_name)
    return [
        f"{module_name}.{name}"
        for name in getattr(module, "__all__", ())
        if callable(getattr(module, name))
        and hasattr(getattr(module, name), "__qualname__")
        and not name.startswith("_")
    ]


def sections() -> dict[str, list[str]]:
    """Title -> import paths, without the rooms."""
    package = importlib.import_module("mammorisk")
    rest = [
        name
        for name in package.__all__
        if not name.startswith("_") and not inspect.ismodule(getattr(package, name))
    ]
    found: dict[str, list[str]] = {}
    for title, names in SECTIONS.items():
        found[title] = [f"mammorisk.{name}" for name in names if name in rest]
        rest = [name for name in rest if name not in names]
    found["Other"] = [f"mammorisk.{name}" for name in rest]
    return {title: names for title, names in found.items() if names} | FURTHER


def rooms() -> dict[str, list[str]]:
    """Name of a public room -> import paths of what the package itself does not export."""
    package = importlib.import_module("mammorisk")
    found = {name: _public(f"mammorisk.{name}") for name in ROOMS}
    return {
        name: [path for path in paths if path.rsplit(".", 1)[1] not in package.__all__]
        for name, paths in found.items()
        if paths
    }


def resolve(path: str) -> Any:
    """The object at an import path."""
    module, name = path.rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


def _table(paths: list[str]) -> str:
    lines = [".. autosummary::", "   :toctree: .", "   :nosignatures:", ""]
    return "\n".join([*lines, *(f"   {path}" for path in paths), "", ""])


def _by_subject(paths: list[str]) -> dict[str, list[str]]:
    """Long lists are divided by the files of a room, whose docstrings begin with their subject."""
    if len(paths) <= LONG_LIST:
        return {"": paths}
    found: dict[str, list[str]] = {}
    for path in paths:
        subject = (sys.modules[resolve(path).__module__].__doc__ or "").split("\n", 1)[0]
        found.setdefault(subject, []).append(path)
    return found


def _heading(title: str, underline: str) -> str:
    return f"{title}\n{underline * len(title)}\n\n"


def page() -> str:
    """The index as reStructuredText."""
    parts = [
        _heading("API reference", "="),
        "``import mammorisk as mr`` gives the names of the first sections.\n\n",
    ]
    for title, paths in sections().items():
        parts += [_heading(title, "-"), _table(paths)]
    for name, paths in rooms().items():
        parts += [_heading(f"mammorisk.{name}", "-"), f"{ROOMS[name]}\n\n"]
        for subject, some in _by_subject(paths).items():
            parts += [f"{subject}\n\n", _table(some)]
    parts += [
        _heading("mammorisk.errors", "-"),
        "Every exception of the library, on one page.\n\n",
        _table(["mammorisk.errors"]),
    ]
    return "".join(parts)


def _write(app: Sphinx, config: Config) -> None:
    path = Path(app.srcdir) / "reference" / "api" / "index.rst"
    path.parent.mkdir(exist_ok=True)
    documented = {one for part in (sections(), rooms()) for paths in part.values() for one in paths}
    for page_of in path.parent.glob("mammorisk.*.rst"):
        if page_of.stem not in documented | {"mammorisk.errors"}:
            page_of.unlink()
    text = page()
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


@cache
def _documented_as() -> dict[str, str]:
    """Where an object is defined -> the import path under which it is documented."""
    found = {}
    for part in (sections(), rooms()):
        for paths in part.values():
            for path in paths:
                thing = resolve(path)
                found[f"{thing.__module__}.{thing.__qualname__}"] = path
    return found


def _link(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Links to the defining module lead to the page of the public name."""
    if node.get("refdomain") != "py":
        return None
    public = _documented_as().get(node["reftarget"])
    if public is None:
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], public, node, content
    )


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("config-inited", _write)
    app.connect("missing-reference", _link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
