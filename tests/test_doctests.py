"""Examples in docstrings run and show what the code returns.

To test another package, add it to ROOMS.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re

import pytest

import mammorisk
import mammorisk.metrics
from mammorisk._utils.optional import installed

#: Packages whose modules are searched for examples.
ROOMS = (
    "mammorisk._utils",
    "mammorisk.base",
    "mammorisk.clinical",
    "mammorisk.cohort_check",
    "mammorisk.datasets",
    "mammorisk.datasets.adapters",
    "mammorisk.datasets.archive",
    "mammorisk.datasets.hospital",
    *(["mammorisk.embeddings"] if installed("torch") else []),
    "mammorisk.evaluation",
    "mammorisk.findings.annotations",
    "mammorisk.imaging",
    "mammorisk.io",
    "mammorisk.metrics",
    "mammorisk.monitoring",
    "mammorisk.policy",
    "mammorisk.prediction",
    "mammorisk.prediction.exports",
    "mammorisk.records",
    "mammorisk.risk_models",
    "mammorisk.service",
    "mammorisk.simulation",
)
#: Modules outside of packages.
MODULES = ("mammorisk.errors", "mammorisk.findings.exam_score", "mammorisk.warnings")
#: Those of them that need torch.
FITS = ("compare_recipes", "estimator", "folds", "recipe_comparison")


def modules() -> list[str]:
    found = list(MODULES)
    if installed("torch"):
        found += [f"mammorisk.training.{name}" for name in FITS]
    for room in ROOMS:
        package = importlib.import_module(room)
        found += [f"{room}.{one.name}" for one in pkgutil.iter_modules(package.__path__)]
    return found


@pytest.mark.parametrize("name", modules())
def test_examples_run(name: str) -> None:
    module = importlib.import_module(name)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        if not test.examples:
            continue
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
        told: list[str] = []
        runner.run(test, out=told.append)
        assert not runner.failures, "".join(told)


def functions() -> list[str]:
    names = mammorisk.metrics.__all__
    return [name for name in names if inspect.isfunction(getattr(mammorisk.metrics, name))]


@pytest.mark.parametrize("name", functions())
def test_metrics_are_documented_in_full(name: str) -> None:
    function = getattr(mammorisk.metrics, name)
    doc = inspect.getdoc(function) or ""
    sections = ["Parameters", "Returns", "Examples"]
    if name != "example_risks":
        sections.append("See Also")
    for section in sections:
        assert f"\n{section}\n{'-' * len(section)}\n" in doc, section
    parameters = doc.split("Parameters\n---", 1)[1].split("\nReturns\n---", 1)[0]
    for parameter in inspect.signature(function).parameters:
        assert re.search(rf"^(\w+, )*{parameter}(, \w+)*( :|$)", parameters, re.M), parameter
    for other in re.findall(r"^(\w+) :", doc.split("See Also\n---")[-1].split("\n\n")[0], re.M):
        assert hasattr(mammorisk.metrics, other), other


def public_names() -> list[str]:
    names = sorted(set(mammorisk.__all__) - {"__version__"})
    return [name for name in names if not inspect.ismodule(getattr(mammorisk, name))]


@pytest.mark.parametrize("name", public_names())
def test_public_names_have_examples_and_links(name: str) -> None:
    doc = inspect.getdoc(getattr(mammorisk, name)) or ""
    for section in ("See Also", "Examples"):
        assert f"\n{section}\n{'-' * len(section)}\n" in doc, section
    for other in re.findall(r"^mammorisk\.([\w.]+) :", doc, re.M):
        found = mammorisk
        for part in other.split("."):
            found = getattr(found, part)
