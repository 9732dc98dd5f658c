"""Opponents of known strength: pubeval and GNU Backgammon, from a package that is optional."""
