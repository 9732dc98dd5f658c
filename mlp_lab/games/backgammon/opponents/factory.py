"""Opponents by name."""

from mlp_lab.errors import UserError
from mlp_lab.games.backgammon.opponents.gnubg import GnubgPlayer
from mlp_lab.games.backgammon.opponents.pubeval import PubevalPlayer
from mlp_lab.games.backgammon.players import Player, RandomPlayer

OPPONENTS: dict[str, type[Player]] = {
    player.name: player for player in (RandomPlayer, PubevalPlayer, GnubgPlayer)
}


def opponent(name: str) -> Player:
    """Return a new opponent.

    Args:
        name: random, pubeval or gnubg.

    Raises:
        UserError: there is no such opponent, or the package that it needs is not installed.
    """
    if name not in OPPONENTS:
        raise UserError(f"opponent={name}: must be one of {', '.join(OPPONENTS)}")
    return OPPONENTS[name]()
