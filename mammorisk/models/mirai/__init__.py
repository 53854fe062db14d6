"""Mirai: conversion of its published snapshots, and the model.

:mod:`mammorisk.models.mirai.restricted_unpickler` is the only module of the package that reads a
pickle. It runs in a child process that :mod:`mammorisk.models.mirai.convert` starts.
"""
