"""Which looks an evaluation has."""

from functools import partial

from mlp_lab.data.datamodule import DataModule
from mlp_lab.data.mnist import IdxImages
from mlp_lab.errors import UserError
from mlp_lab.nn.probes import linear_layers
from mlp_lab.runs.diagnostics.calibration import look_at_calibration
from mlp_lab.runs.diagnostics.class_errors import look_at_classes
from mlp_lab.runs.diagnostics.diagnostic import Look
from mlp_lab.runs.diagnostics.reliability import fit_temperature
from mlp_lab.runs.diagnostics.robustness import look_at_robustness
from mlp_lab.tasks.base import Task
from mlp_lab.tasks.classification import Classification, Classifier


def looks(
    data: DataModule, task: Task, *, temperature: bool, robustness: bool, embeddings: bool
) -> list[Look]:
    """The looks that go with a task, those that have to be asked for included.

    Args:
        data: that are set up.
        task: with its weights.
        temperature: look at calibration with logits scaled by what fits the validation data, too.
        robustness: look at spoilt pictures, too.
        embeddings: see to it that there are some.

    Raises:
        UserError: what is asked for doesn't go with the task or its data.
    """
    if temperature and not isinstance(task, Classification):
        raise UserError("temperature=true: needs a run that learns probabilities of classes")
    if temperature and data.refit:
        raise UserError("temperature=true: data.refit=true leaves no validation data to fit it to")
    if robustness and not (isinstance(task, Classifier) and isinstance(data, IdxImages)):
        raise UserError("robustness=true: needs a run that learns classes of pictures")
    if embeddings and not (isinstance(task, Classifier) and len(linear_layers(task.network)) > 1):
        raise UserError("embeddings: need a run that learns classes, with a hidden layer")
    chosen: list[Look] = []
    if isinstance(task, Classifier):
        chosen.append(look_at_classes)
    if isinstance(task, Classification):
        fitted = None
        if temperature:
            outputs, targets = task.outputs(data.loader("validation"))
            fitted = fit_temperature(task.negative_log_likelihood, outputs, targets)
        chosen.append(partial(look_at_calibration, fitted=fitted))
    if robustness:
        chosen.append(look_at_robustness)
    return chosen
