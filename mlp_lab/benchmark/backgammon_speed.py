"""Speed of TD learning of backgammon: mlp_lab, a loop over open-spiel, and limits.

The times of the learning rules are processor times, which depend less on other processes. All of
them use one thread, so this is the time on one core.
"""

import io
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from torch import nn

from mlp_lab.benchmark.implementations import epoch_seconds
from mlp_lab.benchmark.open_spiel_loop import OpenSpielLoop
from mlp_lab.benchmark.timing import TimedRun, median, ratios, spread, time_in_turn
from mlp_lab.config.compose import compose
from mlp_lab.formatting import markdown
from mlp_lab.games.backgammon.dice import game_key, roll
from mlp_lab.games.backgammon.encoding import INPUTS
from mlp_lab.games.backgammon.players import player_of
from mlp_lab.games.backgammon.plays import fill_plays, legal_plays, play_buffer
from mlp_lab.games.backgammon.position import START, flipped, winner_points
from mlp_lab.games.backgammon.td_learning import PLIES, train_games
from mlp_lab.games.backgammon.td_reference import train_game
from mlp_lab.sweeps.groups import Job
from mlp_lab.sweeps.jobs import train_jobs


class Setting(NamedTuple):
    """A network with 198 inputs, and lambda."""

    hidden: int
    outputs: int
    trace_decay: float

    def __str__(self) -> str:
        return f"{INPUTS}-{self.hidden}-{self.outputs}, λ = {self.trace_decay:g}"


SETTINGS = (Setting(40, 3, 0), Setting(80, 3, 0), Setting(40, 1, 0), Setting(40, 1, 0.7))
#: Smallest plies per second of mlp_lab that are aimed at: absolute, and relative to the loop.
TARGET_SPEED, TARGET_RATIO = 110_000, 80
_ALPHA, _SEED = 0.1, 0
_FIRST_GAMES = 2000  # not timed, so that the timed games are those of a network that can play
# Per round
_GAMES, _LOOP_PLIES, _POSITIONS = 1000, 300, 20_000
_CANDIDATES = 11  # distinct positions after a play, the mean in games of a trained network
_JOBS = 2  # of the sweep
_EPOCH = 2000  # games

# Function that plays, and returns the number of plies.
Plies = Callable[[], int]


def compare(rounds: int) -> str:
    """Return Markdown tables of plies per second and core, and of a sweep with two processes.

    Raises:
        UserError: open-spiel is not installed.
    """
    rows = [row for setting in SETTINGS for row in _rows(setting, rounds)]
    header = ["network", "", "plies / s", "slowest – fastest", "× open-spiel loop", "range"]
    targets = f"{TARGET_SPEED:,} plies/s per core, {TARGET_RATIO} times the open-spiel loop"
    title = f"One thread, processor time, medians of {rounds} rounds. Targets of mlp_lab: {targets}"
    return f"{title}\n\n{markdown(header, rows)}\n\n{_compare_processes(rounds)}"


def _rows(setting: Setting, rounds: int) -> list[list[str]]:
    loop = OpenSpielLoop(initial_network(setting), _ALPHA)
    trained = initial_network(setting)
    learning = _kernel(trained, setting.trace_decay)
    learning(_FIRST_GAMES)
    runs = {
        "mlp_lab": _per_ply(lambda: learning(_GAMES)),
        "mlp_lab, autograd reference": _per_ply(_reference(trained, setting.trace_decay)),
        "loop over open-spiel, TD(0)": _per_ply(lambda: loop.play(_LOOP_PLIES)),
        "generation of plays alone": _per_ply(_play_generation(trained)),
        "dense matrix products alone": _per_ply(_matrix_products(setting)),
    }
    times = time_in_turn(runs, rounds)
    others = times["loop over open-spiel, TD(0)"]
    return [
        [str(setting), name, *_summary([1 / s for s in seconds], 0), *_ratio(others, seconds)]
        for name, seconds in times.items()
    ]


def _summary(values: Sequence[float], digits: int) -> tuple[str, str]:
    """Return the median and the range as text, with separators of thousands."""
    smallest, largest = min(values), max(values)
    return (
        f"{statistics.median(values):,.{digits}f}",
        f"{smallest:,.{digits}f} – {largest:,.{digits}f}",
    )


def _ratio(times: Sequence[float], others: Sequence[float]) -> tuple[str, str]:
    return _summary(ratios(times, others), 1)


def _per_ply(plies: Plies) -> TimedRun:
    """Return a timed run of the processor time per ply, in seconds."""

    def run() -> float:
        start = time.process_time()
        number = plies()
        return (time.process_time() - start) / number

    return run


