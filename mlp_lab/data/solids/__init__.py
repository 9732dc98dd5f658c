"""Solids in the unit cube: which points they contain, their surfaces, and triangle meshes."""
