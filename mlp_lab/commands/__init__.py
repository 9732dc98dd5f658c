"""One module per command: check the arguments first, then import the implementation."""
