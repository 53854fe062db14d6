"""Surveillance policies as data: what each would do for a woman with a predicted risk.

Knows tables only, so that it serves any model's risks. Not care advice.
"""

from mammorisk.policy.compare import PolicyComparison, compare_policies
from mammorisk.policy.library import load_policy, policies, thresholds
from mammorisk.policy.policy import Policy
from mammorisk.policy.stratify import stratify

__all__ = [
    "Policy",
    "PolicyComparison",
    "compare_policies",
    "load_policy",
    "policies",
    "stratify",
    "thresholds",
]
