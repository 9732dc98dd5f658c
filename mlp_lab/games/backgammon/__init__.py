"""Backgammon: positions, plays, encodings, TD(lambda), players and matches."""
