"""Experiments with multilayer perceptrons: train, evaluate, sweep and compare runs."""

__version__ = "0.1.0"
