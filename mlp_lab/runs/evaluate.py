"""Evaluate a run on a whole split: its metrics and, depending on the task, diagnostics."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from omegaconf import DictConfig

from mlp_lab.config.metrics import get_metric, is_against_opponent
from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError
from mlp_lab.figures.rendering import Draw, save_figures
from mlp_lab.formatting import markdown, table
from mlp_lab.nn.probes import weight_layers
from mlp_lab.runs.build import build_task
from mlp_lab.runs.data_paths import difference, moved_paths, with_moved_data
from mlp_lab.runs.report import opponents_table
from mlp_lab.storage.checkpoints import check_history, load_network, trained_epochs
from mlp_lab.storage.log import console
from mlp_lab.storage.results import Evaluation
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.storage.tensorboard import write_event_file
from mlp_lab.tasks.base import Task
from mlp_lab.tasks.diagnostics.diagnostic import Diagnostic
from mlp_lab.tasks.diagnostics.embeddings import write_embeddings
from mlp_lab.tasks.diagnostics.reliability import fit_temperature
from mlp_lab.tasks.diagnostics.robustness import robustness
from mlp_lab.tasks.diagnostics.split_predictions import SplitPredictions

log = logging.getLogger(__name__)


def evaluate(cfg: DictConfig) -> Evaluation:
    """Evaluate a run as ``cfg`` (``schemas.evaluate.Evaluate``) specifies; return the evaluation.

    Figures, tables and the evaluation are written to the run folder. If ``cfg.data`` names other
    data than those of the training, the evaluation is only printed.

    Raises:
        UserError: there is no such run or checkpoint, it is damaged, the data have changed, or an
            option is unsuitable for the run; the split is not evaluated then.
    """
    with console():
        run = RunFolder.open(str(cfg.run))
        paths = moved_paths(cfg)
        changes = paths | _chosen_opponents(cfg, run)
        data, task, epoch, other = _load(run, cfg.checkpoint, changes)
        if other and not paths:
            raise other
        check_options(cfg, data, task)
        temperature = _temperature(data, task) if cfg.temperature else None
        evaluation = assess(data, task, cfg.split, cfg.checkpoint, epoch)
        log.info("%s: %s checkpoint", run.folder, cfg.checkpoint)
        _print_metrics(evaluation, data.split_label(cfg.split))
        name = cfg.split if cfg.checkpoint == "best" else f"{cfg.split}_{cfg.checkpoint}"
        predictions = SplitPredictions(data, task, cfg.split, temperature)
        diagnostics = task.diagnostics(predictions)
        if cfg.robustness:
            diagnostics.append(robustness(predictions))
        tables = {diagnostic.name: diagnostic.rows for diagnostic in diagnostics}
        evaluation = replace(evaluation, tables=tables)
        _print_tables(diagnostics)
        if other:
            log.warning("warning: %s; the evaluation is not saved", other)
            return evaluation
        run.add_evaluation(evaluation)
        if diagnostics:
            title = f"{run.title}: {data.split_label(cfg.split)} data, epoch {epoch}"
            _report(run, name, diagnostics, cfg.figures.format or run.figure_format, title)
        if cfg.embeddings > 0:
            count = write_embeddings(predictions, cfg.embeddings, run.folder, name)
            log.info("TensorBoard's projector: %s examples of %s", f"{count:,}", name)
    return evaluation


def measure(
    run: RunFolder, split: str, which: str, paths: Mapping[str, str] | None = None
) -> tuple[Evaluation, DataModule, Task]:
    """Evaluate the metrics of a checkpoint on a split.

    Return the evaluation, which is also added to the run's result, and the data module and task.

    Args:
        run: run folder.
        split: name of the split.
        which: name of the checkpoint, ``best`` or ``last``.
        paths: new paths of its data, by dotted key.

    Raises:
        UserError: the data are not those of the training.
    """
    data, task, epoch, other = _load(run, which, paths or {})
    if other:
        raise other
    evaluation = assess(data, task, split, which, epoch)
    run.add_evaluation(evaluation)
    return evaluation, data, task


def assess(data: DataModule, task: Task, split: str, which: str, epoch: int) -> Evaluation:
    """Return the evaluation of a split, without diagnostics.

    Args:
        data: data module that has been set up.
        task: task with the weights of a checkpoint.
        split: name of the split.
        which: name of the checkpoint, ``best`` or ``last``.
        epoch: epoch of the checkpoint, from 1.
    """
    return Evaluation(split, which, epoch, task.evaluate_split(data, split))


def _chosen_opponents(cfg: DictConfig, run: RunFolder) -> dict[str, Any]:
    """Return the opponents in a config of ``evaluate``, by the dotted key of the run's config."""
    if cfg.opponents is None:
        return {}
    if "test_opponents" not in run.config.data:
        raise UserError("opponents: need a run that learned a game")
    return {"data.test_opponents": list(cfg.opponents)}


