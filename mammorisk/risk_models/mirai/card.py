"""The card of Mirai, in its own file so that a list of models does not load networks."""

from __future__ import annotations

from mammorisk.base import ModelCard

CARD = ModelCard(
    name="mirai",
    title="Mirai (weights converted from the published snapshots)",
    family="image",
    inputs=(
        *("images", "age", "breast_density", "first_degree_relatives", "lcis"),
        *("atypical_hyperplasia", "age_menarche", "age_menopause", "age_first_birth", "parity"),
        *("prior_breast_cancer", "race_ethnicity", "menopausal_status", "weight_kg", "height_cm"),
        *("ovarian_cancer", "ashkenazi", "brca", "hrt_use", "hrt_type", "biopsies"),
        *("benign_breast_disease", "onset_mother", "onset_daughters", "onset_full_sisters"),
        *("onset_maternal_aunts", "onset_paternal_aunts", "onset_maternal_grandmother"),
        *("onset_paternal_grandmother", "onset_maternal_half_sisters"),
        "onset_paternal_half_sisters",
    ),
    required=("images",),
    outcome="invasive or in situ",
    ages=(20, 100),
    horizons="1, 2, 3, 4, 5 years",
    competing_mortality=False,
    training_data="Mammograms of Massachusetts General Hospital, 2009-2016 (Yala 2021)",
    source="doi:10.1126/scitranslmed.aba4373; weights of reginabarzilaygroup/Mirai",
    licence="MIT (MIT and MGH)",
    intended_use="Research: comparison with other models. Not for care.",
    limits=(
        "Hologic systems, for-presentation views; reported to overestimate (Kaul 2026, doi "
        "10.1093/jnci/djag083); calibrated risks have a floor and a cap"
    ),
)
