"""Check that two runs, or all jobs of two sweeps, are equal bit for bit, except for times."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from mlp_lab.config.flatten import flatten_plain, is_within
from mlp_lab.config.names import CHECKPOINTS
from mlp_lab.errors import UserError
from mlp_lab.storage.checkpoints import read_checkpoint
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.storage.tensorboard import scalar_points
from mlp_lab.sweeps.comparison.comparison import find_runs

# Keys and curves of durations and speeds, and keys whose values contain times or folders.
_TIMES = ("seconds", "games_per_second", "folder", "tables")
# Keys of a config that do not affect a result.
_WITHOUT_EFFECT = ("logs", "resume", "config", "threads", "figures")
_STATES = ("state_dict", "optimizer_states")

Content = dict[str, Any]  # values by their place, such as "best.ckpt: state_dict: network.0.weight"


def check_same(first: str, second: str) -> str:
    """Return a line that says that two run folders, or two sweep folders, are equal.

    Compared are the results without durations, the tables of epochs, the weights and the states of
    the optimizer in all checkpoints, and the curves in the event files.

    Raises:
        UserError: something differs; the message has the first difference.
    """
    runs, others = _runs_by_name(first), _runs_by_name(second)
    if only := sorted(runs.keys() ^ others.keys()):
        raise UserError(f"not equal: {only[0]}: a run in only one of {first} and {second}")
    for name, run in runs.items():
        if difference := _first_difference(_content(run), _content(others[name])):
            place = difference if name == "." else f"{name}: {difference}"
            raise UserError(f"not equal: {place}{_different_keys(run, others[name])}")
    number = "the runs" if list(runs) == ["."] else f"{len(runs)} runs"
    return f"equal: {number} have bit-identical results, tables, checkpoints and curves"


def _runs_by_name(folder: str) -> dict[str, RunFolder]:
    """Return the runs in a folder by their path in it, which is "." for a run folder."""
    return {run.folder.relative_to(folder).as_posix(): run for run in find_runs([folder])}


def _content(run: RunFolder) -> Content:
    """Return all values of a run that are compared."""
    content: Content = {"result.json": run.result.to_json()}
    for name in run.table_digests():
        content[f"{name}.csv"] = run.table(name)
    for which in CHECKPOINTS:
        path = run.checkpoints.path(which)
        if path.is_file():
            checkpoint = read_checkpoint(path)
            content[path.name] = {key: checkpoint.get(key) for key in _STATES}
    content["curve"] = dict(sorted(scalar_points(run.folder).items()))
    return dict(_leaves("", content))


def _leaves(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested containers with their places, without times."""
    if isinstance(value, Mapping):
        items: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    else:
        yield place, value
        return
    for key, inner in items:
        if key not in _TIMES:
            yield from _leaves(f"{place}: {key}" if place else str(key), inner)


def _first_difference(one: Content, other: Content) -> str | None:
    """Return the place and the values of the first difference, None if there is none."""
    for place in dict.fromkeys([*one, *other]):
        if place not in one or place not in other:
            return f"{place}: is missing in one of them"
        if different := _different_values(one[place], other[place]):
            return f"{place}: {different[0]} and {different[1]}"
    return None


def _different_values(a: Any, b: Any) -> tuple[Any, Any] | None:
    """Return the first values in which leaves differ; None if they are equal, also for nan."""
    if not (isinstance(a, Tensor) and isinstance(b, Tensor)):
        return None if repr(a) == repr(b) else (a, b)  # distinguishes 1 from 1.0, and 0.0 from -0.0
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return f"{list(a.shape)} of {a.dtype}", f"{list(b.shape)} of {b.dtype}"
    different = (_bytes(a) != _bytes(b)).any(1)
    if not different.any():
        return None
    return a.reshape(-1)[different][0].item(), b.reshape(-1)[different][0].item()


def _bytes(tensor: Tensor) -> Tensor:
    """Return the bytes of each element: ``[elements, bytes]``."""
    flat = tensor.contiguous().reshape(-1).view(torch.uint8)
    return flat.reshape(tensor.numel(), tensor.element_size())


def _different_keys(run: RunFolder, other: RunFolder) -> str:
    """Return the keys in which the configs differ, as the end of a message."""
    first, second = (flatten_plain(each.read_config()) for each in (run, other))
    keys = [
        key
        for key in dict.fromkeys([*first, *second])
        if first.get(key) != second.get(key) and not is_within(key, _WITHOUT_EFFECT)
    ]
    return f" (the configs differ in {', '.join(keys)})" if keys else ""
