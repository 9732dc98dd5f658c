"""One module per command: each composes and checks its config, then imports what does the work."""
