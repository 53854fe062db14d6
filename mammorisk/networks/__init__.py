"""Torch modules, without files and training."""

from mammorisk._utils.optional import NETWORKS, require

require("torch", NETWORKS, what="mammorisk.networks")
