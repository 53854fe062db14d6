"""Who may import whom, and what an import may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mammorisk

PACKAGE = Path(mammorisk.__file__).parent
ROOMS = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
RECORDS = {
    "_version",
    "acquisition",
    "cohort",
    "cores",
    "errors",
    "exam",
    "files",
    "greyscale",
    "image_model",
    "model_folder",
    "outcome",
    "plotting",
    "prediction",
    "questionnaire",
    "questionnaire_fields",
    "questionnaire_table",
    "risk_model",
}
#: What a module of each room may import of ours; the frame modules (model, predict, ...) tie them.
MAY_IMPORT = {
    "records": RECORDS,
    "io": RECORDS | {"io"},
    "imaging": RECORDS | {"imaging"},
    "clinical": RECORDS | {"clinical"},
    "inputs": RECORDS | {"imaging", "clinical", "networks", "inputs"},
    "networks": {"errors", "acquisition", "networks"},
    "training": RECORDS
    | {"networks", "imaging", "clinical", "inputs", "mirai", "runtime", "training"}
    | {"recipe", "calibration", "domain_guard", "hybrid_model", "model"},
    "evaluation": {"errors", "files", "outcome", "evaluation"},
    "policy": {"errors", "outcome", "policy"},
    "mirai": RECORDS | {"imaging", "networks", "runtime", "mirai"},
    "runtime": {"cores", "errors", "runtime"},
    "simulation": RECORDS | {"io", "clinical", "simulation"},
}
WITHOUT_TORCH = {"records", "io", "imaging", "clinical", "evaluation", "policy", "simulation"}
TORCH = {"torch", "torchvision", "timm", "lightning"}


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    if len(parts) > 1:
        return parts[0]
    return "records" if path.stem in RECORDS else "frame"


def imports(path: Path) -> set[str]:
    """Modules imported anywhere in a file, except for the eyes of the type checker."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for statement in node.body
        for child in ast.walk(statement)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_rooms_import_only_what_lies_below_them(path: Path) -> None:
    room = room_of(path)
    if room == "frame":
        return
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("mammorisk.")}
    assert ours <= MAY_IMPORT[room]
    if room in WITHOUT_TORCH:
        assert not {name.split(".")[0] for name in imports(path)} & TORCH


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_is_unpickled(path: Path) -> None:
    names = imports(path)
    # The reader is imported by the script of the child process alone, and nothing imports that.
    mirai = PACKAGE / "mirai"
    assert "mammorisk.mirai.snapshot" not in names
    assert "mammorisk.mirai.inert_pickle" not in names or path == mirai / "snapshot.py"
    assert "torch.load" not in path.read_text(encoding="utf-8")
    if path == mirai / "inert_pickle.py":
        return
    assert not {name.split(".")[0] for name in names} & {"pickle", "dill", "joblib", "shelve"}


def test_only_the_frame_imports_simulation() -> None:
    users = {room_of(p) for p in FILES if any("mammorisk.simulation" in n for n in imports(p))}
    assert users <= {"frame", "simulation"}


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_import_is_light() -> None:
    assert not loaded_after("import mammorisk") & (TORCH | {"pandas", "scipy", "matplotlib"})


def test_published_models_never_load_torch() -> None:
    code = (
        "import mammorisk as mr\n"
        "mr.predict(mr.Questionnaire(age=54, race_ethnicity='white'))\n"
        "mr.models()"
    )
    assert not loaded_after(code) & TORCH


def test_prediction_never_imports_lightning() -> None:
    code = "import mammorisk as mr\nmr.predict(mr.Questionnaire(age=54), model='hybrid')"
    assert "lightning" not in loaded_after(code)


def test_every_public_name_resolves() -> None:
    for name in mammorisk.__all__:
        assert getattr(mammorisk, name) is not None


def test_dependencies_that_had_holes_are_new_enough() -> None:
    root = PACKAGE.parent / "pyproject.toml"
    if not root.is_file():
        pytest.skip("installed without its source")
    wanted = tomllib.loads(root.read_text(encoding="utf-8"))["project"]["dependencies"]
    assert "pydicom>=3.0.2" in wanted
    assert "torch>=2.10" in wanted
    assert not any("gdcm" in name.lower() for name in wanted)
