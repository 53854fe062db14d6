"""Measures of predicted risk against outcomes, each with a standard error and an interval.

Every measure takes an :class:`~mammorisk.records.outcome.Outcome` and the scores of any model, so
that it also works for other models. Names are imported when first used.
"""

import lazy_loader

# The names and their files are listed in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
