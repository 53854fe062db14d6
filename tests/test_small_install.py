"""Without torch: what works, and what the error says that the rest raises.

Where torch is installed it is hidden from a child process, so the same tests run in every
environment.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import mammorisk
from tests.factories import write_exam

HIDE = """
import sys
HIDDEN = {"torch", "torchvision", "timm", "lightning", "captum", "huggingface_hub"}

class Finder:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, *rest):
        return None if name.split(".")[0] in HIDDEN else self.finder.find_spec(name, *rest)

sys.meta_path[:] = [Finder(finder) for finder in sys.meta_path]
import mammorisk as mr
from mammorisk.errors import MissingDependency
"""


def without_networks(code: str) -> str:
    """What a script prints that finds no torch."""
    done = subprocess.run(
        [sys.executable, "-c", HIDE + code], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_public_name_can_be_looked_up() -> None:
    printed = without_networks(
        "print(*[getattr(mr, name).__name__ for name in mr.__all__ if name != '__version__'])"
    )
    names = [name.rpartition(".")[2] for name in printed.split()]
    assert names == [name for name in mammorisk.__all__ if name != "__version__"]


def test_published_models_predict_and_networks_are_listed() -> None:
    printed = without_networks(
        "woman = mr.Questionnaire(age=54, race_ethnicity='white')\n"
        "print(mr.predict(woman).model, *mr.models().index)"
    )
    assert printed.split()[0] == "icare-lit"
    assert {"bcrat", "hybrid", "mirai"} <= set(printed.split())


def test_tables_of_embeddings_are_read_but_not_computed() -> None:
    printed = without_networks(
        "import pandas as pd\n"
        "row = {'patient_id': 'p', 'exam_id': 'e', 'view': 'L-CC', 'feature_0': 1.0}\n"
        "print(mr.read_embeddings(pd.DataFrame([row]), encoder='ours').rows)\n"
        "print(len(mr.embeddings.encoders()))\n"
        "try:\n"
        "    mr.embed('folder', 'compact')\n"
        "except MissingDependency as error:\n"
        "    print(error)"
    )
    rows, names, message = printed.splitlines()
    assert (rows, names) == ("1", "7")
    assert "pip install 'mammorisk[networks]'" in message


@pytest.mark.slow
def test_evaluation_policies_and_simulation_work() -> None:
    printed = without_networks(
        "study = mr.simulate(2000, seed=1)\n"
        "risks = mr.predict(study.cohort, model='bcrat')\n"
        "report = mr.evaluate(risks, study.cohort)\n"
        "table = mr.stratify(risks, policy='uspstf-2024', cohort=study.cohort)\n"
        "print(len(report.discrimination), len(table))"
    )
    rows, women = map(int, printed.split())
    assert rows > 0
    assert women == 2000


def test_an_exam_gets_a_published_risk_and_a_warning(tmp_path: Path) -> None:
    folder = write_exam(tmp_path / "exam")
    printed = without_networks(
        f"prediction = mr.predict({str(folder)!r}, mr.Questionnaire(age=54))\n"
        "print(prediction.model, *(warning.code for warning in prediction.warnings))"
    )
    model, *codes = printed.split()
    assert model in ("bcsc-2008", "icare-lit")
    assert codes.count("network-not-installed") == 1


@pytest.mark.parametrize(
    ("call", "subject"),
    [
        ("mr.load_model('hybrid')", "the model hybrid needs torch"),
        ("mr.load_model('mirai')", "the model mirai needs torch"),
        ("mr.load_model('hf://clinic/model')", "the Hugging Face hub needs huggingface_hub"),
        ("mr.fit(None)", "fit() needs torch"),
        ("import mammorisk.networks.hybrid", "mammorisk.networks needs torch"),
        ("import mammorisk.runtime.backend", "mammorisk.runtime needs torch"),
    ],
)
def test_the_error_says_what_to_install(call: str, subject: str) -> None:
    printed = without_networks(
        f"try:\n    {call}\nexcept MissingDependency as error:\n    print(error)\n"
        "    assert isinstance(error, ImportError)"
    )
    assert subject in printed
    assert "pip install 'mammorisk[networks]'" in printed
