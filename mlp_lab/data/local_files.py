"""Search a user's folders for data files that other programs or people have named and packed."""

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from mlp_lab.errors import UserError
from mlp_lab.images.image_decoding import gunzip

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_BYTES = 2**27  # MNIST's largest file has 47 million


def read_local_file(name: str, md5: str, folders: Iterable[Path]) -> bytes | None:
    """Return the content of an idx file that is in one of ``folders``, unpacked.

    The file may be packed by gzip, and its name may have a dot (``train-images.idx3-ubyte``).

    Args:
        name: published name of the file, such as ``train-images-idx3-ubyte``.
        md5: hexadecimal digest of the unpacked content.
        folders: folders in the order of the search; they need not exist.

    Returns:
        The content of the first file with this digest; None if no file has one of the names.

    Raises:
        UserError: no file with one of the names has this digest; the message names a file.
    """
    rejected = []
    for path in _candidates(name, folders):
        try:
            content = path.read_bytes()
            if content[:2] == _GZIP_MAGIC:
                content = gunzip(content, _MAX_BYTES)
        except (OSError, EOFError, ValueError, zlib.error) as error:
            rejected.append(f"{path}: damaged ({error}); the MD5 of its content must be {md5}")
            continue
        if (digest := hashlib.md5(content).hexdigest()) == md5:
            return content
        rejected.append(f"{path}: damaged (the MD5 of its content is {digest}, must be {md5})")
    if rejected:
        raise UserError(rejected[0])
    return None


def _candidates(name: str, folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the files that may be the file ``name``."""
    names = [name, name.replace("-idx", ".idx")]
    for folder in folders:
        paths = (folder / f"{each}{suffix}" for each in names for suffix in ("", ".gz"))
        yield from (path for path in paths if path.is_file())
