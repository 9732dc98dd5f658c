"""A game between a person and an opponent, which can be saved and continued."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlp_lab.config.names import PLAY_OPPONENTS, PLAY_SIDES
from mlp_lab.errors import UserError
from mlp_lab.games.backgammon.dice import game_key, opening_roll, roll
from mlp_lab.games.backgammon.notation import describe_plays
from mlp_lab.games.backgammon.plays import legal_plays
from mlp_lab.games.backgammon.position import START, flipped, position_id, winner_points

_VERSION = 1


class Game:
    """The positions of a game and its dice, which are a function of the seed.

    Args:
        seed: seed of the dice.
        side: ``first`` if the person starts, ``second`` if the opponent starts, ``roll`` if the
            opening roll decides.
        opponent: name of the opponent.
    """

    def __init__(self, seed: int, side: str, opponent: str) -> None:
        self.seed, self.side, self.opponent = seed, side, opponent
        self._key = game_key(seed, 0)
        self._opening = opening_roll(self._key)
        self._person_starts = side == "first" or (
            side == "roll" and self._opening[0] > self._opening[1]
        )
        self._plies: list[dict[str, str]] = []
        #: The position from the view of the player on roll, int8 ``[2, 25]``.
        self.board: np.ndarray = START.copy()

    @property
    def ply(self) -> int:
        """The number of plays so far."""
        return len(self._plies)

    @property
    def person_on_roll(self) -> bool:
        """Whether it is the person's turn."""
        return self._person_starts == (self.ply % 2 == 0)

    @property
    def dice(self) -> tuple[int, int]:
        """The dice of the player on roll, the larger die first."""
        first, second = self._opening if self.ply == 0 else roll(self._key, self.ply)
        return max(first, second), min(first, second)

    @property
    def view(self) -> np.ndarray:
        """The position from the person's view, int8 ``[2, 25]``."""
        return self.board if self.person_on_roll else flipped(self.board)

    @property
    def points(self) -> int:
        """The person's points: 0 before the end, negative for a loss."""
        return winner_points(self.view)

    def plays(self) -> dict[str, np.ndarray]:
        """Return the legal plays in standard notation, with the boards after them.

        Row 0 of a board is the player who has moved. Plays that start at a high point are first.
        """
        afters = legal_plays(self.board, *self.dice)
        texts = describe_plays(self.board, afters, self.dice)
        pairs = zip(texts, afters, strict=True)
        return dict(sorted(pairs, key=lambda pair: _points(pair[0]), reverse=True))

    def play(self, text: str, after: np.ndarray) -> None:
        """Make a play, which is one of ``plays()``."""
        dice = "".join(map(str, self.dice))
        self.board = flipped(after).copy()
        self._plies.append({"dice": dice, "play": text, "position": position_id(self.board)})

    def to_json(self) -> dict[str, Any]:
        """Return the game as a dictionary of JSON."""
        options = {"seed": self.seed, "side": self.side, "opponent": self.opponent}
        return {"version": _VERSION, **options, "plies": self._plies}

    @classmethod
    def from_json(cls, content: Any) -> "Game":
        """Return a saved game.

        Raises:
            UserError: the content is not that of a game with legal plays and the dice of its seed.
        """
        if not isinstance(content, Mapping) or "version" not in content:
            raise UserError("damaged: not a saved game")
        if content["version"] != _VERSION:
            raise UserError(f"version {content['version']}: must be {_VERSION}")
        try:
            game = cls._replayed(content)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UserError(f"damaged: {type(error).__name__}: {error}") from error
        if game.to_json() != content:
            raise UserError("damaged: dice or positions differ from those of the plays")
        return game

    @classmethod
    def _replayed(cls, content: Mapping[str, Any]) -> "Game":
        """Return the game with the seed and the plays of a saved game."""
        seed, side, opponent = (content[key] for key in ("seed", "side", "opponent"))
        if type(seed) is not int or side not in PLAY_SIDES or opponent not in PLAY_OPPONENTS:
            raise ValueError(f"seed {seed!r}, side {side!r}, opponent {opponent!r}")
        game = cls(seed, side, opponent)
        for number, ply in enumerate(content["plies"], 1):
            plays = {} if game.points else game.plays()
            if ply["play"] not in plays:
                raise ValueError(f"ply {number}: {ply['play']!r} is not a legal play")
            game.play(ply["play"], plays[ply["play"]])
        return game


def _points(text: str) -> list[int]:
    """Return the points in the notation of a play as numbers, for sorting."""
    names = re.findall(r"bar|off|\d+", text)
    return [{"bar": 25, "off": 0}[name] if name.isalpha() else int(name) for name in names]
