"""What a network that knows a picture shows of it, anywhere and in any resolution."""

import torch
from torch import Tensor

from mlp_lab.data.image import axis, grid
from mlp_lab.tasks.regression import Regression

_AT_ONCE = 2**14  # points: with 512 features each, 32 MiB

Region = tuple[float, float, float, float]


@torch.no_grad()
def render(
    task: Regression, width: int, height: int, region: Region = (0.0, 0.0, 1.0, 1.0)
) -> Tensor:
    """The values at a grid of points: float32 ``[height, width, channels]``, in main memory.

    The task is left in the mode, training or evaluation, in which it is.

    Args:
        task: of a run with ``data=image``.
        width: points in a row.
        height: rows.
        region: left, top, right and bottom of what is shown. The picture lies in [0, 1) both ways,
            x to the right and y downwards; what lies outside is what the network makes of it.
    """
    left, top, right, bottom = region
    like = next(task.network.parameters())
    x, y = axis(width, left, right), axis(height, top, bottom)
    training = task.training
    task.eval()
    rows = [task.values(task(grid(x, some).to(like))) for some in y.split(-(-_AT_ONCE // width))]
    task.train(training)
    return torch.cat([part.float().cpu() for part in rows]).view(height, width, -1)
