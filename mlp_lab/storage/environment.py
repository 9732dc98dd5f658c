"""How a run was started: versions, machine, command, state of the checkout."""

import os
import platform
import subprocess
import sys
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlp_lab import __version__

_PACKAGES = ("torch", "torchvision", "pytorch-lightning", "hydra-core", "numpy")
_CHECKOUT = Path(__file__).parents[2]


def environment() -> dict[str, Any]:
    """Return how a run was started: versions, machine, command, state of the checkout."""
    return {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "python": platform.python_version(),
        "packages": {"mlp-lab": __version__, **{name: version(name) for name in _PACKAGES}},
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "omp": {k: v for k, v in os.environ.items() if k.startswith(("OMP_", "GOMP_"))},
        "git": _git("rev-parse", "HEAD"),
        "git_dirty": bool(_git("status", "--porcelain")),
    }


@cache
def _git(*arguments: str) -> str | None:
    """Return the output of git for the checkout; None if the package was installed as a wheel."""
    if not (_CHECKOUT / ".git").exists():
        return None
    command = ["git", "-C", str(_CHECKOUT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
