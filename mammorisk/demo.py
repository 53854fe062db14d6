"""The demo: the main job on an embedded, simulated example."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from mammorisk.clinical import CLINICAL_MODELS, load_clinical
from mammorisk.errors import HorizonError, OutputError
from mammorisk.imaging.plot import plot_exam
from mammorisk.io import read_cohort, read_exam
from mammorisk.plotting import save_risk
from mammorisk.predicting import predict
from mammorisk.prediction import Prediction, to_json
from mammorisk.questionnaire import Questionnaire
from mammorisk.questionnaire_fields import FIELDS
from mammorisk.simulation.simulate import simulate

WOMEN, SEED = 2_000, 2026


def run_demo(
    out: str | Path, say: Callable[[str], None], show: Callable[[Prediction], None]
) -> pd.DataFrame:
    """Simulate an exam and a table of women, score both, and leave files to look at.

    Parameters
    ----------
    out : path
        Folder; files of an earlier demo are replaced.
    say : callable
        Takes a line of progress.
    show : callable
        Takes the prediction of the one woman.

    Returns
    -------
    DataFrame
        Five-year risks of the simulated women by model.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    out = Path(out)
    try:
        say(f"Simulating a study of {WOMEN:,} women, one of them with a four-view exam ...")
        study = simulate(WOMEN, seed=SEED, out=out / "study", images=1, pixel_mm=0.2)
        row = study.cohort.exams.iloc[0]
        known = {name: row[name] for name in FIELDS if name in row and pd.notna(row[name])}
        # Breast density is left to be measured from the images.
        woman = Questionnaire(**{name: known[name] for name in known if name != "breast_density"})
        (out / "woman.json").write_text(
            woman.model_dump_json(indent=2, exclude_none=True), encoding="utf-8"
        )
        exam_folder = out / "study" / row["path"]
        exam = read_exam(exam_folder)
        prediction = predict(exam, woman)
        show(prediction)
        (out / "prediction.json").write_text(to_json(prediction), encoding="utf-8")
        save_risk(prediction, out / "risk.png")
        plot_exam(exam).savefig(out / "exam.png", dpi=110)

        say(f"Scoring {WOMEN:,} simulated women with every published model ...")
        study.women.to_csv(out / "cohort.csv", index=False)
        risks = _five_year(read_cohort(out / "cohort.csv").questionnaires)
        risks.to_csv(out / "five_year_risks.csv", index=False)
    except OSError as error:
        raise OutputError(
            f"the demo cannot be written ({error.strerror})",
            where=str(out),
            remedy="Give another folder with --out.",
        ) from None
    by_model = 100 * risks.drop(columns=["patient_id", "exam_id"])
    say("Five-year risk of the simulated women, percent:")
    table = by_model.describe().T[["count", "mean", "25%", "50%", "75%"]]
    say(table.astype({"count": int}).round(2).to_string())
    say(f"Look at {out / 'exam.png'} and {out / 'risk.png'}; try again with your own:")
    say(f"  mammorisk predict {exam_folder} --questionnaire {out / 'woman.json'}")
    return risks


def _five_year(women: pd.DataFrame) -> pd.DataFrame:
    risks = women[["patient_id", "exam_id"]].copy()
    for name in CLINICAL_MODELS:
        try:
            risks[name] = load_clinical(name).score(women, (5,)).risk[5]
        except HorizonError:
            # bcsc-2006 answers one year only.
            continue
    return risks.dropna(axis=1, how="all")
