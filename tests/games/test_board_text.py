"""The board as text."""

import numpy as np

from mlp_lab.games.backgammon.board_text import board_text
from mlp_lab.games.backgammon.position import START

INITIAL = """\
 position 4HPwATDgc/ABMA
 +13-14-15-16-17-18------19-20-21-22-23-24-+  O  network
 | X           O    |   | O              X |  pips 167, off 0
 | X           O    |   | O              X |
 | X           O    |   | O                |
 | X                |   | O                |
 | X                |   | O                |
 |                  |BAR|                  |  X to play 3 1
 | O                |   | X                |
 | O                |   | X                |
 | O           X    |   | X                |
 | O           X    |   | X              O |
 | O           X    |   | X              O |  pips 167, off 0
 +12-11-10--9--8--7-------6--5--4--3--2--1-+  X  you"""

# X: 12 checkers on point 6 and two on the bar, one is off; O: ten off, four on point 1, one on the
# bar.
LATE = """\
 +13-14-15-16-17-18------19-20-21-22-23-24-+  O  network
 |                  |   |                O |  pips 29, off 10
 |                  |   |                O |
 |                  |   |                O |
 |                  | X |                O |
 |                  | X |                  |
 |                  |BAR|                  |  O to roll
 |                  | O |12                |
 |                  |   | X                |
 |                  |   | X                |
 |                  |   | X                |
 |                  |   | X                |  pips 122, off 1
 +12-11-10--9--8--7-------6--5--4--3--2--1-+  X  you"""


def test_the_initial_position() -> None:
    assert board_text(START, (3, 1), names=("you", "network")) == INITIAL


def test_bar_high_stacks_and_borne_off_checkers() -> None:
    board = np.zeros((2, 25), np.int8)
    board[0, [5, 24]] = 12, 2
    board[1, [0, 24]] = 4, 1
    text = board_text(board, x_on_roll=False, names=("you", "network"))
    assert text.split("\n", 1)[1] == LATE


def test_the_position_id_is_that_of_the_player_on_roll() -> None:
    board = START.copy()
    board[0, [12, 10]] = 4, 1
    first, second = (board_text(board, x_on_roll=x).split("\n")[0] for x in (True, False))
    assert first != second


def test_lines_have_at_most_80_characters() -> None:
    text = board_text(START, (6, 6), names=("a" * 100, "b" * 100))
    assert max(map(len, text.splitlines())) <= 80
