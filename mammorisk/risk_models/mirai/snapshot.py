"""Extraction of arrays and metadata from a snapshot of Mirai.

``convert`` runs this module in a child process:

    python -m mammorisk.risk_models.mirai.snapshot FILE OUT

writes ``OUT.npz`` and ``OUT.json``.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from mammorisk._utils.snapshots.child import run
from mammorisk._utils.snapshots.restricted_unpickler import Damaged, Stub, Tensor


def root_module(whole: Any) -> Stub:
    """Return the network of a snapshot: the object, its item "model", or that of DataParallel."""
    if isinstance(whole, dict):
        whole = whole.get("model")
    while isinstance(whole, Stub) and whole.path.endswith(".DataParallel"):
        whole = whole.__dict__.get("_modules", {}).get("module")
    if not isinstance(whole, Stub) or "_modules" not in whole.__dict__:
        raise Damaged("the file contains no network")
    return whole


def state_of(module: Stub, prefix: str = "") -> dict[str, np.ndarray]:
    """Return the parameters and buffers of a network by name."""
    found: dict[str, np.ndarray] = {}
    for kind in ("_parameters", "_buffers"):
        for name, value in (module.__dict__.get(kind) or {}).items():
            if isinstance(value, Tensor):
                found[f"{prefix}{name}"] = value.array()
    for name, child in (module.__dict__.get("_modules") or {}).items():
        if isinstance(child, Stub):
            found |= state_of(child, f"{prefix}{name}.")
    return found


#: Arguments of the training run to keep. Others may contain names of people and places.
KEPT_ARGUMENTS = (
    *("transfomer_hidden_dim", "num_heads", "num_layers", "pool_name", "max_followup"),
    *("precomputed_hidden_dim", "img_only_dim", "use_pred_risk_factors_at_test"),
    *("use_pred_risk_factors_if_unk", "pred_both_sides", "make_probs_indep", "dropout"),
    "risk_factor_keys",
)


def arguments_of(module: Stub) -> dict[str, Any]:
    """Return the arguments to keep, if the network has them."""
    for one in _walk(module):
        arguments = one.__dict__.get("args")
        if isinstance(arguments, Stub):
            return {
                name: value
                for name in KEPT_ARGUMENTS
                if _is_plain(value := arguments.__dict__.get(name))
            }
    return {}


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(one, str) for one in value)
    return isinstance(value, (int, float, str))


def _walk(module: Stub) -> list[Stub]:
    found = [module]
    for child in (module.__dict__.get("_modules") or {}).values():
        if isinstance(child, Stub):
            found += _walk(child)
    return found


def describe(whole: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return arrays and metadata of a snapshot: a network, or the calibrators by year."""
    if isinstance(whole, dict) and whole and all(isinstance(key, int) for key in whole):
        return {}, {"kind": "calibrator", "years": calibrators(whole)}
    root = root_module(whole)
    children = root.__dict__["_modules"]
    pool = children.get("pool")
    inner = pool.__dict__["_modules"].get("internal_pool") if isinstance(pool, Stub) else None
    facts = {
        "kind": "network",
        "class": root.path,
        "arguments": arguments_of(root),
        "has_relu": "relu" in children,
        "pool": None if inner is None else inner.path.rsplit(".", 1)[-1],
    }
    return state_of(root), facts


def calibrators(whole: dict[int, Any]) -> dict[str, dict[str, float]]:
    """Return slope and intercept on the raw probability by year.

    Two kinds of calibrator are supported: an object with four numbers, and scikit-learn's
    CalibratedClassifierCV of a logistic regression.
    """
    found = {}
    for year, one in sorted(whole.items()):
        if not isinstance(one, Stub):
            raise Damaged("a calibrator is of an unknown kind")
        slope, intercept = _numbers_of(one) if "sklearn" not in one.path else _of_sklearn(one)
        found[str(year + 1)] = {"slope": slope, "intercept": intercept}
    return found


def _numbers_of(one: Stub) -> tuple[float, float]:
    """p = 1 / (1 + exp(calibrator_slope (base_slope x + base_offset) + calibrator_offset))."""
    names = (
        *("base_estimator_slope", "base_estimator_offset"),
        *("calibrator_slope", "calibrator_offset"),
    )
    try:
        base, shift, scale, offset = (_number(one.__dict__[name]) for name in names)
    except KeyError as error:
        raise Damaged(f"a calibrator has no {error}") from None
    return -scale * base, -(scale * shift + offset)


def _number(value: object) -> float:
    return float(np.asarray(value, dtype=float).reshape(-1)[0])


def _of_sklearn(one: Stub) -> tuple[float, float]:
    inner = one.__dict__.get("calibrated_classifiers_")
    first = inner[0] if isinstance(inner, list) and inner else one
    base = first.__dict__.get("base_estimator", first.__dict__.get("estimator"))
    fitted = first.__dict__.get("calibrators_", first.__dict__.get("calibrators"))
    if not isinstance(base, Stub) or not fitted:
        raise Damaged("a calibrator of scikit-learn is incomplete")
    sigmoid = fitted[0].__dict__
    coef, shift = _number(base.__dict__["coef_"]), _number(base.__dict__["intercept_"])
    scale, offset = _number(sigmoid["a_"]), _number(sigmoid["b_"])
    return -scale * coef, -(scale * shift + offset)


if __name__ == "__main__":
    sys.exit(run(describe))