def _load(
    run: RunFolder, which: str, changes: Mapping[str, Any]
) -> tuple[DataModule, Task, int, UserError | None]:
    """Return the data of a run, its task with the weights of a checkpoint, and their epoch.

    ``changes`` are new values of keys of its data, by dotted key. The last value is the error to
    raise if the data may not differ from those of the training; None if they are the same.
    """
    # First, since without it the data need not be downloaded.
    path = run.checkpoints.existing(which)
    cfg = with_moved_data(run.config, changes)
    data, task = build_task(cfg)
    content = load_network(task, path)  # includes the encoding, which the data need
    check_history(content, path)
    data.prepare_data()
    data.setup()
    return data, task, trained_epochs(content), difference(run, cfg, data)


def check_options(cfg: DictConfig, data: DataModule, task: Task) -> None:
    """Raise UserError for options of ``cfg`` that are unsuitable for the data or the task."""
    if cfg.temperature and not task.predicts_probabilities():
        raise UserError("temperature=true: needs a run that learns probabilities of classes")
    if cfg.temperature and data.refit:
        raise UserError("temperature=true: data.refit=true leaves no validation data to fit it to")
    if cfg.robustness and data.image_side is None:
        raise UserError("robustness=true: needs a run whose inputs are images")
    hidden = len(weight_layers(task.network)) > 1
    if cfg.embeddings > 0 and not (data.class_names and hidden):
        raise UserError("embeddings: need a run that learns classes, with a hidden layer")


def _temperature(data: DataModule, task: Task) -> float:
    """Return the temperature that fits the validation data best."""
    outputs, targets = task.outputs(data.loader("validation"))
    return fit_temperature(task.negative_log_likelihood, outputs, targets)


def _report(
    run: RunFolder, name: str, diagnostics: Sequence[Diagnostic], file_format: str, title: str
) -> None:
    """Write diagnostics: ``<name>_*.csv``, ``figures/<name>_*`` and an event file."""
    run.figures.remove(f"{name}_errors_*")
    texts: list[str] = []
    drawings: dict[str, Draw] = {}
    for diagnostic in diagnostics:
        columns, cells = _columns_and_cells(diagnostic)
        texts.append(markdown(columns, cells))
        run.write_table(f"{name}_{diagnostic.name}", columns, diagnostic.rows)
        drawings |= diagnostic.figures
    figures = save_figures(
        drawings,
        lambda figure, content: run.figures.save(f"{name}_{figure}", content),
        file_format,
        title,
    )
    write_event_file(run.folder, "\n\n".join(texts), figures, name)
    log.info("figures: %s", run.folder / "figures" / f"{name}_*.{file_format}")


def _print_metrics(evaluation: Evaluation, label: str) -> None:
    metrics = evaluation.metrics
    names = [name for name in metrics if not is_against_opponent(name)]
    values = [get_metric(name).text(metrics[name]) for name in names]
    log.info("\n%s\n", table([f"epoch {evaluation.epoch}", *names], [[label, *values]]))
    if against := opponents_table(metrics):
        log.info("%s\n", against)


def _print_tables(diagnostics: Sequence[Diagnostic]) -> None:
    for diagnostic in diagnostics:
        log.info("%s\n", table(*_columns_and_cells(diagnostic)))


def _columns_and_cells(diagnostic: Diagnostic) -> tuple[list[str], list[list[str]]]:
    columns = list(diagnostic.rows[0])
    return columns, [[_cell(column, row[column]) for column in columns] for row in diagnostic.rows]


def _cell(column: str, value: Any) -> str:
    """Return a value of a diagnostic as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or column == "strength":
        return f"{value:,g}"
    return get_metric(column).text(value)
