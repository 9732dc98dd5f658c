"""Play backgammon against the network of a run in the terminal, or show its estimates."""

import logging
import re
import secrets
import sys
from io import TextIOWrapper
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from mlp_lab.data.backgammon_network import player_of_run
from mlp_lab.errors import UserError
from mlp_lab.formatting import table
from mlp_lab.games.backgammon.board_text import board_text
from mlp_lab.games.backgammon.estimates import Estimate, Probabilities, estimate, ranked_plays
from mlp_lab.games.backgammon.game import Game
from mlp_lab.games.backgammon.notation import NO_PLAY
from mlp_lab.games.backgammon.position import board_of_id
from mlp_lab.games.kernels import compilation_hint
from mlp_lab.storage.files import write_whole
from mlp_lab.storage.log import console
from mlp_lab.storage.records import json_with_digest, read_json
from mlp_lab.storage.run_folder import RunFolder

log = logging.getLogger(__name__)

_BEST = 10  # plays that are shown with their estimates
_WIDTH = 80  # columns of the terminal
_OUTCOMES = ("", "", " (gammon)", " (backgammon)")


def play(cfg: DictConfig) -> Path | None:
    """Play a game, or show a position, as ``cfg`` (``schemas.play.Play``) specifies.

    The game is saved after each ply, and the file's path is returned. For a position, the result is
    None.

    Raises:
        UserError: there is no such run, its network cannot play, or an option is unsuitable.
    """
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # such an answer is invalid, but no error
    with console():
        _check_options(cfg)
        run = RunFolder.open(cfg.run)
        if hint := compilation_hint():
            log.info("%s", hint)
        probabilities = player_of_run(run, cfg.checkpoint).values
        if cfg.position is not None:
            _show_position(probabilities, cfg.position, cfg.dice)
            return None
        path = run.new_game() if cfg.game is None else Path(cfg.game)
        game = _open_game(cfg, path)
        _save(game, path)  # a file that cannot be written is reported before the first play
        try:
            _play_game(game, path, probabilities)
        except (EOFError, KeyboardInterrupt):
            log.info("")  # the prompt has no line break
        if not game.points:
            log.info("game saved; to continue: game=%s", path)
        return path


def _check_options(cfg: DictConfig) -> None:
    """Raise UserError for options that do not fit together."""
    if cfg.dice is not None and re.fullmatch("[1-6]{2}", cfg.dice) is None:
        raise UserError(f"dice={cfg.dice}: must be two digits from 1 to 6, such as 31")
    if cfg.position is None:
        if cfg.dice is not None:
            raise UserError("dice: must be null without a position: the dice of a game are rolled")
        return
    board_of_id(cfg.position)
    for key in ("game", "seed", "side", "opponent"):
        if cfg[key] is not None:
            raise UserError(f"{key}: must be null for a position, since no game is played")


def _show_position(probabilities: Probabilities, position: str, dice: str | None) -> None:
    """Print a board, the estimate of the network, and the plays with the highest equities."""
    board = board_of_id(position)
    rolled = tuple(map(int, dice or ""))
    log.info("%s\n", board_text(board, rolled, names=("player on roll", "opponent")))
    log.info("%s", _estimate_table(estimate(probabilities, board)))
    if dice is not None:
        log.info("\n%s", _play_table(probabilities, board, rolled))


