"""Surveillance policies as data, and their application to predicted risks. Not care advice.

The functions work on tables, so that they accept the risks of any model.
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
