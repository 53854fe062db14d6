"""Named checks of the scripts ``check_*.py``, which end with an error if one fails."""

from __future__ import annotations

failures: list[str] = []


def check(name: str, passed: bool, told: str = "") -> None:
    """Print a line for a check, and remember a failure."""
    print(f"{'ok    ' if passed else 'FAILED'} {name}{': ' + told if told else ''}", flush=True)
    if not passed:
        failures.append(name)
