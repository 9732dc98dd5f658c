"""Games whose players learn from self-play: rules, encodings, learning and matches."""
