"""Functions that take arrays and return matplotlib figures.

They do not access run folders, files or TensorBoard.
"""
