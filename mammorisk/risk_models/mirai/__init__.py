"""Mirai: conversion of its published snapshots, and the model.

The module ``restricted_unpickler`` is the only one of the package that reads a pickle. It runs in a
child process that ``convert`` starts.
"""
