"""Compare the confidence of a classifier with its accuracy."""

from functools import partial

import torch
from torch import Tensor

from mlp_lab.config.metrics import get_metric
from mlp_lab.figures import reliability_diagram
from mlp_lab.tasks.diagnostics.diagnostic import Diagnostic
from mlp_lab.tasks.diagnostics.reliability import Reliability, reliability
from mlp_lab.tasks.diagnostics.split_predictions import SplitPredictions


def calibration(predictions: SplitPredictions) -> Diagnostic:
    """Return error, negative log-likelihood and expected calibration error, and their diagram.

    With ``predictions.temperature``, a second row and curve show the outputs divided by it.

    Args:
        predictions: those of a task that predicts probabilities.
    """
    rows, curves = [], {}
    fitted = predictions.temperature
    for temperature in (1.0,) if fitted is None else (1.0, fitted):
        # In double precision, in which the division does not make different outputs equal.
        outputs = predictions.outputs.double() / temperature
        row, bins = _calibration(predictions, outputs)
        rows.append({"temperature": temperature, **row})
        name = "as trained" if temperature == 1 else f"temperature {temperature:.3f}"
        ece, nll = (get_metric(metric).text(row[metric]) for metric in ("ece", "nll"))
        label = f"{name}: ECE {ece}, NLL {nll}"
        curves[label] = bins.counts.numpy(), bins.confidence.numpy(), bins.accuracy.numpy()
    draw = partial(reliability_diagram.reliability_diagram, curves)
    return Diagnostic("calibration", rows, {"calibration": draw})


def _calibration(
    predictions: SplitPredictions, outputs: Tensor
) -> tuple[dict[str, float], Reliability]:
    """Return the metrics for given outputs, and the bins of the diagram."""
    task, targets = predictions.task, predictions.targets
    probabilities = task.probabilities(outputs)
    assert probabilities is not None
    nll = float(task.negative_log_likelihood(outputs, targets))
    correct = task.predictions(outputs) == targets
    bins = reliability(probabilities.amax(1), correct)
    error = float((~correct).to(torch.float64).mean())
    return {"error": error, "nll": nll, "ece": bins.error}, bins
