"""Public cohorts, each read in one call, with reasons for every row that is left out.

An adapter never downloads anything. It reads the folder of a release that you have obtained under
the terms of its owner. Names are imported when first used.
"""

import lazy_loader

# The names and their files are listed in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
