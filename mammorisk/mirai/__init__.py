"""Mirai's published snapshots: read safely, converted once, never unpickled again.

:mod:`mammorisk.mirai.inert_pickle` is the one module of the package that reads a pickle, in a child
process that :mod:`mammorisk.mirai.convert` starts.
"""
