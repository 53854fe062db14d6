"""Torch modules: no files, no training."""

from mammorisk._utils.optional import NETWORKS, require

require("torch", NETWORKS, what="mammorisk.networks")
