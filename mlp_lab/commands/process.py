"""Make a command independent of settings that its process inherits from other programs."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps

# Figures need neither a window nor the user's style. A notebook sets a backend that only it has,
# and matplotlib can't be imported with an unknown one.
_ENVIRONMENT = {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}


def entry_point(command: Callable[[], None]) -> Callable[[], None]:
    """Return a command that runs in an environment as mlp_lab needs it, and restores it."""

    @wraps(command)
    def run() -> None:
        with _environment():
            command()

    return run


@contextmanager
def _environment() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
