"""A run that was trained: what a notebook needs of its folder."""

import io
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from PIL import Image
from torch import Tensor, nn

from mlp_lab.config.names import CHECKPOINTS, SPLITS
from mlp_lab.config.suggestions import suggestion
from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError
from mlp_lab.images.image_decoding import open_image
from mlp_lab.runs.build import build_task
from mlp_lab.runs.data_paths import difference, with_moved_data
from mlp_lab.runs.export import export
from mlp_lab.runs.session import session
from mlp_lab.storage.checkpoints import load_network
from mlp_lab.storage.results import Result
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.storage.tensorboard import last_picture
from mlp_lab.tasks.base import Task

_VECTOR_GRAPHICS = (".pdf", ".svg")


class Network(nn.Module):
    """The function that a run has learned: ``[batch, in_features]`` to ``[batch, out_features]``.

    Inputs are those of the run's data module before the encoding: standardized pixels, coordinates,
    features; ``Run.split`` returns such inputs. Outputs are those of the last layer, such as
    logits. The weights are those of the checkpoint, averaged if the run averages them, in
    evaluation mode, and have no gradients; a gradient with regard to the inputs is available.

    Attributes:
        encoding: module from inputs to features, whose weights are not trained.
        network: module from features to outputs.
        in_features: length of an input.
    """

    def __init__(self, encoding: nn.Module, network: nn.Module, in_features: int) -> None:
        super().__init__()
        self.encoding = encoding
        self.network = network
        self.in_features = in_features
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(self.encoding(x))

    def __call__(self, inputs: Any) -> Tensor:
        """Return the outputs for a tensor, an array or nested lists.

        Raises:
            UserError: the inputs have another shape than ``[batch, in_features]``.
        """
        like = next(self.network.parameters())
        x = inputs if isinstance(inputs, Tensor) else torch.as_tensor(np.asarray(inputs))
        if x.dim() != 2 or x.shape[1] != self.in_features:
            raise UserError(
                f"inputs: have the shape {list(x.shape)}; must be [batch, {self.in_features}]"
            )
        return super().__call__(x.to(like))


class Run:
    """A run that was trained.

    Args:
        folder: run folder.
        checkpoint: checkpoint of the network: ``best`` or ``last``.

    Raises:
        UserError: there is no such run.
    """

    def __init__(self, folder: str, checkpoint: str = "best") -> None:
        if checkpoint not in CHECKPOINTS:
            raise UserError(f"checkpoint={checkpoint}: must be one of {', '.join(CHECKPOINTS)}")
        self._run = RunFolder.open(folder)
        self._checkpoint = checkpoint

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self._run.folder

    @property
    def config(self) -> DictConfig:
        """The checked config, read-only."""
        with session():
            return self._run.config

    @property
    def result(self) -> Result:
        """The result so far, with all evaluations."""
        return self._run.result

    @property
    def history(self) -> list[dict[str, float]]:
        """The metrics of each epoch: ``pandas.DataFrame(run.history)`` is a table of them."""
        return self._run.history

    @cached_property
    def network(self) -> Network:
        """The network with the weights of the checkpoint, on the CPU."""
        data, task = self._built
        return Network(task.encoding, task.evaluated, data.in_features)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes by number; empty if the targets are not classes."""
        return self._built[0].class_names

    def split(self, name: str) -> tuple[Tensor, Tensor]:
        """Return inputs ``[examples, in_features]`` and targets ``[examples, ...]`` of a split.

        Args:
            name: ``train``, ``validation`` or ``test``.

        Raises:
            UserError: there is no such split, or the data are no longer those of the training.
        """
        splits = self._splits
        if name not in splits:
            raise UserError(f"split={name}: must be one of {', '.join(splits)}")
        return splits[name]

    def figure(self, name: str) -> Image.Image:
        """Return a figure of the run, which a notebook shows.

        Of a figure in a PDF or SVG file, it is the image that TensorBoard shows.

        Args:
            name: name of a file in ``figures/`` without its suffix: ``loss_curves``.

        Raises:
            UserError: the run has no such figure, or no image of it.
        """
        path = self._run.figures.path(name)
        if path is None:
            names = self._run.figures.names
            raise UserError(
                f"{self.folder}: has no figure {name}{suggestion(name, names)}"
                f" (figures: {', '.join(names) or 'none'})"
            )
        if path.suffix not in _VECTOR_GRAPHICS:
            with open_image(path, animated=True) as image:
                return image.copy()
        content = last_picture(self.folder, name)
        if content is None:
            raise UserError(f"{path}: can't be read as an image; open it with another program")
        return Image.open(io.BytesIO(content))

    def export(self, path: str | Path) -> Path:
        """Write the network to a file for other programs; see ``mlp_lab.runs.export``.

        Args:
            path: file with the suffix ``.onnx`` (extra ``export``) or ``.pt2`` (torch.export).

        Raises:
            UserError: another suffix, the extra is not installed, or the network in the file gives
                other outputs.
        """
        return export(self.network, Path(path))

    @cached_property
    def _built(self) -> tuple[DataModule, Task]:
        with session():
            path = self._run.checkpoints.existing(self._checkpoint)
            data, task = build_task(self.config)
            load_network(task, path)
        return data, task

    @cached_property
    def _splits(self) -> dict[str, tuple[Tensor, Tensor]]:
        data, _ = self._built
        with session():
            with_moved_data(self.config, {})  # checks that the paths exist; nothing is downloaded
            data.prepare_data()
            if other := difference(self._run, self.config, data):
                raise other
            splits = data.read(torch.device("cpu"))
        return {name: splits[name] for name in SPLITS if name in splits}
