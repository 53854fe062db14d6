"""The demo: predict and evaluate risks on a simulated study, from exams to a page of results."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from mammorisk._utils.parallel import usable_cores
from mammorisk._utils.progress import show_progress
from mammorisk.clinical.registry import load_clinical
from mammorisk.demo.page import write_page
from mammorisk.errors import OutputError
from mammorisk.evaluation.api import evaluate
from mammorisk.imaging.plot import plot_exam
from mammorisk.io import read_exam
from mammorisk.metrics.time_dependent_auc import cumulative_dynamic_auc
from mammorisk.prediction.api import predict
from mammorisk.prediction.plot import save_risk
from mammorisk.prediction.prediction import Prediction, to_json
from mammorisk.records.outcome import Outcome
from mammorisk.records.questionnaire import Questionnaire
from mammorisk.records.questionnaire_fields import FIELDS
from mammorisk.simulation.simulate import simulate
from mammorisk.simulation.study import Study

#: Size of the population, and the share of women in the subcohort. The study also has all cancers.
WOMEN, SUBCOHORT, SEED = 12_000, 0.015, 2026
PUBLISHED = ("density-only", "icare-lit", "bcsc-2008", "average")


def run_demo(
    out: str | Path,
    say: Callable[[str], None],
    show: Callable[[Prediction], None],
    *,
    women: int = WOMEN,
    subcohort: float = SUBCOHORT,
) -> pd.DataFrame:
    """Simulate a study, predict risks, compare them with outcomes and truth, and write a page.

    Parameters
    ----------
    out : path
        Output folder. Files of an earlier demo are replaced, but its study is used again.
    say : callable
        Called with each line of text.
    show : callable
        Called with the prediction of one woman.
    women : int
        Size of the population.
    subcohort : float
        Share of women in the subcohort.

    Returns
    -------
    DataFrame
        Five-year AUC by model.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    out = Path(out)
    try:
        say(f"Simulating a screening study: cancers and a subcohort of {women:,} women ...")
        with show_progress(sys.stderr) as tell:
            study = simulate(
                women,
                seed=SEED,
                out=out / "study",
                images="all",
                design="case-cohort",
                subcohort_fraction=subcohort,
                prior_share=0.0,
                workers=usable_cores(),
                on_progress=tell,
            )
        cohort = study.cohort
        say(f"Reading {len(cohort)} exams and predicting with the bundled hybrid model ...")
        risks = predict(cohort, progress=sys.stderr.isatty())
        risks.to_csv(out / "risks.csv", index=False)
        report = evaluate(risks, cohort, title="Demo: hybrid on SIMULATED women")
        report.to_html(out / "report.html")
        five_year = _five_year(risks, cohort.questionnaires)
        table = auc_table(five_year, study)

        prediction = _one_woman(study, out)
        show(prediction)
        page = write_page(out / "demo.html", study, five_year, table, out)
    except OSError as error:
        raise OutputError(
            f"the demo cannot be written ({error.strerror})",
            where=str(out),
            remedy="Give another folder with --out.",
        ) from None
    say("Five-year AUC on this SIMULATED study (weighted to the population), and the AUC of the")
    say("true risk given the same inputs, which is the highest possible AUC:")
    say(table.round(3).to_string(na_rep=""))
    say(f"Page of results: {page}; all tables: {out / 'report.html'}")
    say("To predict one exam:")
    path = out / "study" / cohort.exams["path"].iloc[0]
    say(f"  mammorisk predict {path} --questionnaire {out / 'woman.json'}")
    return table


def _five_year(risks: pd.DataFrame, women: pd.DataFrame) -> pd.DataFrame:
    columns = {"hybrid": risks["risk_5y"]}
    for name in PUBLISHED:
        columns[name] = load_clinical(name).score(women, (5,)).risk[5]
    return pd.DataFrame(columns)


def auc_table(five_year: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Compute the five-year AUC of each model, and of the true risk given the same inputs.

    The estimate takes censoring, competing deaths and sampling weights into account.

    Parameters
    ----------
    five_year : DataFrame, shape (n_women, n_models)
        Risks over five years.
    study : Study

    Returns
    -------
    DataFrame
        Indexed by model: ``AUC``, ``lower`` and ``upper`` limits of the 95% interval, and
        ``of the true risk``.
    """
    truth, outcome = study.truth, Outcome.from_table(study.cohort.exams)
    inputs = {
        "hybrid": "risk_5y",
        "density-only": "risk_5y_density",
        "icare-lit": "risk_5y_questionnaire",
        "bcsc-2008": "risk_5y_questionnaire_density",
    }
    rows = {}
    for name, risk in five_year.items():
        known = np.flatnonzero(risk.notna())
        own = cumulative_dynamic_auc(outcome.take(known), risk.to_numpy(dtype=float)[known], 5)
        best = (
            cumulative_dynamic_auc(outcome, truth[inputs[str(name)]].to_numpy(), 5).value
            if name in inputs
            else np.nan
        )
        rows[name] = {
            "AUC": own.value,
            "lower": own.lower,
            "upper": own.upper,
            "of the true risk": best,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _one_woman(study: Study, out: Path) -> Prediction:
    row = study.cohort.exams.iloc[0]
    known = {name: row[name] for name in FIELDS if name in row and pd.notna(row[name])}
    woman = Questionnaire(**known)
    (out / "woman.json").write_text(
        woman.model_dump_json(indent=2, exclude_none=True), encoding="utf-8"
    )
    exam = read_exam(out / "study" / row["path"])
    prediction = predict(exam, woman)
    (out / "prediction.json").write_text(to_json(prediction), encoding="utf-8")
    save_risk(prediction, out / "risk.png")
    plot_exam(exam).savefig(out / "exam.png", dpi=110)
    prediction.explain().plot().savefig(out / "explanation.png", dpi=110)
    return prediction
