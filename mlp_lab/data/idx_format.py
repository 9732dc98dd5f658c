"""The content of the idx files of MNIST's authors."""

import numpy as np
import torch
from torch import Tensor


def check_examples(images: Tensor, targets: Tensor, classes: int) -> None:
    """Raise ValueError unless there are as many labels of ``classes`` as images of 28 x 28."""
    if images.dim() != 3 or images.shape[1:] != (28, 28) or images.dtype != torch.uint8:
        raise ValueError(f"images of {images.dtype} {list(images.shape)}")
    if targets.shape != images.shape[:1] or not len(targets):
        raise ValueError(f"{len(images)} images and {len(targets)} labels")
    if not 0 <= int(targets.min()) <= int(targets.max()) < classes:
        raise ValueError(f"the label {int(targets.max())}; labels must be 0 to {classes - 1}")


def to_idx(array: np.ndarray) -> bytes:
    """Return an array of bytes in the idx format of MNIST's authors.

    The format is two zero bytes, the type (8: unsigned byte), the number of dimensions, each
    dimension as a big-endian int32, then the elements in C order.
    """
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    return header + np.ascontiguousarray(array, np.uint8).tobytes()
