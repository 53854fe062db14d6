"""Change record of a recalibration: what, by which protocol, before and after, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mammorisk._utils.digests import config_digest, json_digest
from mammorisk._utils.model_folder import weights_digest
from mammorisk._utils.utc_time import utc_now, utc_text
from mammorisk._version import __version__
from mammorisk.base import RiskModel
from mammorisk.errors import ServiceError
from mammorisk.monitoring.change_protocol import ChangeProtocol, PassRule
from mammorisk.records.cohort import Cohort
from mammorisk.risk_models.recalibrated import RecalibratedModel
from mammorisk.risk_models.registry import load_model
from mammorisk.service.event_log import Event, append_event, read_events
from mammorisk.training.recalibrate import recalibrate

#: Events of a protocol that is fixed, and of a change that was made by it or refused.
FIXED_EVENT, CHANGE_EVENT = "protocol fixed", "change"
_AFTER = "after, cross-validated"


@dataclass(frozen=True, kw_only=True)
class Change:
    """A recalibration that was made by a protocol.

    Attributes
    ----------
    model : RecalibratedModel
    record : dict
        The change record, plain JSON types.
    """

    model: RecalibratedModel
    record: Mapping[str, Any] = field(repr=False)

    @property
    def has_passed(self) -> bool:
        """Whether there are enough cancers and every rule holds."""
        return bool(self.record["passed"])


def fix_protocol(queue: Path, protocol: ChangeProtocol) -> str:
    """Write a protocol into the event log, before the recalibration. Return its digest.

    Parameters
    ----------
    queue : Path
        Folder of the queue of the service.
    protocol : ChangeProtocol

    Raises
    ------
    ServiceError
        It is fixed already, or the log cannot be used.
    """
    if _fixed(read_events(queue), protocol) is not None:
        raise ServiceError(
            "this protocol is fixed already",
            where=FIXED_EVENT,
            remedy="Run the recalibration, or change the protocol.",
        )
    detail = {"sha256": protocol.sha256, "protocol": protocol.model_dump(mode="json")}
    append_event(queue, "", FIXED_EVENT, detail)
    return protocol.sha256


def recalibrate_by(queue: Path, protocol: ChangeProtocol, cohort: Cohort) -> Change:
    """Recalibrate a model by a protocol that was fixed before. The event log keeps the decision.

    Parameters
    ----------
    queue : Path
        Folder of the queue of the service.
    protocol : ChangeProtocol
    cohort : Cohort
        Women with outcomes.

    Raises
    ------
    ServiceError
        The protocol is not in the event log: it was not fixed, or was changed since.
    TrainingError
        The model cannot be recalibrated on this cohort.
    """
    events = read_events(queue)
    fixed = _fixed(events, protocol)
    if fixed is None:
        raise ServiceError(
            "the protocol was not fixed, or was changed since",
            where=FIXED_EVENT,
            remedy="Fix it first: mammorisk recalibrate ... --fix-protocol.",
        )
    before = load_model(protocol.model)
    after = recalibrate(
        before, cohort, method=protocol.method, horizons=protocol.horizons, seed=protocol.seed
    )
    record = _record(protocol, fixed, before, after)
    record["earlier_changes"] = sum(one.event == CHANGE_EVENT for one in events)
    record["protocols_fixed"] = sum(one.event == FIXED_EVENT for one in events)
    told = {"protocol": protocol.sha256, "passed": record["passed"], "record": json_digest(record)}
    append_event(queue, "", CHANGE_EVENT, told)
    return Change(model=after, record=record)


def _fixed(events: list[Event], protocol: ChangeProtocol) -> Event | None:
    wanted = protocol.sha256
    return next(
        (e for e in events if e.event == FIXED_EVENT and e.detail["sha256"] == wanted), None
    )


def _record(
    protocol: ChangeProtocol, fixed: Event, before: RiskModel, after: RecalibratedModel
) -> dict[str, Any]:
    rows = after.record["calibration"]
    cancers = int(after.record["cancers"])
    rules = [_judged(rule, rows) for rule in protocol.rules]
    enough = cancers >= protocol.fewest_cancers
    return {
        "title": protocol.title,
        "reason": protocol.reason,
        "created_utc": utc_now(),
        "software": f"mammorisk {__version__}",
        "model": protocol.model,
        "method": after.record["method"],
        "chosen_by": after.record["rule"],
        "maps": {f"{horizon:g}": one.to_dict() for horizon, one in after.maps.items()},
        "digests": {"before": _digests(before), "after": _digests(after)},
        "protocol": protocol.model_dump(mode="json"),
        "protocol_sha256": protocol.sha256,
        "protocol_fixed_utc": utc_text(fixed.at),
        "exams": int(after.record["exams"]),
        "exams_without_risk": int(after.record["exams_without_risk"]),
        "cancers": cancers,
        "enough_cancers": enough,
        "performance": rows,
        "rules": rules,
        "passed": enough and all(one["passed"] for one in rules),
    }


def _judged(rule: PassRule, rows: list[dict[str, Any]]) -> dict[str, Any]:
    value = next(
        (
            row["value"]
            for row in rows
            if (row["stage"], row["measure"], row["horizon"])
            == (_AFTER, rule.measure, rule.horizon)
        ),
        None,
    )
    low, high = rule.lower, rule.upper
    # A value that is not known passes nothing.
    passed = value is not None and (low is None or value >= low) and (high is None or value <= high)
    return {**rule.model_dump(), "value": value, "passed": passed}


def _digests(model: RiskModel) -> dict[str, str | None]:
    state = model.state()
    return {
        "weights": weights_digest(state),
        "config": config_digest(state),
        "calibration": model.calibration_id,
    }
