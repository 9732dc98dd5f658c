"""Render the image that a network represents, at any resolution."""

import torch
from torch import Tensor

from mlp_lab.data.image import axis, grid
from mlp_lab.tasks.base import Task

_MAX_POINTS = 2**14  # at a time: with 512 features each, 32 MiB

Region = tuple[float, float, float, float]


@torch.no_grad()
def render(task: Task, width: int, height: int, region: Region = (0.0, 0.0, 1.0, 1.0)) -> Tensor:
    """Return the predictions at a grid of points, float32 ``[height, width, channels]`` on the CPU.

    The task's training or evaluation mode does not change.

    Args:
        task: task of a run whose inputs are image coordinates.
        width: number of points in a row.
        height: number of rows.
        region: left, top, right and bottom of the region. The image is [0, 1) in both directions,
            x to the right and y downwards; the region may extend beyond it.
    """
    left, top, right, bottom = region
    like = next(task.network.parameters())
    x, y = axis(width, left, right), axis(height, top, bottom)
    training = task.training
    task.eval()
    rows = [
        task.predictions(task(grid(x, part).to(like))) for part in y.split(-(-_MAX_POINTS // width))
    ]
    task.train(training)
    return torch.cat([part.float().cpu() for part in rows]).view(height, width, -1)
