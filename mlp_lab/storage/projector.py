"""Vectors for TensorBoard's embedding projector, which shows them in two or three dimensions."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from google.protobuf import text_format
from tensorboard.plugins.projector.metadata import PROJECTOR_FILENAME
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from mlp_lab.storage.files import write_whole


class Sprite(NamedTuple):
    """The images of all vectors in one image, row by row, with as many rows as columns.

    Attributes:
        png: content of the PNG file.
        width: width of each image in pixels.
        height: height of each image in pixels.
    """

    png: bytes
    width: int
    height: int


def write_embedding(
    folder: Path,
    name: str,
    vectors: np.ndarray,
    columns: Mapping[str, Sequence[object]],
    sprite: Sprite | None,
) -> None:
    """Write an embedding, which replaces an earlier one with the same name.

    Args:
        folder: folder of the event files; the files are in its subfolder ``projector/<name>``.
        name: name of the embedding.
        vectors: vectors ``[n, units]``.
        columns: labels of the vectors, ``n`` values in each of at least two named columns.
        sprite: images of the vectors; None: none.
    """
    config = ProjectorConfig()
    path = folder / PROJECTOR_FILENAME
    if path.is_file():
        text_format.Parse(path.read_text(encoding="utf-8"), config)
    others = [embedding for embedding in config.embeddings if embedding.tensor_name != name]
    config = ProjectorConfig(embeddings=others)
    place = f"projector/{name}"
    embedding = config.embeddings.add(
        tensor_name=name,
        tensor_path=f"{place}/tensors.tsv",
        metadata_path=f"{place}/metadata.tsv",
    )
    write_whole(folder / embedding.tensor_path, _tensors(vectors))
    write_whole(folder / embedding.metadata_path, _metadata(columns))
    if sprite is not None:
        embedding.sprite.image_path = f"{place}/sprite.png"
        embedding.sprite.single_image_dim.extend([sprite.width, sprite.height])
        write_whole(folder / embedding.sprite.image_path, sprite.png)
    write_whole(path, text_format.MessageToString(config).encode())


def _tensors(vectors: np.ndarray) -> bytes:
    text = io.BytesIO()
    np.savetxt(text, vectors, fmt="%.6g", delimiter="\t")
    return text.getvalue()


def _metadata(columns: Mapping[str, Sequence[object]]) -> bytes:
    rows = [columns.keys(), *zip(*columns.values(), strict=True)]
    # A tab or a line end in a value would start a new cell.
    lines = ("\t".join(" ".join(str(cell).split()) for cell in row) for row in rows)
    return ("\n".join(lines) + "\n").encode()
