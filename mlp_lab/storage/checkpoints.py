"""Checkpoints: written whole or not at all, read as data and never as code."""

import io
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from lightning_fabric.plugins.io import TorchCheckpointIO
from torch import nn

from mlp_lab.errors import UserError
from mlp_lab.storage.files import write_whole


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoint files, replaced in one go.

    Lightning itself writes to a temporary file that may lie on another disk, and then copies.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_whole(Path(path), content.getvalue())

    def load_checkpoint(self, path: str | Path, *_: Any, **__: Any) -> dict[str, Any]:
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU. Raises UserError if it is damaged."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError, ValueError) as error:
        raise UserError(f"{path}: damaged: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict) or "state_dict" not in content:
        raise UserError(f"{path}: damaged: not a checkpoint of a run")
    return content


def load_network(task: nn.Module, path: Path) -> dict[str, Any]:
    """Give ``task`` the weights of a checkpoint; return the checkpoint's content."""
    content = read_checkpoint(path)
    try:
        task.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        raise UserError(
            f"{path}: doesn't fit the run's config: {str(error).splitlines()[0]}"
        ) from error
    return content


def trained_epochs(checkpoint: Mapping[str, Any]) -> int:
    """How many epochs a checkpoint's network had trained: the number of its epoch, from 1.

    Lightning's own entry ``epoch`` counts from 0, and can't tell the first epoch from none.
    """
    return len(checkpoint["callbacks"]["Keeper"]["history"])
