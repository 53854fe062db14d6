"""Groups of the layers of an encoder, from the input to the output."""

from __future__ import annotations

from torch import nn

from mammorisk.networks.encoders import Compact
from mammorisk.networks.statistics_pooling import StatisticsPooling


def layer_groups(encoder: nn.Module) -> list[list[str]]:
    """Names of the parameters of each group of layers, from the input to the output.

    Parameters
    ----------
    encoder : Module
        A model of timm (the stem, then its stages), or the compact network (its convolutions),
        with any pooling. Other modules are one group.

    Returns
    -------
    list of list of str

    Examples
    --------
    >>> from mammorisk.networks.encoders import Compact
    >>> from mammorisk.networks.layer_groups import layer_groups
    >>> len(layer_groups(Compact()))
    7
    """
    if isinstance(encoder, StatisticsPooling):
        return [[f"network.{name}" for name in group] for group in layer_groups(encoder.network)]
    names = [name for name, _ in encoder.named_parameters()]
    if isinstance(encoder, Compact):
        # Convolution, normalisation and activation are one group.
        number = {name: int(name.split(".")[1]) // 3 for name in names}
    elif hasattr(encoder, "group_matcher"):
        from timm.models import group_parameters

        matcher = encoder.group_matcher(coarse=True)  # type: ignore[operator]
        number = group_parameters(encoder, matcher, reverse=True)
    else:
        number = dict.fromkeys(names, 0)
    groups: dict[int, list[str]] = {}
    for name in names:
        groups.setdefault(number[name], []).append(name)
    return [groups[key] for key in sorted(groups)]