def initial_network(setting: Setting) -> nn.Sequential:
    """Return a network with initial weights from N(0, 0.1), as in the presets."""
    torch.manual_seed(_SEED)
    layers = nn.Linear(INPUTS, setting.hidden), nn.Linear(setting.hidden, setting.outputs)
    for layer in layers:
        nn.init.normal_(layer.weight, std=0.1)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.Sigmoid(), layers[1])


def _kernel(network: nn.Module, trace_decay: float) -> Callable[[int], int]:
    """Return a function that trains by a number of games, and returns the number of plies."""
    arrays = [parameter.detach().numpy() for parameter in network.parameters()]
    played = 0

    def learn(games: int) -> int:
        nonlocal played
        results = train_games(
            *arrays, alpha=_ALPHA, lambda_=trace_decay, seed=_SEED, first_game=played, games=games
        )
        played += games
        return int(results[:, PLIES].sum())

    return learn


def _reference(network: nn.Module, trace_decay: float) -> Plies:
    """Return a function that trains by one game with autograd."""
    games = count()

    def play() -> int:
        game = next(games)
        results = train_game(network, alpha=_ALPHA, lambda_=trace_decay, seed=_SEED, game=game)
        return int(results[PLIES])

    play()  # compiles rules and encoding
    return play


def _play_generation(network: nn.Module) -> Plies:
    """Return a function that generates all plays in positions of the network's games."""
    boards, dice = positions_of_games(network, games=50)
    repetitions = -(-_POSITIONS // len(boards))
    _generate(boards, dice, 1)  # compiles
    return lambda: _generate(boards, dice, repetitions)


def positions_of_games(network: nn.Module, games: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of games of a network against itself, and the dice rolled in them.

    They are int8 ``[positions, 2, 25]`` and int64 ``[positions, 2]``.
    """
    player = player_of(network)
    boards: list[np.ndarray] = []
    dice = []
    for game in range(games):
        board, key = START, game_key(_SEED, game)
        while winner_points(board) == 0:
            dice.append(roll(key, len(boards)))
            boards.append(board)
            plays = legal_plays(board, *dice[-1])
            board = flipped(plays[player.choose(board, plays)])
    return np.stack(boards), np.array(dice)


@njit(cache=True)
def _generate(boards: Any, dice: Any, repetitions: int) -> int:
    """Generate all plays in all positions several times, and return the number of positions."""
    buffer, keys, sources = play_buffer()
    for _ in range(repetitions):
        for i in range(len(boards)):
            fill_plays(boards[i], dice[i, 0], dice[i, 1], buffer, keys, sources)
    return repetitions * len(boards)


def _matrix_products(setting: Setting) -> Plies:
    """Return a function that computes the matrix products of the choice of plays by torch."""
    x = torch.randn(_CANDIDATES, INPUTS)
    w1, w2 = torch.randn(INPUTS, setting.hidden), torch.randn(setting.hidden, setting.outputs)
    plies = 2000

    def multiply() -> int:
        for _ in range(plies):
            torch.mm(torch.mm(x, w1), w2)
        return plies

    return multiply


def _compare_processes(rounds: int) -> str:
    """Return a Markdown table of a sweep of two jobs with one process and with two."""
    with tempfile.TemporaryDirectory() as logs:
        runs = {str(n): _sweep(n, Path(logs) / str(n)) for n in (1, _JOBS)}
        times = time_in_turn(runs, rounds)
    rows = [
        [processes, *_summary([1 / s for s in seconds], 0), *_speedup(times["1"], seconds)]
        for processes, seconds in times.items()
    ]
    header = ["processes", "games / s", "slowest – fastest", "× one process", "range"]
    return f"Sweep of {_JOBS} jobs of {SETTINGS[0]}, elapsed time\n\n{markdown(header, rows)}"


def _speedup(times: Sequence[float], others: Sequence[float]) -> tuple[str, str]:
    factors = ratios(times, others)
    return median(factors), spread(factors)


def _sweep(processes: int, logs: Path) -> TimedRun:
    """Return a timed run of a sweep: seconds per game, of all jobs together."""
    overrides = ["experiment=td_gammon_quick", "callbacks=none", "trainer.max_epochs=3"]
    overrides += [f"data.size={_EPOCH}", "data.validation_size=2"]
    overrides += ["data.opponent=random", "data.test_opponents=[random]"]
    configs = [compose([*overrides, f"seed={seed}"]) for seed in range(_JOBS)]
    rounds = count()

    def run() -> float:
        folder = logs / str(next(rounds))
        jobs = [Job(cfg, [], folder / str(index)) for index, cfg in enumerate(configs)]
        with redirect_stdout(io.StringIO()):
            results = train_jobs(jobs, processes=processes)
        seconds = statistics.mean(epoch_seconds(result.folder) for result in results)
        return seconds / (_EPOCH * processes)  # the jobs of one process follow each other

    return run
