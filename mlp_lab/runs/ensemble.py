"""A committee: several runs that decide together, and what this is worth."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import filelock
import torch
from omegaconf import DictConfig, ListConfig
from torch import Tensor

from mlp_lab.config.flatten import flatten, format_value, is_within
from mlp_lab.config.metrics import get_metric
from mlp_lab.errors import UserError
from mlp_lab.formatting import table
from mlp_lab.runs.build import target_of
from mlp_lab.runs.evaluate import measure
from mlp_lab.storage.files import json_text, read_json, write_whole
from mlp_lab.storage.log import console
from mlp_lab.storage.results import EnsembleEvaluation
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.storage.sweep_folder import SweepFolder
from mlp_lab.tasks.base import Task

log = logging.getLogger(__name__)

_RECORD = "committee.json"
# What may differ between members: it changes how the examples are seen, not which they are.
_HOW_SEEN = ("data.root", "data.batch_size", "data.passes", "data.standardize")
# And what changes no example of a split, since it is about others.
_OF_OTHERS = {
    "train": (),
    "validation": ("data.train_size",),
    "test": ("data.train_size", "data.refit"),
}


def is_committee(run: Any) -> bool:
    """Whether ``run``, as the user typed it, names a list of runs or the folder of a sweep."""
    return isinstance(run, ListConfig) or SweepFolder.lies_in(str(run))


def evaluate(cfg: DictConfig) -> EnsembleEvaluation:
    """Evaluate a committee as ``cfg`` says (``schemas.Evaluate``).

    Its members are the runs that ``cfg.run`` lists, and the finished jobs of sweeps among them.
    Each one is also evaluated alone, which is added to its result. The committee's evaluation is
    appended to ``committee.json`` in the folder that holds all members, that of a sweep for its
    jobs; there their names are paths from this folder.

    Raises UserError: no such runs, members that don't go together, or a damaged record.
    """
    for look in ("temperature", "robustness", "embeddings"):
        if cfg[look]:
            raise UserError(f"{look}: a committee isn't looked into; or run= one of its members")
    with console(None):
        runs = _members(cfg.run)
        _refuse_strangers(runs, cfg.split)
        folder = Path(os.path.commonpath([run.folder.resolve().parent for run in runs]))
        _recorded(folder / _RECORD)  # a damaged one is refused before anything is evaluated
        errors, outputs = [], []
        for run in runs:
            alone, data, task = measure(run, cfg.split, cfg.checkpoint)
            output, targets = task.outputs(data.loader(cfg.split))
            errors.append(alone.metrics["error"])
            outputs.append(output)
        wrong = decide(task, torch.stack(outputs), cfg.average) != targets
        names = [run.folder.resolve().relative_to(folder).as_posix() for run in runs]
        evaluation = EnsembleEvaluation(
            cfg.split,
            cfg.checkpoint,
            cfg.average,
            float(wrong.double().mean()),
            dict(zip(names, errors, strict=True)),
        )
        _append(folder / _RECORD, evaluation)
        text = get_metric("error").text
        rows = [[name, text(error)] for name, error in evaluation.members.items()]
        rows += [["mean of the members", text(sum(errors) / len(errors))]]
        rows += [[f"committee of {len(runs)} ({cfg.average})", text(evaluation.error)]]
        log.info("%s: %s checkpoints", folder, cfg.checkpoint)
        log.info("\n%s\n", table(["member", f"{cfg.split} error"], rows))
        log.info("record: %s", folder / _RECORD)
    return evaluation


def decide(task: Task, outputs: Tensor, average: str) -> Tensor:
    """The class that a committee takes each example for: int64 ``[batch]``.

    ``average`` is what the members' opinions are joined by: the mean of their ``probabilities``,
    the mean of the ``logits`` (of softmax outputs: the geometric mean of the probabilities, but
    for a factor), or ``votes``, one a member for the class it holds most probable, where the mean
    probability decides between classes with equally many.

    Args:
        task: one of theirs; all make probabilities of outputs in the same way.
        outputs: of the networks, ``[members, batch, outputs]``.
        average: one of these three.
    """
    if average == "logits":
        return task.predictions(outputs.mean(0))
    members = [task.probabilities(output) for output in outputs]
    mean = torch.stack([member for member in members if member is not None]).mean(0)
    if average == "votes":
        choices = torch.stack([task.predictions(own) for own in outputs])
        votes = torch.nn.functional.one_hot(choices, mean.shape[1]).sum(0)
        mean = mean.masked_fill(votes < votes.amax(1, keepdim=True), -1)
    return mean.argmax(1)


def _members(named: Any) -> list[RunFolder]:
    """The runs of a committee, each once. Raises UserError if there are none."""
    runs: dict[Path, RunFolder] = {}
    for folder in map(str, named if isinstance(named, ListConfig) else [named]):
        for run in (
            _finished(SweepFolder.open(folder))
            if SweepFolder.lies_in(folder)
            else [RunFolder.open(folder)]
        ):
            runs.setdefault(run.folder.resolve(), run)
    if not runs:
        raise UserError("run=[]: must name one run at least")
    return list(runs.values())


def _finished(sweep: SweepFolder) -> list[RunFolder]:
    """The jobs of a sweep that have finished; says how many have not."""
    finished, begun = sweep.finished, len(sweep.runs())
    if not finished:
        raise UserError(f"{sweep.folder}: none of its jobs has finished")
    if left := begun - len(finished):
        log.info("%s: %d of %d jobs left out: not finished", sweep.folder, left, begun)
    return finished


def _refuse_strangers(runs: Sequence[RunFolder], split: str) -> None:
    """Raise UserError for a run that doesn't learn classes, or learns others than the first."""
    first, *others = (_learnt(run, split) for run in runs)
    for run, own in zip(runs[1:], others, strict=True):
        for key in first | own:
            if own.get(key) != first.get(key):
                theirs = f"{key}={format_value(first.get(key))} of {runs[0].folder}"
                raise UserError(
                    f"{run.folder}: {key}={format_value(own.get(key))} doesn't go with {theirs}"
                )


def _learnt(run: RunFolder, split: str) -> dict[str, Any]:
    """What members have to agree in: the examples of a split, and how probabilities are made."""
    task: type[Task] = target_of(run.config.task)
    if not task.predicts_probabilities():
        raise UserError(f"{run.folder}: has no probabilities of classes to average")
    apart = (*_HOW_SEEN, *_OF_OTHERS[split])
    settings = flatten(run.config).items()
    data = {key: v for key, v in settings if is_within(key, ["data"]) and key not in apart}
    kind = task.probabilities.__qualname__
    return data | {"task": kind, "task.output": run.config.task.get("output")}


def _recorded(record: Path) -> list[dict[str, Any]]:
    """The entries of earlier evaluations. Raises UserError if the file holds something else."""
    if not record.is_file():
        return []
    entries = read_json(record)
    if not isinstance(entries, list):
        raise UserError(f"{record}: damaged: not the record of a committee")
    return entries


def _append(record: Path, evaluation: EnsembleEvaluation) -> None:
    """Append an evaluation to the list in a file."""
    with filelock.FileLock(record.with_name(".lock")):  # two at once would lose one's entry
        write_whole(record, json_text([*_recorded(record), evaluation.to_json()]).encode())