def _open_game(cfg: DictConfig, path: Path) -> Game:
    """Return the game of an existing file, or a new one.

    Raises:
        UserError: the file is damaged, or an option differs from that of the saved game.
    """
    if not path.exists():
        seed = secrets.randbits(31) if cfg.seed is None else cfg.seed
        return Game(seed, cfg.side or "roll", cfg.opponent or "network")
    content = read_json(path)
    try:
        game = Game.from_json(content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    for key in ("seed", "side", "opponent"):
        if cfg[key] is not None and cfg[key] != getattr(game, key):
            raise UserError(f"{key}={cfg[key]}: must be {getattr(game, key)}, as in {path}")
    log.info("%s: continued after %d plies", path, game.ply)
    return game


def _save(game: Game, path: Path) -> None:
    write_whole(path, json_with_digest(game.to_json()).encode())


def _play_game(game: Game, path: Path, probabilities: Probabilities) -> None:
    """Play until the game ends or the person quits, and save the game after each ply."""
    while not game.points:
        plays = game.plays()
        if game.person_on_roll:
            log.info("\n%s\n", board_text(game.view, game.dice, names=("you", game.opponent)))
            text = _ask(game, plays, probabilities)
            if text is None:
                return
        else:
            text = _opponents_play(game, plays, probabilities)
            log.info("O rolls %d %d: %s", *game.dice, text)
        game.play(text, plays[text])
        _save(game, path)
    log.info("\n%s\n", board_text(game.view, names=("you", game.opponent)))
    points = abs(game.points)
    log.info(
        "You %s %d %s%s; seed %d",
        "win" if game.points > 0 else "lose", points, "point" if points == 1 else "points",
        _OUTCOMES[points], game.seed,
    )  # fmt: skip


def _opponents_play(game: Game, plays: dict[str, np.ndarray], probabilities: Probabilities) -> str:
    if game.opponent == "network":
        return ranked_plays(probabilities, game.board, game.dice)[0].text
    # A continued game has the same random plays.
    number = np.random.default_rng((game.seed, game.ply)).integers(len(plays))
    return list(plays)[number]


def _ask(game: Game, plays: dict[str, np.ndarray], probabilities: Probabilities) -> str | None:
    """Return the person's play, None to quit."""
    if list(plays) == [NO_PLAY]:
        log.info("X has no legal play")
        return NO_PLAY
    names = list(plays)
    log.info("%s", _in_columns(names))
    numbered = {str(number): name for number, name in enumerate(names, 1)}
    by_parts = {tuple(sorted(name.split())): name for name in names}
    while True:
        answer = input("play (h: hint, q: quit)> ").strip()
        if answer == "q":
            return None
        if answer == "h":
            log.info("%s", _estimate_table(estimate(probabilities, game.board)))
            log.info("\n%s", _play_table(probabilities, game.board, game.dice, names))
        elif name := numbered.get(answer) or by_parts.get(tuple(sorted(answer.split()))):
            return name
        else:
            numbers = "1" if len(names) == 1 else f"a number from 1 to {len(names)}"
            log.info("must be %s, a play such as %s, h or q", numbers, names[0])


def _in_columns(names: list[str]) -> str:
    """Return numbered plays in columns, ordered from top to bottom."""
    cells = [f"{number:>4} {name}" for number, name in enumerate(names, 1)]
    width = max(map(len, cells)) + 2
    rows = -(-len(cells) // max(1, _WIDTH // width))
    return "\n".join(
        "".join(f"{cell:<{width}}" for cell in cells[row::rows]).rstrip() for row in range(rows)
    )


def _estimate_table(value: Estimate) -> str:
    """Return the estimate of a position before the roll."""
    return table(["", *_header(value)], [["before the roll", *_cells(value)]])


def _play_table(
    probabilities: Probabilities,
    board: np.ndarray,
    dice: tuple[int, ...],
    names: list[str] | None = None,
) -> str:
    """Return the plays with the highest equities as a table.

    Args:
        probabilities: function of boards.
        board: position before the play, int8 ``[2, 25]``.
        dice: the dice to play.
        names: numbered plays; None shows no numbers.
    """
    plays = ranked_plays(probabilities, board, dice)
    best = plays[0].estimate
    rows = [
        [
            play.text,
            *([] if names is None else [str(names.index(play.text) + 1)]),
            *_cells(play.estimate),
            f"{play.estimate.equity - best.equity:+.3f}" if play is not plays[0] else "",
        ]
        for play in plays[:_BEST]
    ]
    number = [] if names is None else ["number"]
    text = table([f"play {dice[0]} {dice[1]}", *number, *_header(best), "difference"], rows)
    more = len(plays) - len(rows)
    return text + (f"\n  ... and {more} more" if more > 0 else "")


def _header(value: Estimate) -> list[str]:
    gammons = [] if value.gammon_win is None else ["gammon win", "gammon loss"]
    return ["win", *gammons, "equity"]


def _cells(value: Estimate) -> list[str]:
    shares = (value.win, value.gammon_win, value.gammon_loss)
    return [*(f"{100 * p:.1f} %" for p in shares if p is not None), f"{value.equity:+.3f}"]
