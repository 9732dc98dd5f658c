"""Selected positions and opening rolls, to inspect what a network has learned."""

from typing import NamedTuple

from mlp_lab.games.backgammon.estimates import Estimate, Probabilities, estimate, ranked_plays
from mlp_lab.games.backgammon.position import START, board_of_id

#: The plays of the opening rolls that experts and rollouts prefer, nearly equal ones included, by
#: the larger and the smaller die. The first one is the most common.
OPENINGS: dict[tuple[int, int], tuple[str, ...]] = {
    (2, 1): ("13/11 6/5", "24/23 13/11"),
    (3, 1): ("8/5 6/5",),
    (4, 1): ("24/23 13/9", "13/9 6/5"),
    (5, 1): ("24/23 13/8", "13/8 6/5"),
    (6, 1): ("13/7 8/7",),
    (3, 2): ("24/21 13/11", "13/11 13/10"),
    (4, 2): ("8/4 6/4",),
    (5, 2): ("13/11 13/8", "24/22 13/8"),
    (6, 2): ("24/18 13/11",),
    (4, 3): ("24/20 13/10", "24/21 13/9", "13/10 13/9"),
    (5, 3): ("8/3 6/3",),
    (6, 3): ("24/18 13/10", "24/15"),
    (5, 4): ("24/20 13/8", "13/9 13/8"),
    (6, 4): ("24/14", "24/18 13/9", "8/2 6/2"),
    (6, 5): ("24/13",),
}

_AFTER = "after the most common play of the opening roll; the other player is on roll"


class SelectedPosition(NamedTuple):
    """A position whose estimates show what a network has learned.

    Attributes:
        name: short name.
        position_id: position id of GNU Backgammon.
        meaning: one line about the position.
        exact: expected points of the player on roll with best play, None if they are not known.
    """

    name: str
    position_id: str
    meaning: str
    exact: float | None = None


POSITIONS = (
    SelectedPosition("start", "4HPwATDgc/ABMA", "the initial position, before any roll"),
    SelectedPosition("opening 21: 13/11 6/5", "0HPkATDgc/ABMA", _AFTER),
    SelectedPosition("opening 31: 8/5 6/5", "sGfwATDgc/ABMA", _AFTER),
    SelectedPosition("opening 41: 24/23 13/9", "4HPhASjgc/ABMA", _AFTER),
    SelectedPosition("opening 51: 24/23 13/8", "4PPgASjgc/ABMA", _AFTER),
    SelectedPosition("opening 61: 13/7 8/7", "4NvgATDgc/ABMA", _AFTER),
    SelectedPosition("opening 32: 24/21 13/11", "4HPkASLgc/ABMA", _AFTER),
    SelectedPosition("opening 42: 8/4 6/4", "mGfwATDgc/ABMA", _AFTER),
    SelectedPosition("opening 52: 13/11 13/8", "4PPIATDgc/ABMA", _AFTER),
    SelectedPosition("opening 62: 24/18 13/11", "4HPkQSDgc/ABMA", _AFTER),
    SelectedPosition("opening 43: 24/20 13/10", "4HPiASHgc/ABMA", _AFTER),
    SelectedPosition("opening 53: 8/3 6/3", "jGfwATDgc/ABMA", _AFTER),
    SelectedPosition("opening 63: 24/18 13/10", "4HPiQSDgc/ABMA", _AFTER),
    SelectedPosition("opening 54: 24/20 13/8", "4PPgASHgc/ABMA", _AFTER),
    SelectedPosition("opening 64: 24/14", "4HPwBSDgc/ABMA", _AFTER),
    SelectedPosition("opening 65: 24/13", "4HPwAyDgc/ABMA", _AFTER),
    SelectedPosition("race", "tDubAQBsd9YAAA", "no contact; 92 pips against 100"),
    SelectedPosition("back game", "uHs7AACwZ3AAMw", "holds points 22 and 24, 92 pips behind"),
    SelectedPosition("prime", "jHNmAyBm2zYAIA", "six points in a row hold one checker"),
    # 9 of the 36 rolls leave the checker on the board.
    SelectedPosition("bear-off 6", "AQAAgAAAAAAAAA", "one checker on point 6 to win", 1 / 2),
    SelectedPosition("bear-off 5 2", "AQAAiAAAAAAAAA", "checkers on 5 and 2 to win", 2 / 36),
    SelectedPosition("bear-off 6 1", "AQAABAEAAAAAAA", "checkers on 6 and 1 to win", -6 / 36),
    # The player on roll wins unless the other player alone rolls doubles: p = 1/6 + 5/6 * 5/6.
    SelectedPosition("bear-off 1 1 1 1", "DwAA4AEAAAAAAA", "four checkers each on 1", 26 / 36),
)


def selected_estimates(probabilities: Probabilities) -> dict[str, Estimate]:
    """Return the estimates of ``POSITIONS`` for the player on roll, by name."""
    return {
        position.name: estimate(probabilities, board_of_id(position.position_id))
        for position in POSITIONS
    }


def opening_plays(probabilities: Probabilities) -> dict[tuple[int, int], str]:
    """Return the plays that a network chooses for the opening rolls of ``OPENINGS``."""
    return {dice: ranked_plays(probabilities, START, dice)[0].text for dice in OPENINGS}
