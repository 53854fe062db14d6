"""Event logs of a service with made exams, for tests, benchmarks and the picture of the docs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from mammorisk.service.event_log import DATABASE, EVENT_TABLE, add_event

DAY_S = 86_400.0
#: A day in January 2027.
START = 1_800_000_000.0
HOLOGIC = {"manufacturer": "hologic", "device_model": "Selenia Dimensions", "software": "1.9.3"}
PRISTINA = {"manufacturer": "ge", "device_model": "Senographe Pristina", "software": "4.0"}


def made_facts(rng: np.random.Generator, n: int, **changes: Any) -> list[dict[str, Any]]:
    """Facts of exams as :func:`mammorisk.service.exam_facts.exam_facts` gives them.

    Parameters
    ----------
    rng : Generator
    n : int
    **changes
        Values that replace those that are drawn, or functions of them.
    """
    made = []
    for _ in range(n):
        thickness = float(np.clip(rng.normal(58, 13), 20, 110))
        age = int(rng.integers(45, 75))
        average = float(np.log(0.00028 * age))
        facts: dict[str, Any] = {
            **HOLOGIC,
            "model_version": "1a2b3c4d",
            "log_risk": average + float(rng.normal(0.05, 0.43)),
            "log_average_risk": average,
            "density": str(rng.choice(list("abcd"), p=[0.1, 0.4, 0.4, 0.1])),
            "percent_density": float(rng.gamma(2.0, 9.0)),
            "refusals": [],
            "outside_domain": bool(rng.random() < 0.01),
            "images_used": True,
            "guard_distance": float(rng.chisquare(20)),
            "guard_limit": 60.0,
            "known": ["age", "race_ethnicity", "parity"],
            "questionnaire_age": age,
            "header_age": age,
            "thickness_mm": thickness,
            "kvp": float(round(26 + (thickness - 40) / 12)),
            "glandular_dose_mgy": float(np.exp(0.012 * thickness + rng.normal(-0.2, 0.2))),
            "force": float(np.clip(rng.normal(105, 25), 20, 220)),
            "anode_filter": "tungsten/silver" if thickness > 70 else "tungsten/rhodium",
        }
        for name, value in changes.items():
            facts[name] = value(facts[name]) if callable(value) else value
        facts["risk"] = {"5": float(np.exp(facts["log_risk"]))}
        made.append(facts)
    return made


def canary(risk: float = 0.016, **changes: Any) -> dict[str, Any]:
    """What the log keeps of a run of the canary."""
    recorded = {"model": "hybrid", "software": "mammorisk 0.1", "libraries": {"numpy": "2.2"}}
    return {"risk": {"5": risk}, **recorded, **changes}


def write_log(
    folder: Path,
    exams: Iterable[dict[str, Any] | None],
    *,
    a_day: int = 20,
    canaries: Iterable[dict[str, Any]] = (),
) -> Path:
    """Write the log of a queue.

    Parameters
    ----------
    folder : Path
    exams : iterable of dict or None
        Facts of each exam; None for one that failed.
    a_day : int
        Exams a day.
    canaries : iterable of dict
        Runs of the canary on the first days.
    """
    folder.mkdir(parents=True)
    database = sqlite3.connect(folder / DATABASE, isolation_level=None)
    database.executescript(EVENT_TABLE)
    database.execute("BEGIN")
    for day, detail in enumerate(canaries):
        add_event(database, START + DAY_S * day, "", "canary", detail)
    for i, facts in enumerate(exams):
        at, job = START + DAY_S * (i // a_day) + 60.0 * (i % a_day), f"job{i}"
        add_event(database, at, job, "added", {"exam": f"exam{i}", "images": 4})
        if facts is None:
            add_event(database, at, job, "failed", {"reason": "NoImages: no images", "tries": 3})
        else:
            detail = {"status": "done", "key": job, "model": "hybrid", "facts": facts}
            add_event(database, at, job, "done", detail)
    database.execute("COMMIT")
    database.close()
    return folder
