"""Functions from arrays to matplotlib figures; none knows runs, files or TensorBoard."""
