"""list(): all public cohorts as a table."""

from __future__ import annotations

import pandas as pd

from mammorisk.datasets.layout import layout_names, load_layout


def list() -> pd.DataFrame:
    """List the public cohorts that can be read.

    Returns
    -------
    DataFrame
        One row for each cohort, indexed by ``name``: ``title``, ``women``, ``exams``, ``images``,
        ``outcome``, ``follow_up``, ``density``, ``acquisition``, ``images_are``, ``splits``,
        ``licence``, ``terms``, ``download``, ``doi``, ``version``, ``not_verified`` (statements
        that the adapter relies on and that were not checked) and ``assumptions``.

    See Also
    --------
    mammorisk.datasets.DatasetCard : The same for one cohort.

    Examples
    --------
    >>> import mammorisk as mr
    >>> table = mr.datasets.list()
    >>> table.loc[table["outcome"] == "survival", ["women", "outcome"]]
            women   outcome
    name
    embed   22382  survival
    omi_db   <NA>  survival
    """
    rows = []
    for name in layout_names():
        card = load_layout(name).card
        rows.append(
            {
                "name": card.name,
                "title": card.title,
                "women": card.women,
                "exams": card.exams,
                "images": card.images,
                "outcome": card.outcome,
                "follow_up": card.follow_up,
                "density": card.density,
                "acquisition": card.acquisition,
                "images_are": card.images_are,
                "splits": card.splits,
                "licence": card.licence,
                "terms": card.terms,
                "download": card.download,
                "doi": card.doi,
                "version": card.version,
                "not_verified": "; ".join(
                    fact.says for fact in card.facts if fact.verified == "not verified"
                ),
                "assumptions": " ".join(card.assumptions),
            }
        )
    table = pd.DataFrame(rows).set_index("name")
    sizes = ["women", "exams", "images"]
    return table.assign(**{name: table[name].astype("Int64") for name in sizes})
