"""Plain PyTorch: networks, encodings, schedules, closed-form gradients, stacking."""
