"""Where the last hidden layer of a classifier puts examples."""

from pathlib import Path

import numpy as np

from mlp_lab.inspection.look import Seen
from mlp_lab.layers import last_hidden
from mlp_lab.projector import write_embedding


def embed(seen: Seen, most: int, folder: Path, name: str) -> int:
    """Show the last hidden layer's outputs in TensorBoard's projector; return for how many.

    Args:
        seen: by a network that has a hidden layer.
        most: examples at most, spread evenly over the split.
        folder: of the run.
        name: of the embedding.
    """
    targets, predictions = seen.targets.numpy(), seen.predictions.numpy()
    count = min(most, len(targets))
    rows = np.linspace(0, len(targets) - 1, count).round().astype(int)
    vectors = last_hidden(seen.task.evaluated, seen.inputs[rows]).float().numpy()
    names = np.array(seen.data.class_names)
    columns = {
        "truth": names[targets[rows]],
        "prediction": names[predictions[rows]],
        "right": np.where(targets == predictions, "yes", "no")[rows],
        "index": rows,
    }
    if seen.confidences is not None:
        columns["confidence"] = seen.confidences.numpy()[rows].round(4)
    write_embedding(folder, name, vectors, columns, seen.pictures(rows))
    return count
