"""Each optimizer of ``conf/optimizer`` follows its published formula, in a loop in numpy."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from mlp_lab.runs.build import build

ETA, STEPS = 0.1, 20
Formula = Callable[[np.ndarray, Iterator[np.ndarray]], Iterator[np.ndarray]]


def sgd(w, gradients):
    """Gradient descent: w <- w - eta g."""
    for g in gradients:
        w = w - ETA * g
        yield w


def momentum(w, gradients):
    """Polyak 1964: v <- 0.9 v - eta g, w <- w + v."""
    v = np.zeros_like(w)
    for g in gradients:
        v = 0.9 * v - ETA * g
        w = w + v
        yield w


def nesterov(w, gradients):
    """Sutskever et al. 2013, equation 7, at the point w + 0.9 v where the gradient is measured."""
    v = np.zeros_like(w)
    for g in gradients:
        v = 0.9 * v - ETA * g
        w = w - ETA * g + 0.9 * v
        yield w


def adam(w, gradients):
    """Kingma and Ba 2015, algorithm 1."""
    m = v = np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        w = w - ETA * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        yield w


def adamw(w, gradients):
    """Loshchilov and Hutter 2019, algorithm 2: Adam, with a decay beside the gradient."""
    m = v = np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        step = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        w = w - ETA * (step + 0.01 * w)
        yield w


def rmsprop(w, gradients):
    """Tieleman and Hinton 2012."""
    v = np.zeros_like(w)
    for g in gradients:
        v = 0.99 * v + 0.01 * g**2
        w = w - ETA * g / (np.sqrt(v) + 1e-8)
        yield w


def adagrad(w, gradients):
    """Duchi et al. 2011."""
    total = np.zeros_like(w)
    for g in gradients:
        total = total + g**2
        w = w - ETA * g / (np.sqrt(total) + 1e-10)
        yield w


@pytest.mark.parametrize("formula", [sgd, momentum, nesterov, adam, adamw, rmsprop, adagrad])
def test_weights_after_each_step_follow_the_formula(
    formula: Formula, compose: Callable[..., DictConfig]
) -> None:
    cfg = compose(f"optimizer={formula.__name__}", f"optimizer.lr={ETA}")
    start, *gradients = torch.randn(STEPS + 1, 3, 2, dtype=torch.float64).unbind()
    w = torch.nn.Parameter(start.clone())
    optimizer = build(cfg.optimizer, [w])
    for g, expected in zip(
        gradients, formula(start.numpy(), (g.numpy() for g in gradients)), strict=True
    ):
        w.grad = g.clone()
        optimizer.step()
        np.testing.assert_allclose(w.detach(), expected, rtol=1e-9, atol=1e-12)
