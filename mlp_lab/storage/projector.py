"""Vectors for TensorBoard's embedding projector, which shows them in two or three dimensions."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from google.protobuf import text_format
from tensorboard.plugins.projector.metadata import PROJECTOR_FILENAME
from tensorboard.plugins.projector.projector_config_pb2 import EmbeddingInfo, ProjectorConfig

from mlp_lab.errors import UserError, first_line
from mlp_lab.storage.files import write_whole
from mlp_lab.storage.records import read_text

_MAX_BYTES = 2**20  # of the list of embeddings


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
        try:
            text_format.Parse(read_text(path, _MAX_BYTES), config)
        except (text_format.ParseError, RecursionError) as error:
            raise UserError(f"{path}: damaged: {first_line(error)}") from error
    # TensorBoard would show files outside the folder that a file from elsewhere names.
    others = [e for e in config.embeddings if e.tensor_name != name and _is_inside(e)]
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


def _is_inside(embedding: EmbeddingInfo) -> bool:
    """Return whether all files of an embedding are in the folder ``projector``."""
    names = (embedding.tensor_path, embedding.metadata_path, embedding.sprite.image_path)
    return all(
        Path(name).parts[:1] == ("projector",) and ".." not in Path(name).parts
        for name in filter(None, names)
    )


def _tensors(vectors: np.ndarray) -> bytes:
    text = io.BytesIO()
    np.savetxt(text, vectors, fmt="%.6g", delimiter="\t")
    return text.getvalue()


def _metadata(columns: Mapping[str, Sequence[object]]) -> bytes:
    rows = [columns.keys(), *zip(*columns.values(), strict=True)]
    # A tab or a line end in a value would start a new cell.
    lines = ("\t".join(" ".join(str(cell).split()) for cell in row) for row in rows)
    return ("\n".join(lines) + "\n").encode()
