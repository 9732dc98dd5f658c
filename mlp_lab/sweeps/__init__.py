"""What turns many runs into one answer."""
