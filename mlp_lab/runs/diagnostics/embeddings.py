"""Where the last hidden layer of a classifier puts examples."""

import math
from pathlib import Path

import numpy as np

from mlp_lab.figures.tiles import tile_images
from mlp_lab.images.codecs import encode_png, to_uint8
from mlp_lab.nn.probes import last_hidden_outputs
from mlp_lab.runs.diagnostics.diagnostic import Seen
from mlp_lab.storage.projector import Sprite, write_embedding


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
    vectors = last_hidden_outputs(seen.task.evaluated, seen.inputs[rows]).float().numpy()
    names = np.array(seen.data.class_names)
    columns = {
        "truth": names[targets[rows]],
        "prediction": names[predictions[rows]],
        "right": np.where(targets == predictions, "yes", "no")[rows],
        "index": rows,
    }
    if seen.confidences is not None:
        columns["confidence"] = seen.confidences.numpy()[rows].round(4)
    images = seen.pictures(rows)
    write_embedding(folder, name, vectors, columns, None if images is None else _sprite(images))
    return count


def _sprite(images: np.ndarray) -> Sprite:
    """Return the sprite of images ``[n, height, width]`` in [0, 1]."""
    n, height, width = images.shape
    columns = math.ceil(math.sqrt(n))
    blank = np.zeros((columns**2 - n, height, width), images.dtype)
    # Dark on light: the projector multiplies the sprite by the colour of the class.
    sheet = tile_images(1 - np.concatenate([images, blank]), columns)
    return Sprite(encode_png(to_uint8(sheet[:, :, None])), width, height)
