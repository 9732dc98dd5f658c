"""View synthesis: a scene is learned from the colours of rays through the pixels of images."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mlp_lab.images.similarity import psnr
from mlp_lab.nn.operators.volume_rendering import volume_rendering
from mlp_lab.tasks.base import Task


class ViewSynthesis(Task):
    """Learn the colours and densities of a scene (Mildenhall et al. 2020; Tancik et al. 2020).

    The network has four outputs for each point of a ray. The sigmoids of three are its colour, and
    ``density`` maps the fourth to its density. The colour of the ray is the integral over its
    points on a white background (``nn.operators.volume_rendering``); the loss is its squared error.

    Metrics are ``squared_error`` and, in dB, the peak signal-to-noise ratio ``psnr``, of all pixels
    of a split.

    Shapes: outputs ``[rays, samples, 4]``, targets ``[rays, 3 + samples + 1]``, see
    ``data.views.Views``.

    Args:
        density: name of the function from outputs to densities: ``relu`` as in both papers, or
            ``softplus``.
        task: arguments of ``Task``.
    """

    target_kind = "views"
    metrics = ("squared_error", "psnr")
    unstackable_reason = "an example is all points of a ray"
    in_parts = True

    def __init__(self, *, density: str, **task: Any) -> None:
        super().__init__(**task)
        self._density_of = DENSITIES[density]

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return self._error(output, target).square().mean()

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"squared_error": self._error(output, target).square().mean(1)}

    def derived(self, means: Mapping[str, float]) -> dict[str, float]:
        return {"psnr": psnr(means["squared_error"])}

    def predictions(self, output: Tensor) -> Tensor:
        """Return colours and densities, ``[..., 4]``, given outputs of the same shape."""
        return torch.cat([output[..., :3].sigmoid(), self._density_of(output[..., 3:])], -1)

    def _error(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the errors of the colours of rays, ``[rays, 3]``."""
        colours, distances = target[:, :3], target[:, 3:]
        medium = self.predictions(output).to(target.dtype)
        return volume_rendering(medium[..., :3], medium[..., 3], distances).colours - colours


#: Functions from outputs to densities.
DENSITIES: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "softplus": F.softplus}
