"""Tables and figures of a task's predictions for a split."""
