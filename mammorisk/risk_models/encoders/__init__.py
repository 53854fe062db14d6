"""Encoders of views by name, each with its preprocessing."""

import lazy_loader

# The names and their files are listed in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
