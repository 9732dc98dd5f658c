"""Evaluate an ensemble: several runs whose predictions are averaged."""

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
from mlp_lab.runs.data_paths import data_paths, moved_paths
from mlp_lab.runs.evaluate import measure
from mlp_lab.storage.files import json_text, write_whole
from mlp_lab.storage.log import console
from mlp_lab.storage.records import read_json, with_digest
from mlp_lab.storage.results import EnsembleEvaluation
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.storage.sweep_folder import SweepFolder, open_runs
from mlp_lab.tasks.base import Task

log = logging.getLogger(__name__)

_RECORD = "ensemble.json"
# Members up to which the table of common errors is printed; it has a column for each member.
_MOST_COLUMNS = 12
# Keys of data that may differ between members, since they do not change the set of examples.
_NOT_COMPARED = (
    "data.root",
    "data.batch_size",
    "data.passes",
    "data.standardize",
    "data.normalize_width",
    "data.deslant",
)
# Further such keys for each split, since they only affect other splits.
_NOT_COMPARED_IN = {
    "train": (),
    "validation": ("data.train_size",),
    "test": ("data.train_size", "data.refit", "data.fold"),
}


def is_ensemble(run: Any) -> bool:
    """Return whether the value of the key ``run`` is a list of folders or a sweep folder."""
    return isinstance(run, ListConfig) or SweepFolder.is_sweep(str(run))


def evaluate(cfg: DictConfig) -> EnsembleEvaluation:
    """Evaluate an ensemble by a config (``schemas.evaluate.Evaluate``); return the evaluation.

    The members are the runs in ``cfg.run`` and the finished jobs of the sweeps in it. Each member
    is also evaluated alone, and this evaluation is added to its result. The evaluation of the
    ensemble is appended to ``ensemble.json`` in the common parent folder of the members, which is
    the sweep folder for the jobs of one sweep. It names members by their paths relative to it.

    Raises:
        UserError: there are no such runs, their data or outputs differ, or ``ensemble.json`` is
            damaged.
    """
    for option in ("temperature", "robustness", "embeddings"):
        if cfg[option]:
            raise UserError(f"{option}: not available for an ensemble; run must be one run folder")
    with console():
        runs = _members(cfg.run)
        paths = moved_paths(cfg)
        _check_members(runs, cfg.split, paths)
        folder = Path(os.path.commonpath([run.folder.resolve().parent for run in runs]))
        _read_record(folder / _RECORD)  # a damaged file is an error before the evaluation
        wrong, members_wrong = _errors(runs, cfg, paths)
        errors = members_wrong.double().mean(1).tolist()
        names = [run.folder.resolve().relative_to(folder).as_posix() for run in runs]
        evaluation = EnsembleEvaluation(
            cfg.split,
            cfg.checkpoint,
            cfg.average,
            float(wrong.double().mean()),
            dict(zip(names, errors, strict=True)),
            common_errors(members_wrong),
            errors_by_members(members_wrong, wrong),
        )
        _append(folder / _RECORD, evaluation)
        log.info("%s: %s checkpoints", folder, cfg.checkpoint)
        _print(evaluation)
        log.info("record: %s", folder / _RECORD)
    return evaluation


def _errors(
    runs: Sequence[RunFolder], cfg: DictConfig, paths: dict[str, str]
) -> tuple[Tensor, Tensor]:
    """Return whether the ensemble is wrong, bool ``[examples]``, and each of the members.

    Each member is also evaluated alone.
    """
    outputs = []
    for run in runs:
        _, data, task = measure(run, cfg.split, cfg.checkpoint, paths)
        output, targets = task.outputs(data.loader(cfg.split))
        outputs.append(output)
    wrong = predict_classes(task, torch.stack(outputs), cfg.average) != targets
    return wrong, torch.stack([task.predictions(output) for output in outputs]) != targets


def common_errors(wrong: Tensor) -> list[list[int]]:
    """Return the number of examples that both members of each pair classify wrongly.

    Args:
        wrong: whether a member classifies an example wrongly, bool ``[members, examples]``.
    """
    counts = wrong.long() @ wrong.long().T
    return [list(map(int, row)) for row in counts.tolist()]


def errors_by_members(wrong: Tensor, ensemble_wrong: Tensor) -> list[list[int]]:
    """Return the number of examples that exactly 0, 1, ... members classify wrongly.

    Each comes with the number of those that the ensemble also classifies wrongly.

    Args:
        wrong: whether a member classifies an example wrongly, bool ``[members, examples]``.
        ensemble_wrong: whether the ensemble does, bool ``[examples]``.
    """
    number = wrong.sum(0)
    each = (number == count for count in range(len(wrong) + 1))
    return [[int(of.sum()), int((of & ensemble_wrong).sum())] for of in each]


