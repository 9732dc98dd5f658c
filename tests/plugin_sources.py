"""The source of a small plug-in, and configs with its classes."""

from typing import Any

from helpers import composed
from omegaconf import DictConfig, OmegaConf

#: A module that registers a network.
SMALL = """\
from typing import Annotated

import mlp_lab
from torch import nn


@mlp_lab.register("network")
class Small(nn.Sequential):
    def __init__(
        self, in_features: int, out_features: int, *, size: Annotated[int, mlp_lab.Range(1)]
    ) -> None:
        layers = nn.Linear(in_features, size), nn.ReLU(), nn.Linear(size, out_features)
        super().__init__(*layers)
"""


def plain_config(**groups: Any) -> DictConfig:
    """Return an unchecked config of a run on points, with other values of top-level keys."""
    plain = OmegaConf.to_container(composed("experiment=points_mlp", "callbacks=none"))
    assert isinstance(plain, dict)
    return OmegaConf.create(plain | groups)
