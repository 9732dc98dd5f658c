"""What a network sees in place of a point of a picture."""

import torch
from torch import nn

from mlp_lab.data.attached import datamodule_of
from mlp_lab.data.image import Image, axis, grid
from mlp_lab.figures import feature_maps, kernel_maps
from mlp_lab.lightning import pl
from mlp_lab.nn.encoding_kernels import kernel_by_distance, kernel_map
from mlp_lab.nn.encodings import FourierFeatures
from mlp_lab.runs.callbacks.drawing import Drawing
from mlp_lab.runs.callbacks.show_figure import show
from mlp_lab.tasks.base import Task

_SIDE = 128  # points of the square
_MOST = 16  # features


class Features(Drawing):
    """``features.png``: what the encoding gives to the network, over the unit square; if that is
    many features, some. ``kernel.png``: how much alike it makes the centre and the points around.

    Drawn when the training ends, however it ends; not for data that are no picture.
    """

    @torch.no_grad()
    def draw(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        data = datamodule_of(trainer)
        if not isinstance(data, Image):
            return
        assert isinstance(task, Task)
        encoding = task.encoding
        like = next(iter(encoding.state_dict().values()), torch.empty(0))
        along = axis(_SIDE)
        values = encoding(grid(along, along).to(like)).T.float().cpu()
        shown = torch.linspace(0, len(values) - 1, min(_MOST, len(values))).round().int().tolist()
        pictures = values[shown].view(-1, _SIDE, _SIDE).numpy()
        captions = [_caption(encoding, feature) for feature in shown]
        show(trainer, "features", feature_maps.feature_maps(pictures, captions))
        centre, distances = torch.full((2,), 0.5).to(like), torch.logspace(-3, -0.3, 150).to(like)
        name = type(encoding).__name__.lower()
        square = kernel_map(encoding, centre, _SIDE + 1)
        around = kernel_by_distance(encoding, centre, distances)
        line = kernel_maps.KernelProfile(
            *(found.float().cpu().numpy() for found in (distances, around))
        )
        marks = {"neighbouring\ntraining pixels": 0.5 / data.nyquist}
        maps = {name: square.float().cpu().numpy()}
        show(trainer, "kernel", kernel_maps.kernel_maps(maps, {name: line}, marks))


def _caption(encoding: nn.Module, feature: int) -> str:
    """A feature's number and, of a Fourier feature, the wave that it is."""
    if not isinstance(encoding, FourierFeatures):
        return f"feature {feature + 1}"
    wave = "cos" if feature >= len(encoding.frequencies) else "sin"
    x, y = encoding.frequencies[feature % len(encoding.frequencies)].tolist()
    return f"{feature + 1}: {wave} 2π b·x\nb = ({x:.1f}, {y:.1f})"
