"""Mirai: conversion of its published snapshots, and the model.

Only the module ``restricted_unpickler`` reads pickles. It runs in a child process that ``convert``
starts.
"""
