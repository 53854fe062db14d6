"""Generated women, for properties that hold for every model."""

from __future__ import annotations

import pandas as pd
from hypothesis import strategies as st

from mammorisk.records.questionnaire_fields import BOOLEANS, CATEGORIES, NUMBERS
from mammorisk.records.questionnaire_table import check_frame


@st.composite
def women(draw: st.DrawFn, low: float = 20, high: float = 90) -> dict[str, object]:
    """A woman without contradictions: what would contradict an earlier answer is left out."""
    ranges: dict[str, st.SearchStrategy[object]] = {
        field: st.integers(int(first), int(last)) if whole else st.floats(first, last)
        for field, (first, last, whole) in NUMBERS.items()
    }
    fields = ranges | {f: st.sampled_from(values) for f, values in CATEGORIES.items()}
    fields |= {f: st.booleans() for f in BOOLEANS if f != "prior_breast_cancer"}
    fields["onset_mother"] = st.lists(st.floats(15, 90), max_size=2)
    fields["onset_maternal_aunts"] = st.lists(st.floats(15, 90), max_size=3)
    fields["brca"] = st.just("negative")
    age = st.one_of(st.integers(int(low), int(high)), st.floats(low, high))
    del fields["age"]
    woman = draw(st.fixed_dictionaries({"age": age}, optional=fields))
    while True:
        _, problems = check_frame(pd.DataFrame([woman]))
        if not problems.iloc[0]:
            return woman
        first = problems.iloc[0][0]
        dropped = [field for field in woman if field in first and field != "age"]
        del woman[dropped[-1]]
