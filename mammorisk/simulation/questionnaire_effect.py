"""Published effects of the answers of simulated women."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mammorisk._utils.typing import Floats
from mammorisk.clinical.tables import load_table

_SPLIT_AGE = 50
#: Two or more first-degree relatives relative to one: 2.93 / 1.80 (Collaborative Group 2001,
#: doi:10.1016/S0140-6736(01)06524-2).
_SECOND_RELATIVE = np.log(2.93 / 1.80)
#: Atypia relative to the other benign findings: 2.57 / 1.11, where 1.11 is 0.70 x 1 + 0.30 x 1.37,
#: from the ratios at density b of Tice 2013 (PMC3714021). The 30% proliferative is assumed.
_ATYPIA = np.log(2.57 / 1.11)


def questionnaire_effect(women: pd.DataFrame) -> Floats:
    """Return the log relative hazard of the answers, not centred.

    Parameters
    ----------
    women : DataFrame
        Complete answers, as returned by
        :func:`~mammorisk.simulation.population.draw_population`.

    Returns
    -------
    ndarray, shape (n,)
        Linear predictor of iCARE-Lit (doi:10.1093/jnci/djz113), by the model under 50 or from 50
        according to age at entry, with further terms for a second relative and for atypia.

    Notes
    -----
    The ratios are assumed to hold for every race group and for the whole follow-up. A premenopausal
    woman of 50 or older is assigned an age at menopause after her age.
    """
    submodels = load_table("icare_lit")["submodels"]
    age = women["age"].to_numpy()
    number = {name: women[name].to_numpy() for name in ("parity", "age_menarche", "height_cm")}
    birth = women["age_first_birth"].fillna(0.0).to_numpy()
    bmi = women["weight_kg"].to_numpy() / (number["height_cm"] / 100) ** 2
    menopause = women["age_menopause"].to_numpy()
    menopause = np.where(np.isnan(menopause), np.maximum(age, 50.0), menopause)
    pill = women["oral_contraceptive"].cat.codes.to_numpy()
    alcohol = women["alcohol_g_per_day"].to_numpy()
    relatives = women["first_degree_relatives"].to_numpy()
    current = (women["hrt_use"] == "current").to_numpy()
    estrogen = current & (women["hrt_type"] == "estrogen").to_numpy()

    effect = np.empty(len(age))
    for name, rows in (("lt50", age < _SPLIT_AGE), ("ge50", age >= _SPLIT_AGE)):
        levels, linear = submodels[name]["factors"], submodels[name]["linear"]
        menarche_effects = levels["age_at_menarche"]
        total = _banded(
            number["age_menarche"][rows],
            [11, 12, 13, 14, 15, 16],
            [menarche_effects[k] for k in ("<=10", "11", "12", "13", "14", "15", ">=16")],
        )
        total += _banded(number["parity"][rows], [1, 2, 3], list(levels["parity"].values()))
        total += _banded(birth[rows], [20, 25, 30], list(levels["age_first_birth"].values()))
        # Any alcohol is above the first cut point.
        edges = [1e-9, 5, 15, 25, 35, 45]
        total += _banded(alcohol[rows], edges, list(levels["alcohol_intake"].values()))
        total += linear["height"] * number["height_cm"][rows] / 10
        total += linear["oc_ever"] * (pill[rows] > 0)
        total += linear["bbd"] * women["benign_breast_disease"].to_numpy()[rows]
        total += linear["famhist"] * (relatives[rows] > 0)
        bmi_effects = levels["bmi_curc"]
        if name == "lt50":
            order = ("<18.5", "18.5-25", "25-30", ">=30")
            total += _banded(bmi[rows], [18.5, 25, 30], [bmi_effects[k] for k in order])
            total += linear["oc_current"] * (pill[rows] == 2)
        else:
            menopause_effects = levels["age_at_menopause"]
            total += _banded(
                menopause[rows],
                [40, 45, 50, 55],
                [menopause_effects[k] for k in ("<40", "40-45", "45-50", "50-55", ">=55")],
            )
            both = submodels[name]["interactions"]
            user, single = both["hrt:bmi_curc"], both["hrt_type:bmi_curc"]
            total += _banded(bmi[rows], [25, 30], list(bmi_effects.values()))
            total += current[rows] * (
                levels["hrt"]["current"]
                + _banded(bmi[rows], [25, 30], [0.0, user["current:25-30"], user["current:>=30"]])
            )
            total += estrogen[rows] * (
                linear["hrt_type"]
                + _banded(bmi[rows], [25, 30], [0.0, single["1:25-30"], single["1:>=30"]])
            )
        effect[rows] = total
    effect += _SECOND_RELATIVE * (relatives > 1)
    return np.asarray(effect + _ATYPIA * women["atypical_hyperplasia"].to_numpy())


def _banded(values: Floats, edges: list[float], effects: list[float]) -> Floats:
    """Return the effect of the band of each value. Bands include their lower limit."""
    return np.asarray(effects)[np.searchsorted(edges, values, side="right")]
