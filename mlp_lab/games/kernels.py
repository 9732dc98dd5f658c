"""The decorator of compiled functions, whose cache notices changes of all of them.

The machine code of a kernel includes the functions that it calls. numba's cache notices a change of
the kernel's file only, not of theirs: it would run an outdated kernel. All kernels are therefore
cached in a folder that is named by the content of all modules of this package.
"""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import platformdirs
from numba import config, njit

Function = TypeVar("Function", bound=Callable[..., Any])


def _digest() -> str:
    """Return a digest of the modules of this package."""
    folder = Path(__file__).parent
    digest = sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


_base = os.environ.get("NUMBA_CACHE_DIR") or platformdirs.user_cache_dir("mlp_lab")
_folder = Path(_base) / "kernels" / _digest()
_is_new = not _folder.exists()
try:
    _folder.mkdir(parents=True, exist_ok=True)
    _is_writable = os.access(_folder, os.W_OK)
except OSError:
    _is_writable = False  # numba would refuse to compile
config.CACHE_DIR = str(_folder)  # type: ignore[attr-defined]  # numba defines it at run time


def compilation_hint() -> str | None:
    """Return a line for the user if the kernels have not been compiled yet, else None."""
    line = "compiling the game, which takes about half a minute"
    if not _is_writable:
        return f"{line}, each time: {_folder} cannot be written"
    return f"{line}, once" if _is_new else None


def kernel(**options: Any) -> Callable[[Function], Function]:
    """Return a decorator that compiles a function at its first call, and caches the machine code.

    Nothing is cached if the folder of the cache cannot be written.

    Args:
        options: further options of ``numba.njit``.
    """
    return njit(cache=_is_writable, **options)
