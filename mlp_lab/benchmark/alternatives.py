"""What users may choose instead of mlp_lab: torch.compile, torch.func.vmap and JAX."""

import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlp_lab.benchmark.implementations import LEARNING_RATE, Splits, plain_loop
from mlp_lab.benchmark.timing import TimedRun
from mlp_lab.errors import UserError, first_line


def compiled_loop(width: int, batch_size: int, splits: Splits) -> tuple[TimedRun, float]:
    """Return the plain loop with ``torch.compile``, and the seconds of its first epoch.

    The first epoch includes the compilation. It needs a C++ compiler.

    Raises:
        UserError: the compilation fails.
    """
    run = plain_loop(width, batch_size, splits, torch.compile)
    try:
        return run, run()
    except RuntimeError as error:
        raise UserError(f"torch.compile: {first_line(error)}") from error


def vmapped_loops(width: int, batch_size: int, members: int, splits: Splits) -> TimedRun:
    """Return a timed run of one epoch of several networks by ``torch.func.vmap``.

    All members get the same minibatches. The parameters are stacked, the gradients are those of
    ``torch.func.grad``.
    """
    (x, y), (x_validation, y_validation) = splits["train"], splits["validation"]
    networks = [
        nn.Sequential(nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))
        for _ in range(members)
    ]
    parameters, _ = torch.func.stack_module_state(networks)
    parameters = {name: value.detach() for name, value in parameters.items()}

    def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs = torch.func.functional_call(networks[0], parameters, (x,))
        return F.cross_entropy(outputs, y), outputs

    gradients = torch.func.grad_and_value(loss, has_aux=True)
    differentiate = torch.vmap(gradients, in_dims=(0, None, None))
    evaluate = torch.vmap(loss, in_dims=(0, None, None))

    def run() -> float:
        start = time.perf_counter()
        losses, wrong = [], []
        for rows in torch.randperm(len(x)).split(batch_size):
            inputs, targets = x.index_select(0, rows), y.index_select(0, rows)
            derivatives, (loss, outputs) = differentiate(parameters, inputs, targets)
            for name, derivative in derivatives.items():
                parameters[name].sub_(derivative, alpha=LEARNING_RATE)
            losses.append(loss)
            wrong.append(outputs.argmax(2).ne(targets).sum(1))
        torch.stack(losses).mean(0).tolist()
        torch.stack(wrong).sum(0).tolist()
        for inputs, targets in zip(x_validation.split(2000), y_validation.split(2000), strict=True):
            loss, outputs = evaluate(parameters, inputs, targets)
            loss.tolist()
            outputs.argmax(2).ne(targets).sum(1).tolist()
        return time.perf_counter() - start

    return run


def has_jax() -> bool:
    """Return whether JAX is installed (extra ``benchmark``)."""
    return find_spec("jax") is not None


def jax_loops(width: int, batch_size: int, members: int, splits: Splits) -> TimedRun:
    """Return a timed run of one epoch of several networks in JAX, compiled before.

    The epoch is one ``jit`` of a ``lax.scan`` over minibatches, the members are a ``vmap``. The
    last minibatch is left out if it is smaller than the others. ``has_jax`` must be true.
    """
    # One thread, as in the other loops.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    import jax
    import jax.numpy as jnp

    train, validation = (
        [jnp.asarray(t.numpy()) for t in splits[s]] for s in ("train", "validation")
    )
    steps = len(train[0]) // batch_size
    sizes: dict[str, tuple[int, ...]] = {"w1": (members, 784, width), "w2": (members, width, 10)}
    sizes |= {"b1": (members, width), "b2": (members, 10)}
    parameters = {
        name: jnp.asarray(0.03 * torch.randn(size).numpy()) for name, size in sizes.items()
    }
    epoch = jax.jit(_jax_epoch(jax))

    def run() -> float:
        nonlocal parameters
        start = time.perf_counter()
        rows = torch.randperm(len(train[0]))[: steps * batch_size].view(steps, batch_size)
        parameters, *metrics = epoch(parameters, jnp.asarray(rows.int().numpy()), train, validation)
        jax.block_until_ready(metrics)
        return time.perf_counter() - start

    run()  # compiles
    return run


def _jax_epoch(jax: Any) -> Callable[..., Any]:
    """Return a function that trains for an epoch, and returns new parameters and metrics."""
    numpy = jax.numpy

    def loss(p: Any, x: Any, y: Any) -> Any:
        outputs = jax.nn.relu(x @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]
        logs = jax.nn.log_softmax(outputs)
        mean = -numpy.take_along_axis(logs, y[:, None], 1).mean()
        return mean, (outputs.argmax(1) != y).mean()

    differentiate = jax.vmap(jax.value_and_grad(loss, has_aux=True), (0, None, None))

    def epoch(p: Any, rows: Any, train: Any, validation: Any) -> Any:
        def step(p: Any, rows: Any) -> Any:
            metrics, gradients = differentiate(p, train[0][rows], train[1][rows])
            return jax.tree.map(lambda a, g: a - LEARNING_RATE * g, p, gradients), metrics

        p, metrics = jax.lax.scan(step, p, rows)
        evaluated = jax.vmap(loss, (0, None, None))(p, *validation)
        return p, jax.tree.map(lambda values: values.mean(0), metrics), evaluated

    return epoch
