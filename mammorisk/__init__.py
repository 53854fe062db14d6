"""Breast cancer risk from mammograms and what the clinic already knows.

Research software, not a medical device. Names are imported when first used, so that
``import mammorisk`` stays quick and the published models never load torch.
"""

import lazy_loader

from mammorisk._version import __version__

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = [*_names, "__version__"]
