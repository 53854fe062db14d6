"""Simulation of a screening study: women, their true risks and their exams."""

import lazy_loader

# Lazy, so that the command line can read the options of a study without importing pandas.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
