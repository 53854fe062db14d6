"""How networks are run: backends of encoders, and work spread over machines."""

from mammorisk._utils.optional import NETWORKS, require

require("torch", NETWORKS, what="mammorisk.runtime")
