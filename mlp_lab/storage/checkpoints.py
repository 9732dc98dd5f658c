"""Checkpoint files: replaced atomically, and read as data, never as code."""

import io
import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor, nn

from mlp_lab.errors import UserError, first_line
from mlp_lab.lightning import pl
from mlp_lab.storage.archives import checked_names
from mlp_lab.storage.checkpoint_journal import replace_together
from mlp_lab.storage.migration import migrate_checkpoint

# Checkpoints in memory, by the files that they are to be written to.
Checkpoints = dict[Path, dict[str, Any]]
# The callback that records the history, see ``runs/callbacks/epoch_checkpoint.py``.
_HISTORY = "EpochCheckpoint"
# The entries of the zip archives that torch.save writes.
_ENTRY = re.compile(r"[^/]+/(data\.pkl|data/\d+|byteorder|version|\.[\w/]+)")
# The keys that Lightning needs to resume a run.
_RESUMED = ("epoch", "global_step", "loops", "optimizer_states", "lr_schedulers")


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
        write_checkpoints({Path(path): checkpoint})

    def load_checkpoint(self, path: str | Path, *_: Any, **__: Any) -> dict[str, Any]:
        """Return the content of a checkpoint, on the CPU."""
        return read_checkpoint(Path(path))


def write_checkpoints(checkpoints: Checkpoints) -> None:
    """Write the checkpoints of one or several runs; see ``checkpoint_journal``."""
    contents = {}
    for path, checkpoint in checkpoints.items():
        content = io.BytesIO()
        torch.save(checkpoint, content)
        contents[path] = content.getvalue()
    if contents:
        replace_together(contents)


def _copy(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Return the checkpoint with copies of the tensors that training changes in place."""
    changing = {key: checkpoint[key] for key in ("state_dict", "optimizer_states")}
    return checkpoint | apply_to_collection(changing, Tensor, torch.clone)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint, on the CPU.

    Raises UserError if the file is damaged, or if it contains more than tensors and plain values.
    """
    _check_archive(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise UserError(
            f"{path}: contains more than tensors and plain values; it was not loaded"
        ) from error
    except Exception as error:  # the reader of a wrong pickle can raise any exception
        raise UserError(f"{path}: damaged: {first_line(error)}") from error
    if not _is_checkpoint(content):
        raise UserError(f"{path}: damaged: not a checkpoint of a run")
    return migrate_checkpoint(content)


def _check_archive(path: Path) -> None:
    """Raise UserError if a file is not an undamaged archive of ``torch.save``.

    torch does not verify the archive's CRC. Files in torch's format before version 1.6 are refused:
    no version of mlp_lab has written them, and they have no CRC.
    """
    for name in checked_names(path):
        if not _ENTRY.fullmatch(name):
            raise UserError(f"{path}: not a checkpoint: it contains {name!r}")


def _is_checkpoint(content: Any) -> bool:
    """Return whether a file's content has the structure on which this module relies."""
    if not (isinstance(content, dict) and isinstance(state := content.get("state_dict"), dict)):
        return False
    states = content.get("callbacks", {})
    return all(isinstance(value, Tensor) for value in state.values()) and isinstance(states, dict)


def load_network(task: nn.Module, path: Path) -> dict[str, Any]:
    """Load the weights of a checkpoint into ``task``; return the checkpoint's content.

    Raises UserError if the file cannot be read, does not match the task, or has weights that are
    not finite.
    """
    content = read_checkpoint(path)
    try:
        task.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        raise UserError(f"{path}: does not match the run's config: {first_line(error)}") from error
    check_finite(content["state_dict"], path)
    return content


def check_finite(weights: Mapping[str, Tensor], path: Path) -> None:
    """Raise UserError if a tensor of a file has values that are not finite."""
    for name, values in weights.items():
        if not values.isfinite().all():
            raise UserError(f"{path}: damaged: {name} has values that are not finite")


def check_resumable(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Raise UserError if the checkpoint of a file lacks a key that resuming a run needs."""
    check_history(checkpoint, path)
    if missing := [key for key in _RESUMED if key not in checkpoint]:
        raise UserError(f"{path}: damaged: it has no {', '.join(missing)}")


def check_history(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Raise UserError if the checkpoint of a file lacks the history of its run."""
    state = checkpoint.get("callbacks", {}).get(_HISTORY)
    if not (isinstance(state, dict) and isinstance(state.get("history"), list)):
        raise UserError(f"{path}: damaged: it has no history of its run")


def trained_epochs(checkpoint: Mapping[str, Any]) -> int:
    """Return the number of epochs that a checkpoint's network was trained for.

    Lightning's entry ``epoch`` counts from 0 and has the same value before and after the first
    epoch.
    """
    return len(checkpoint["callbacks"][_HISTORY]["history"])


def stopped_early(checkpoint: Mapping[str, Any]) -> bool:
    """Return whether a callback stopped the run in the last epoch of the checkpoint."""
    return bool(checkpoint["callbacks"][_HISTORY]["stopped"])
