"""Mammo-CLIP: conversion of its published checkpoints, and the preprocessing of its encoder."""
