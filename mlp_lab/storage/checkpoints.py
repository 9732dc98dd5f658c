"""Checkpoint files: replaced atomically, and read as data, never as code."""

import io
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor, nn

from mlp_lab.errors import UserError
from mlp_lab.lightning import pl
from mlp_lab.storage.files import write_whole
from mlp_lab.storage.migration import migrate_checkpoint

# Checkpoints in memory, by the files that they are to be written to.
Checkpoints = dict[Path, dict[str, Any]]
# The callback that records the history, see ``runs/callbacks/epoch_checkpoint.py``.
_HISTORY = "EpochCheckpoint"


class AtomicCheckpoints(pl.plugins.TorchCheckpointIO):
    """Read and write Lightning's checkpoints; a file is replaced as a whole.

    Lightning's plugin writes a temporary file, possibly on another disk, and then copies it.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: Checkpoints | None = None,
    ) -> None:
        """Write a checkpoint, or add a copy of it to ``storage_options`` to be written later."""
        if storage_options is not None:
            storage_options[Path(path)] = _copy(checkpoint)
            return
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_whole(Path(path), content.getvalue())

    def load_checkpoint(self, path: str | Path, *_: Any, **__: Any) -> dict[str, Any]:
        """Return the content of a checkpoint, on the CPU."""
        return read_checkpoint(Path(path))


def _copy(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Return the checkpoint with copies of the tensors that training changes in place."""
    changing = {key: checkpoint[key] for key in ("state_dict", "optimizer_states")}
    return checkpoint | apply_to_collection(changing, Tensor, torch.clone)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint, on the CPU. Raises UserError if it is damaged."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError, ValueError) as error:
        raise UserError(f"{path}: damaged: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict) or "state_dict" not in content:
        raise UserError(f"{path}: damaged: not a checkpoint of a run")
    return migrate_checkpoint(content)


def load_network(task: nn.Module, path: Path) -> dict[str, Any]:
    """Load the weights of a checkpoint into ``task``; return the checkpoint's content."""
    content = read_checkpoint(path)
    try:
        task.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        raise UserError(
            f"{path}: does not match the run's config: {str(error).splitlines()[0]}"
        ) from error
    return content


def trained_epochs(checkpoint: Mapping[str, Any]) -> int:
    """Return the number of epochs that a checkpoint's network was trained for.

    Lightning's entry ``epoch`` counts from 0 and has the same value before and after the first
    epoch.
    """
    return len(checkpoint["callbacks"][_HISTORY]["history"])


def stopped_early(checkpoint: Mapping[str, Any]) -> bool:
    """Return whether a callback stopped the run in the last epoch of the checkpoint."""
    return bool(checkpoint["callbacks"][_HISTORY]["stopped"])
