"""Page of a change record."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from mammorisk._utils.page import Section, html_page
from mammorisk.evaluation.table_text import as_html


def record_page(record: Mapping[str, Any]) -> str:
    """Return the page of a change record.

    Parameters
    ----------
    record : mapping
        :attr:`Change.record`.
    """
    passed = record["passed"]
    lead = (
        f"<p><b>{'Passed' if passed else 'Not passed: the model must not be used'}</b>. "
        f"{escape(record['reason'])}</p>"
    )
    performance = pd.DataFrame(record["performance"])
    shown = performance[["horizon", "measure", "stage", "value", "lower", "upper", "events"]]
    rules = [
        {
            "rule": f"{one['measure']} at {one['horizon']:g} years, after",
            "limits": " to ".join(
                "" if limit is None else f"{limit:g}" for limit in (one["lower"], one["upper"])
            ),
            "value": "not known" if one["value"] is None else f"{one['value']:.4g}",
            "passed": "yes" if one["passed"] else "NO",
        }
        for one in record["rules"]
    ]
    rules.append(
        {
            "rule": "cancers of the cohort",
            "limits": f"from {record['protocol']['fewest_cancers']}",
            "value": str(record["cancers"]),
            "passed": "yes" if record["enough_cancers"] else "NO",
        }
    )
    facts = {
        "model": record["model"],
        "method": f"{record['method']} ({record['chosen_by']})",
        "protocol fixed (UTC)": record["protocol_fixed_utc"],
        "recalibrated (UTC)": record["created_utc"],
        "protocols fixed in the log, with this one": record["protocols_fixed"],
        "changes in the log before": record["earlier_changes"],
        "exams": f"{record['exams']:,}, and {record['exams_without_risk']:,} without a risk",
        "software": record["software"],
        "SHA-256 of the protocol": record["protocol_sha256"],
        **{
            f"{name}, {stage}": record["digests"][stage][name]
            for stage in ("before", "after")
            for name in ("weights", "config", "calibration")
        },
    }
    table = pd.DataFrame(
        [{"what": name, "value": str(v)} for name, v in facts.items() if v is not None]
    )
    sections = [
        Section(key="rules", title="Rules", parts=[as_html(pd.DataFrame(rules))]),
        Section(key="performance", title="Before and after", parts=[as_html(shown)]),
        Section(key="what", title="What was changed", parts=[as_html(table)]),
    ]
    return html_page(f"Change record: {record['title']}", sections, lead=lead)
