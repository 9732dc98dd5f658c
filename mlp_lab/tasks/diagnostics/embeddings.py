"""The outputs of a classifier's last hidden layer in TensorBoard's projector."""

import math
from pathlib import Path

import numpy as np

from mlp_lab.figures.tiles import tile_images
from mlp_lab.images.codecs import encode_png, to_uint8
from mlp_lab.nn.probes import last_hidden_outputs
from mlp_lab.storage.projector import Sprite, write_embedding
from mlp_lab.tasks.diagnostics.split_predictions import SplitPredictions


def write_embeddings(predictions: SplitPredictions, maximum: int, folder: Path, name: str) -> int:
    """Write the outputs of the last hidden layer for the projector; return the number of examples.

    Args:
        predictions: those of a task whose targets are classes, with a network with a hidden layer.
        maximum: maximum number of examples, spread evenly over the split.
        folder: the run folder.
        name: name of the embedding.
    """
    targets, predicted = predictions.targets.numpy(), predictions.predictions.numpy()
    count = min(maximum, len(targets))
    rows = np.linspace(0, len(targets) - 1, count).round().astype(int)
    vectors = (
        last_hidden_outputs(predictions.task.evaluated, predictions.inputs[rows]).float().numpy()
    )
    names = np.array(predictions.data.class_names)
    columns = {
        "truth": names[targets[rows]],
        "prediction": names[predicted[rows]],
        "correct": np.where(targets == predicted, "yes", "no")[rows],
        "index": rows,
    }
    if predictions.confidences is not None:
        columns["confidence"] = predictions.confidences.numpy()[rows].round(4)
    images = predictions.images(rows)
    write_embedding(folder, name, vectors, columns, None if images is None else _sprite(images))
    return count


def _sprite(images: np.ndarray) -> Sprite:
    """Return the sprite of images ``[n, height, width]`` in [0, 1]."""
    n, height, width = images.shape
    columns = math.ceil(math.sqrt(n))
    blank = np.zeros((columns**2 - n, height, width), images.dtype)
    # Dark on light, since the projector multiplies the sprite by the colour of the class.
    sheet = tile_images(1 - np.concatenate([images, blank]), columns)
    return Sprite(encode_png(to_uint8(sheet[:, :, None])), width, height)
