"""Files: run folders, sweep folders, checkpoints, TensorBoard event files."""
