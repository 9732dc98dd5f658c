"""The typed config: what may be said, and what is answered when something else is said.

Nothing in here imports torch, so that a refused override is answered at once.
"""

from pathlib import Path

from mlp_lab.config.check import check
from mlp_lab.config.help import help_text
from mlp_lab.config.mistakes import explain

_PACKAGE = Path(__file__).resolve().parents[1]

# The wheel carries conf/ inside the package; a checkout has it beside the package.
FOLDER = next(p for p in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if p.is_dir())

__all__ = ["FOLDER", "check", "explain", "help_text"]
