"""The four idx files of a data set in MNIST's format: found, downloaded, and verified."""

import hashlib
import logging
import zlib
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar

from mlp_lab.data import fetch
from mlp_lab.data.datamodule import DataModule
from mlp_lab.data.local_files import read_local_file
from mlp_lab.errors import UserError
from mlp_lab.storage.files import write_whole

log = logging.getLogger(__name__)

# The exceptions of a source that has no files or damaged files.
_FAILURES = (OSError, RuntimeError, EOFError, zlib.error, HTTPException, UserError)


class IdxFiles(DataModule):
    """Data from four idx files: images and labels for training and for the test.

    The MD5 digests of the unpacked files are verified. If there is a file ``MD5SUMS`` (written by
    ``md5sum *-ubyte > MD5SUMS``) beside them, they are another data set in MNIST's format: they are
    verified against MD5SUMS, and nothing is downloaded.

    Args:
        root: folder that contains ``<name>/raw``, as torchvision makes it, or the four files, also
            with the suffix .gz or with names such as ``train-images.idx3-ubyte``; None: the user's
            cache.
    """

    dataset: Any  # a class of torchvision.datasets
    md5: ClassVar[dict[str, str]]

    def __init__(self, *, root: str | None, **common: Any) -> None:
        super().__init__(**common)
        self.root = Path(root) if root is not None else fetch.cache_folder()

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

    def _torchvision(self) -> None:
        if not any(map(fetch.answers, self.dataset.mirrors)):
            raise OSError("no mirror of torchvision answers")
        log.info("%s: downloading to %s", self.dataset.__name__, self.raw)
        with fetch.connection_timeout():
            self.dataset(self.root, download=True)


def _read_sums(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
