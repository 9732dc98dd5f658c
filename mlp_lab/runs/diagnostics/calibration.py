"""Whether a classifier is right as often as it says."""

from functools import partial

from mlp_lab.figures import reliability_diagram
from mlp_lab.formatting import percent
from mlp_lab.runs.diagnostics.diagnostic import Finding, Seen
from mlp_lab.runs.diagnostics.reliability import reliability
from mlp_lab.tasks.classification import Classification


def look_at_calibration(seen: Seen, fitted: float | None = None) -> Finding:
    """Error, mean negative log-likelihood and expected calibration error, and the curve.

    Args:
        seen: by a task that learns probabilities.
        fitted: a temperature by which the outputs are divided, in a second row and curve.
    """
    task = seen.task
    assert isinstance(task, Classification)
    rows, curves = [], {}
    for temperature in (1.0,) if fitted is None else (1.0, fitted):
        # In double precision, in which no two outputs become equal by a division.
        outputs = seen.outputs.double() / temperature
        right = task.predictions(outputs) == seen.targets
        bins = reliability(task.probabilities(outputs).amax(1), right)
        row = {
            "temperature": temperature,
            "error": float((~right).double().mean()),
            "nll": float(task.negative_log_likelihood(outputs, seen.targets)),
            "ece": bins.error,
        }
        rows.append(row)
        told = "as trained" if temperature == 1 else f"temperature {temperature:.3f}"
        label = f"{told}: ECE {percent(bins.error)}, NLL {row['nll']:.4f}"
        curves[label] = bins.counts.numpy(), bins.confidence.numpy(), bins.accuracy.numpy()
    return Finding(
        "calibration",
        rows,
        {"calibration": partial(reliability_diagram.reliability_diagram, curves)},
    )
