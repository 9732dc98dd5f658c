"""Isolate a call of the Python API from the process, such as a user's notebook.

This module does not import torch.
"""

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from hydra.errors import HydraException

from mlp_lab.config.compose import isolated_hydra
from mlp_lab.config.error_messages import USER_ERRORS, user_message
from mlp_lab.config.schemas.train import Train
from mlp_lab.errors import UserError
from mlp_lab.runs.cluster import without_cluster_variables
from mlp_lab.runs.environment import restored_environment
from mlp_lab.runs.threads import restored_threads


@contextmanager
def session() -> Iterator[None]:
    """Restore the state of the process when the context ends, and convert errors.

    The state is that of Hydra, the environment, torch's number of threads, and the global random
    number generators.
    """
    with ExitStack() as stack:
        stack.enter_context(isolated_hydra())
        stack.enter_context(restored_environment())
        stack.enter_context(restored_threads())
        stack.enter_context(_restored_generators())
        stack.enter_context(without_cluster_variables())
        stack.enter_context(user_errors(Train, *USER_ERRORS, HydraException))
        yield


@contextmanager
def user_errors(root: type, *errors: type[Exception]) -> Iterator[None]:
    """Raise UserError with one line for ``errors``, and for an extra that is not installed.

    Args:
        root: schema of the config to which messages refer.
        errors: classes of errors that the user caused.
    """
    try:
        yield
    except Exception as error:
        if (message := user_message(error, root, errors)) is None:
            raise
        raise UserError(message) from error


@contextmanager
def _restored_generators() -> Iterator[None]:
    """Restore the global generators, which a run seeds; torch's only if it is imported already."""
    modules: dict[str, Any] = {name: sys.modules.get(name) for name in ("numpy", "torch")}
    numpy, torch = modules.values()
    state = random.getstate()
    of_numpy = numpy.random.get_state() if numpy else None
    of_torch = torch.get_rng_state() if torch else None
    try:
        yield
    finally:
        random.setstate(state)
        if numpy:
            numpy.random.set_state(of_numpy)
        if torch:
            torch.set_rng_state(of_torch)
