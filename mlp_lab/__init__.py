"""Multilayer perceptrons as experiments: run, vary, sweep and look at them."""

__version__ = "0.1.0"
