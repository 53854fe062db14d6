"""Measures of predicted risk against outcomes: one estimand a file, with error and interval.

Every measure takes an :class:`~mammorisk.records.outcome.Outcome` and the scores of any model, so
that it also serves models from elsewhere. Names are imported when first used.
"""

import lazy_loader

# The names and their files are listed in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
