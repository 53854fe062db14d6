"""Running networks: backends of encoders, and work distributed over machines."""

from mammorisk._utils.optional import NETWORKS, require

require("torch", NETWORKS, what="mammorisk.runtime")