def _print(evaluation: EnsembleEvaluation) -> None:
    """Print the errors of the members and of the ensemble, and how the errors overlap."""
    text, number = get_metric("error").text, len(evaluation.members)
    errors = list(evaluation.members.values())
    rows = [[name, text(error)] for name, error in evaluation.members.items()]
    rows += [["mean of the members", text(sum(errors) / number)]]
    rows += [[f"ensemble of {number} ({evaluation.average})", text(evaluation.error)]]
    log.info("\n%s\n", table(["member", f"{evaluation.split} error"], rows))
    if number <= _MOST_COLUMNS:
        pairs = zip(evaluation.members, evaluation.common_errors, strict=True)
        cells = [[name, *map(str, counts)] for name, counts in pairs]
        log.info("examples that a member and the n-th member both classify wrongly:")
        log.info("%s\n", table(["member", *map(str, range(1, number + 1))], cells))
    counted = [[str(k), *map(str, n)] for k, n in enumerate(evaluation.errors_by_members)]
    log.info(
        "%s\n", table(["members that are wrong", "examples", "wrong in the ensemble"], counted)
    )


def predict_classes(task: Task, outputs: Tensor, average: str) -> Tensor:
    """Return the class that an ensemble predicts for each example, int64 ``[batch]``.

    Args:
        task: task of one member; all compute probabilities from outputs in the same way.
        outputs: outputs of the networks, ``[members, batch, outputs]``.
        average: kind of the average. ``probabilities``: their mean. ``logits``: the mean of the
            outputs; for softmax this is the normalized geometric mean of the probabilities.
            ``votes``: each member votes for its most probable class; among classes with equally
            many votes, the mean of the probabilities decides.
    """
    if average == "logits":
        return task.predictions(outputs.mean(0))
    members = [task.probabilities(output) for output in outputs]
    mean = torch.stack([member for member in members if member is not None]).mean(0)
    if average == "votes":
        choices = torch.stack([task.predictions(output) for output in outputs])
        votes = torch.nn.functional.one_hot(choices, mean.shape[1]).sum(0)
        mean = mean.masked_fill(votes < votes.amax(1, keepdim=True), -1)
    return mean.argmax(1)


def _members(folders: Any) -> list[RunFolder]:
    """Return the runs of an ensemble, each once. Raises UserError if there are none."""
    runs: dict[Path, RunFolder] = {}
    for folder in map(str, folders if isinstance(folders, ListConfig) else [folders]):
        for run in open_runs(folder):
            runs.setdefault(run.folder.resolve(), run)
    if not runs:
        raise UserError("run=[]: must have at least one run")
    return list(runs.values())


def _check_members(runs: Sequence[RunFolder], split: str, moved: dict[str, Any]) -> None:
    """Raise UserError for a run that does not learn classes, or not those of the first run.

    Args:
        runs: members.
        split: name of the split.
        moved: new paths of the data of all members, by dotted key.
    """
    first, *others = (_compared_settings(run, split) | moved for run in runs)
    for run, settings in zip(runs[1:], others, strict=True):
        for key in first | settings:
            value, expected = (format_value(s.get(key)) for s in (settings, first))
            if settings.get(key) != first.get(key):
                raise UserError(
                    f"{run.folder}: {key}={value} differs from {key}={expected} of {runs[0].folder}"
                )


def _compared_settings(run: RunFolder, split: str) -> dict[str, Any]:
    """Return the settings that must be equal: those of the split's examples and the outputs."""
    task: type[Task] = target_of(run.config.task)
    if not task.predicts_probabilities():
        raise UserError(f"{run.folder}: needs a run that learns probabilities of classes")
    ignored = (*_NOT_COMPARED, *_NOT_COMPARED_IN[split])
    settings = flatten(run.config).items()
    data = {key: v for key, v in settings if is_within(key, ["data"])} | data_paths(run.config)
    data = {key: value for key, value in data.items() if key not in ignored}
    kind = task.probabilities.__qualname__
    return data | {"task": kind, "task.output": run.config.task.get("output")}


def _read_record(record: Path) -> list[dict[str, Any]]:
    """Return the entries of earlier evaluations. Raises UserError if the file is damaged."""
    if not record.is_file():
        return []
    entries = read_json(record)
    if not isinstance(entries, list):
        raise UserError(f"{record}: damaged: not the record of an ensemble")
    return entries


def _append(record: Path, evaluation: EnsembleEvaluation) -> None:
    """Append an evaluation to the list in a file."""
    with filelock.FileLock(record.with_name(".lock")):  # two processes would lose an entry
        entries = [*_read_record(record), evaluation.to_json()]
        write_whole(record, json_text([with_digest(entry) for entry in entries]).encode())
