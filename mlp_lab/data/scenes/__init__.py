"""Scenes in space, and images of them from known cameras."""
