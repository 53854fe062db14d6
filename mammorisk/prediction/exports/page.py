"""A result as an HTML page in one file."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from mammorisk._utils.page import Section, html_page
from mammorisk.prediction.exports.content import model_words, outcome_words, stated_risks
from mammorisk.prediction.findings_html import findings_html
from mammorisk.prediction.prediction_html import prediction_html

#: Shown where there is no risk.
NO_RISK = "There is no risk for this exam. The reason:"


def result_page(result: Mapping[str, Any], picture: str = "") -> str:
    """Return the page of a result. Without a risk it has the reason, and no risk of any model.

    Parameters
    ----------
    result : mapping
        As :meth:`mammorisk.Prediction.to_dict` returns it.
    picture : str
        HTML of the picture of the findings.
    """
    findings = result["findings"]
    has_risk = bool(stated_risks(result))
    lead = f"<p>Risk of {escape(outcome_words(result))}. {escape(model_words(result))}</p>"
    return html_page(
        "Breast cancer risk",
        [
            Section(
                key="risk",
                title="Absolute risk",
                parts=[
                    "" if has_risk else f"<p><b>{NO_RISK}</b></p>",
                    prediction_html(result, baselines=has_risk, findings=False),
                ],
            ),
            Section(
                key="findings",
                title="Findings for review",
                parts=[] if findings is None else [picture, findings_html(findings)],
            ),
            Section(key="provenance", title="Provenance", parts=[_provenance(result)]),
        ],
        lead=lead,
        links=False,
    )


def _provenance(result: Mapping[str, Any]) -> str:
    provenance = result["provenance"]
    told = {
        "key": result["key"],
        "computed": result["created_utc"],
        "software": provenance["software"],
        "calibration": provenance["calibration"],
        "backend": provenance["backend"],
        **{f"SHA-256 of {name}": value for name, value in provenance["sha256"].items()},
        "source": provenance["source"],
        "training data": provenance["training_data"],
    }
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td style='overflow-wrap:anywhere'>{escape(str(value))}</td>"
        "</tr>"
        for name, value in told.items()
        if value is not None
    )
    return f"<table>{rows}</table>"
