"""Render the image, the surface or the scene that a network represents, at any resolution."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mlp_lab.data.datamodule import DataModule
from mlp_lab.data.image import axis, grid
from mlp_lab.data.ray_samples import RaySamples
from mlp_lab.data.scenes.camera import Camera
from mlp_lab.data.section import Section
from mlp_lab.data.solids.triangles import Triangles, isosurface
from mlp_lab.data.views import views_of
from mlp_lab.nn.operators.volume_rendering import Rendering, volume_rendering
from mlp_lab.tasks.base import Task

_MAX_POINTS = 2**14  # at a time: with 512 features each, 32 MiB
_SMALLEST_PROBABILITY = 1e-6  # whose logit is finite in single precision

Region = tuple[float, float, float, float]


def target_picture(task: Task, data: DataModule) -> Tensor:
    """Return ``data.target_image`` as the network represents it, on the CPU.

    The data have a target image.
    """
    assert data.target_image is not None
    height, width, _ = data.target_image.shape
    if data.camera is None:
        return render(task, width, height, section=data.section)
    return view(task, data.camera, views_of(data).samples, width, height).colours


def render(
    task: Task,
    width: int,
    height: int,
    region: Region = (0.0, 0.0, 1.0, 1.0),
    section: Section | None = None,
) -> Tensor:
    """Return the predictions at a grid of points, float32 ``[height, width, channels]`` on the CPU.

    The task's training or evaluation mode does not change.

    Args:
        task: task of a run whose inputs are image coordinates.
        width: number of points in a row.
        height: number of rows.
        region: left, top, right and bottom of the region. The image is [0, 1) in both directions,
            x to the right and y downwards; the region may extend beyond it.
        section: plane of the image, for inputs that are coordinates in space.
    """
    left, top, right, bottom = region
    x, y = axis(width, left, right), axis(height, top, bottom)
    places = (grid(x, part) for part in y.split(-(-_MAX_POINTS // width)))
    parts = list(places if section is None else map(section.points, places))
    return _predictions(task, parts).view(height, width, -1)


def view(task: Task, camera: Camera, samples: RaySamples, width: int, height: int) -> Rendering:
    """Return what a camera sees of the scene, ``[height, width, ...]``, float32 on the CPU.

    Args:
        task: task of a run that learned from ``data.views.Views``.
        camera: camera, whose pixels are square.
        samples: intervals of the rays, each of which is sampled in its middle.
        width: width of the image in pixels.
        height: height of the image in pixels.
    """
    parts = camera.rays(width, height).split(max(1, _MAX_POINTS // samples.per_ray))
    seen = [_seen(task, *samples.points(rays)) for rays in parts]
    colours, depths, opacities = (torch.cat(each) for each in zip(*seen, strict=True))
    return Rendering(
        colours.view(height, width, 3), depths.view(height, width), opacities.view(height, width)
    )


def _seen(task: Task, points: Tensor, distances: Tensor) -> Rendering:
    medium = _predictions(task, [points])
    return volume_rendering(medium[..., :3], medium[..., 3], distances)


def surface(task: Task, size: int) -> Triangles:
    """Return the surface in the unit cube where a predicted probability is 1/2.

    It may be empty.

    Args:
        task: task of a run whose inputs are coordinates in space.
        size: number of grid points along each axis.

    Raises:
        UserError: scikit-image is not installed.
    """
    along = torch.linspace(0, 1, size)
    points = torch.cartesian_prod(along, along, along)
    probabilities = _predictions(task, points.split(_MAX_POINTS)).view(size, size, size)
    # The logits are smoother than the probabilities, so that their interpolation is more exact.
    return isosurface(probabilities.logit(_SMALLEST_PROBABILITY).numpy(), 0.0)


@torch.no_grad()
def _predictions(task: Task, parts: Sequence[Tensor]) -> Tensor:
    """Return the predictions at points, one part after the other, float32 on the CPU."""
    like = next(task.network.parameters())
    training = task.training
    task.eval()
    predicted = [task.predictions(task(points.to(like))).float().cpu() for points in parts]
    task.train(training)
    return torch.cat(predicted)
