"""The decorator of compiled functions, whose cache notices changes of all of them.

numba compiles the functions that a kernel calls into it. Its cache notices a change of the kernel's
file only, not of theirs: it would run an outdated kernel. All kernels are therefore cached in a
folder that is named by the content of all modules of this package.
"""

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


# numba defines its settings at run time.
config.CACHE_DIR = str(  # type: ignore[attr-defined]
    Path(platformdirs.user_cache_dir("mlp_lab")) / "kernels" / _digest()
)


def compilation_hint() -> str | None:
    """Return a line for the user if the kernels have not been compiled yet, else None."""
    if Path(config.CACHE_DIR).exists():  # type: ignore[attr-defined]
        return None
    return "compiling the rules of the game, which takes about half a minute, once"


def kernel(**options: Any) -> Callable[[Function], Function]:
    """Return a decorator that compiles a function at its first call, and caches the machine code.

    Args:
        options: further options of ``numba.njit``.
    """
    return njit(cache=True, **options)
