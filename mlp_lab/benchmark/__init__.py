"""Speed comparisons with other implementations."""
