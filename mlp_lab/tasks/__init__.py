"""LightningModules: loss and metrics."""
