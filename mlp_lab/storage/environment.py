"""How a run was started: versions, machine, command, state of the checkout."""

import os
import platform
import re
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
    """Return how a run was started, and all that its numbers depend on besides its config.

    These are the versions, the threads, the processor and its instructions, and the checkout.
    """
    import torch  # slow, and not needed to read the folder of a run

    status = _git("status", "--porcelain")
    return {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "python": platform.python_version(),
        "packages": {"mlp-lab": __version__, **_versions()},
        "platform": platform.platform(),
        "machine": platform.node(),
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "omp": {k: v for k, v in os.environ.items() if k.startswith(("OMP_", "GOMP_"))},
        "git": _git("rev-parse", "HEAD"),
        "git_dirty": None if status is None else bool(status),
    }


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in _PACKAGES}


@cache
def _processor() -> str:
    """Return the model of the processor, as Linux names it; elsewhere its architecture."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    models = re.findall(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return models[0] if models else platform.machine()


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
