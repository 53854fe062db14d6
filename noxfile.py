"""Tests in other environments: Python versions, and other resolutions of the dependencies.

``nox -l`` lists the sessions. An interpreter that is not installed is skipped.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import nox
from uv import find_uv_bin

# uv reads the certificates of the system, as `make` asks it to.
os.environ.setdefault("UV_SYSTEM_CERTS", "true")

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
#: Rooms that work without torch.
WITHOUT_TORCH = [
    *(
        f"tests/{room}"
        for room in (
            *("_utils", "clinical", "evaluation", "imaging", "io", "metrics"),
            *("monitoring", "policy", "records", "simulation"),
        )
    ),
    *("tests/test_errors.py", "tests/test_import_rules.py", "tests/test_small_install.py"),
]
#: The part of them that depends most on the versions of pandas, pydicom and the statistics.
SHORT = [
    *(f"tests/{room}" for room in ("_utils", "clinical", "evaluation", "metrics", "policy")),
    *("tests/records", "tests/io/test_manifest.py", "tests/io/test_syntaxes.py"),
    *("tests/io/test_pictures.py", "tests/test_small_install.py"),
]

nox.options.default_venv_backend = "uv|venv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["small", "lowest", "newest"]


def run_tests(session: nox.Session, paths: list[str], *more: str) -> None:
    session.run(
        *("python", "-m", "pytest", "-n", "2", "--dist", "worksteal", "-m", "not slow"),
        *paths,
        *more,
        *session.posargs,
        env={"OMP_NUM_THREADS": "1"},
    )


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Every test, with every extra, in the locked versions."""
    session.install("--constraint", "constraints.txt", "-e", ".[dev]")
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "worksteal", *session.posargs)


@nox.session(python=PYTHONS)
def short(session: nox.Session) -> None:
    """A short suite without torch, in the locked versions."""
    session.install("--constraint", "constraints.txt", "-e", ".[test]")
    run_tests(session, SHORT)


@nox.session
def small(session: nox.Session) -> None:
    """What works without torch, where torch is not installed."""
    session.install("--constraint", "constraints.txt", "-e", ".[test]")
    run_tests(session, WITHOUT_TORCH)


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """A short suite on the oldest direct dependencies that pyproject.toml allows."""
    session.install("--resolution", "lowest-direct", "-e", ".[test]")
    run_tests(session, SHORT)


@nox.session(venv_backend="venv")
def newest(session: nox.Session) -> None:
    """A short suite on what pip resolves for a user, today."""
    session.install("-e", ".[test]")
    run_tests(session, SHORT)


@nox.session
def sbom(session: nox.Session) -> None:
    """Write build/sbom.cdx.json: what users of the extras install that the argument names."""
    extras = session.posargs[0] if session.posargs else "networks,clinic"
    out = Path("build") / "sbom.cdx.json"
    out.parent.mkdir(exist_ok=True)
    session.install("--constraint", "constraints.txt", f".[{extras}]")
    # The tool runs in an environment of its own, so that the bill does not list it.
    session.run(
        *(find_uv_bin(), "tool", "run", "--from", "cyclonedx-bom>=7.1,<8", "cyclonedx-py"),
        "environment",
        *("--pyproject", "pyproject.toml", "--mc-type", "library", "--output-reproducible"),
        *("--spec-version", "1.6", "--output-file", str(out), session.virtualenv.location),
        external=True,
    )
    bill = json.loads(out.read_text(encoding="utf-8"))
    # pyproject.toml has no version: it is read from the package.
    found = re.search(r'__version__ = "(.+)"', Path("mammorisk/_version.py").read_text())
    bill["metadata"]["component"]["version"] = found[1] if found else "unknown"
    out.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    session.log(f"{out}: {len(bill['components'])} components")


@nox.session(python=False)
@nox.parametrize("python_version", ["3.11.0", "3.12", "3.13", "3.14"])
def resolves(session: nox.Session, python_version: str) -> None:
    """The dependencies of the networks resolve to wheels for a version of Python."""
    session.run(
        *(find_uv_bin(), "pip", "compile", "--quiet", "--system-certs", "--only-binary", ":all:"),
        # Of pure Python, and published as source only; lifelines needs it.
        *("--no-binary", "autograd-gamma"),
        *("--python-version", python_version, "--extra", "networks", "--extra", "fast"),
        *("--constraint", "constraints.txt", "pyproject.toml", "--output-file"),
        str(Path(session.create_tmp()) / f"resolved-{python_version}.txt"),
    )
