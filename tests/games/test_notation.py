"""Plays in standard notation, against hand-written cases and by replaying them."""

import re

import numpy as np
import pytest

from mlp_lab.games.backgammon.notation import describe_play, describe_plays
from mlp_lab.games.backgammon.plays import legal_plays
from mlp_lab.games.backgammon.position import START, flipped, winner_points


def board(own: dict[int, int], opponent: dict[int, int]) -> np.ndarray:
    """Return a board; points have the numbers of each player, 25 is the bar."""
    rows = np.zeros((2, 25), np.int8)
    for row, checkers in enumerate((own, opponent)):
        for point, number in checkers.items():
            rows[row, point - 1] = number
    return rows


def applied(before: np.ndarray, text: str) -> np.ndarray:
    """Return the board after a play in standard notation."""
    after = before.astype(int)
    names = {"bar": 25, "off": 0}
    for part in [] if text == "no play" else text.split():
        path, times = re.fullmatch(r"([^(]+)(?:\((\d)\))?", part).groups()
        stops = [(names.get(s) or int(s.replace("off", "0")), hit)
                 for s, hit in re.findall(r"(bar|off|\d+)(\*?)", path)]  # fmt: skip
        after[0, stops[0][0] - 1] -= int(times or 1)
        if stops[-1][0]:
            after[0, stops[-1][0] - 1] += int(times or 1)
        for point, hit in stops:
            if hit:
                after[1, 24 - point] -= 1
                after[1, 24] += 1
    return after


@pytest.mark.parametrize(
    ("after", "dice", "play"),
    [
        ({24: 2, 13: 5, 8: 2, 6: 4, 5: 2}, (3, 1), "8/5 6/5"),
        ({24: 1, 13: 6, 8: 3, 6: 5}, (6, 5), "24/13"),
        ({24: 1, 18: 1, 13: 4, 11: 1, 8: 3, 6: 5}, (6, 2), "24/18 13/11"),
        ({24: 2, 13: 5, 8: 1, 7: 2, 6: 3, 5: 2 + 2}, (1, 1), None),
        ({24: 2, 13: 5, 8: 1, 7: 2, 6: 3, 5: 2}, (1, 1), "8/7(2) 6/5(2)"),
        ({24: 2, 13: 3, 8: 3, 6: 5, 5: 2}, (4, 4), "13/5(2)"),
    ],
)
def test_plays_from_the_initial_position(after, dice, play):
    resulting = board(after, {24: 2, 13: 5, 8: 3, 6: 5})
    if play is None:
        with pytest.raises(ValueError, match="no play with the dice 1 and 1"):
            describe_play(START, resulting, dice)
    else:
        assert describe_play(START, resulting, dice) == play


@pytest.mark.parametrize(
    ("own", "opponent", "dice", "plays"),
    [
        # A hit on the way, and the way around it.
        ({24: 1}, {6: 2, 2: 1}, (3, 1), {"24/23*/20", "24/20"}),
        ({8: 2}, {6: 2, 20: 1}, (3, 3), {"8/5*/2 8/2"}),
        ({8: 2}, {6: 2, 20: 1, 23: 2}, (3, 3), {"8/5*(2)"}),
        # Bearing off with exact dice, and from a lower point.
        ({6: 1, 4: 1, 1: 1}, {6: 2}, (6, 4), {"6/off 4/off", "6/2 4/off"}),
        ({2: 1, 1: 2}, {6: 2}, (5, 5), {"2/off 1/off(2)"}),
        # Entering from the bar.
        ({25: 1, 6: 1}, {6: 2, 3: 1}, (6, 3), {"bar/22*/16"}),
        ({25: 1, 6: 1}, {6: 2, 3: 2}, (6, 3), {"no play"}),
        (
            {25: 2, 6: 2},
            {24: 2},
            (2, 2),
            {
                "bar/21(2)",
                "bar/23 bar/19",
                "bar/23 bar/21 6/4",
                "bar/23(2) 6/4(2)",
                "bar/23(2) 6/2",
            },
        ),
    ],
)
def test_all_plays_of_positions(own, opponent, dice, plays):
    before = board(own, opponent)
    assert set(describe_plays(before, legal_plays(before, *dice), dice)) == plays


def test_the_notation_describes_the_resulting_position() -> None:
    random = np.random.default_rng(0)
    position, checked = START, 0
    while checked < 2_000:
        dice = random.integers(1, 7, 2).tolist()
        afters = legal_plays(position, *dice)
        texts = describe_plays(position, afters, dice)
        assert len(set(texts)) == len(texts)
        for text, after in zip(texts, afters, strict=True):
            np.testing.assert_array_equal(applied(position, text), after, err_msg=text)
        checked += len(texts)
        position = flipped(afters[random.integers(len(afters))])
        if winner_points(position):
            position = START
