"""Differentiable measurements of what a network represents, such as projections of an image."""
