"""Mirai: conversion of its published snapshots, and the model."""
