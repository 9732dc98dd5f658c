"""Draw the features and the kernel of an encoding of image coordinates."""

from functools import partial

import torch
from torch import nn

from mlp_lab.data.attached import data_of
from mlp_lab.data.image import axis, grid
from mlp_lab.figures import feature_maps, kernel_maps
from mlp_lab.figures.rendering import Draw
from mlp_lab.lightning import pl
from mlp_lab.nn.encoding_kernels import kernel_by_distance, kernel_map
from mlp_lab.nn.encodings import FourierFeatures
from mlp_lab.runs.callbacks.access import task_of
from mlp_lab.runs.callbacks.figure_callback import Drawings, FigureCallback
from mlp_lab.runs.callbacks.log_figure import log_figure

_SIDE = 128  # grid points along each side of the unit square
_MAX_FEATURES = 16


class EncodingFeatures(FigureCallback):
    """Draws ``features.png``: up to 16 features of the encoding over the unit square.

    Also draws ``kernel.png``: the scalar products of the features of the centre and of the points
    around it.

    The figures are drawn when training ends, also after an error. For data whose targets are not
    the pixels of an image, or whose inputs are coordinates in space, nothing is drawn, and neither
    for an encoding that is trained with the network.
    """

    @torch.no_grad()
    def prepare(self, trainer: pl.Trainer, task: pl.LightningModule) -> Drawings:
        data, encoding = data_of(trainer), task_of(task).encoding
        if data.target_size is None or data.nyquist is None or data.section is not None:
            return []
        if hasattr(task_of(task).network, "encoding"):
            return []
        like = next(iter(encoding.state_dict().values()), torch.empty(0))
        drawings = [partial(log_figure, trainer, "features", _features(encoding, like))]
        centre, distances = torch.full((2,), 0.5).to(like), torch.logspace(-3, -0.3, 150).to(like)
        if not bool(encoding(centre).any()):  # coordinates in [-1, 1), whose kernel is 0 / 0
            return drawings
        name = type(encoding).__name__.lower()
        square = kernel_map(encoding, centre, _SIDE + 1)
        kernel = kernel_by_distance(encoding, centre, distances)
        line = kernel_maps.KernelProfile(
            *(values.float().cpu().numpy() for values in (distances, kernel))
        )
        marks = {"neighbouring\ntraining pixels": 0.5 / data.nyquist}
        maps = {name: square.float().cpu().numpy()}
        kernels = partial(kernel_maps.kernel_maps, maps, {name: line}, marks)
        return [*drawings, partial(log_figure, trainer, "kernel", kernels)]


def _features(encoding: nn.Module, like: torch.Tensor) -> Draw:
    along = axis(_SIDE)
    values = encoding(grid(along, along).to(like)).T.float().cpu()
    count = min(_MAX_FEATURES, len(values))
    drawn = torch.linspace(0, len(values) - 1, count).round().int().tolist()
    images = values[drawn].view(-1, _SIDE, _SIDE).numpy()
    captions = [_caption(encoding, feature) for feature in drawn]
    return partial(feature_maps.feature_maps, images, captions)


def _caption(encoding: nn.Module, feature: int) -> str:
    """Return a feature's number and, for a Fourier feature, its formula."""
    if not isinstance(encoding, FourierFeatures):
        return f"feature {feature + 1}"
    wave = "cos" if feature >= len(encoding.frequencies) else "sin"
    x, y = encoding.frequencies[feature % len(encoding.frequencies)].tolist()
    return f"{feature + 1}: {wave} 2π b·x\nb = ({x:.1f}, {y:.1f})"
