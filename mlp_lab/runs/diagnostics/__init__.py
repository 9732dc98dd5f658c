"""Diagnostics of a classifier on a split: class errors, calibration, robustness, embeddings."""
