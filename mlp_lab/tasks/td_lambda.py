"""TD(lambda): a network learns to predict the results of games that it plays against itself."""

import logging
import math
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from mlp_lab.config.metrics import metric_against
from mlp_lab.data.attached import data_of, training_loader
from mlp_lab.data.backgammon import Backgammon, backgammon_of
from mlp_lab.data.backgammon_network import player_name
from mlp_lab.data.batches import Chunk
from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError
from mlp_lab.games.backgammon.encoding import INPUTS, encode, encode_expert
from mlp_lab.games.backgammon.matches import Match, play_match
from mlp_lab.games.backgammon.players import player_of
from mlp_lab.games.backgammon.td_learning import PLIES, POINTS, TD_ERROR, train_games
from mlp_lab.games.backgammon.td_reference import train_game
from mlp_lab.games.kernels import compilation_hint
from mlp_lab.lightning import pl
from mlp_lab.nn.encodings import Identity
from mlp_lab.tasks.base import Task
from mlp_lab.tasks.diagnostics.opening_plays import compare_openings

if TYPE_CHECKING:  # tasks/diagnostics/split_predictions.py imports tasks/base.py
    from mlp_lab.tasks.diagnostics.diagnostic import Diagnostic
    from mlp_lab.tasks.diagnostics.split_predictions import SplitPredictions

log = logging.getLogger(__name__)

# Function that trains by games, and returns their statistics.
Learn = Callable[..., np.ndarray]
#: One of this many games measures the loss of validation and test games.
_GAMES_PER_LOSS = 8


class TDLambda(Task):
    """Learn backgammon by temporal differences in games against itself (Tesauro 1992, 1995).

    The network estimates the probability Y that the player on roll wins or, with three outputs,
    those of a win, a gammon win and a gammon loss: the sigmoids of its outputs. It plays both
    sides, always the play with the best estimate for the player. After each ply, its weights change
    by TD(lambda),

        w_(t+1) = w_t + lr (Y_(t+1) - Y_t) sum over k = 1..t of lambda^(t-k) dY_k/dw

    (Sutton 1988, equation 4), where the last Y is the result of the game; see
    ``games/backgammon/td_learning.py``. An example is a game, and a minibatch is a block of games
    in which the learning rate is constant.

    The metrics are ``points`` per game of the network (a gammon counts 2, a backgammon 3; negative
    if it loses more than it wins), ``wins`` and ``gammons`` (won or lost), which are fractions of
    the games, and ``plies`` per game. In training, both players are the network: the points are
    those of one side, about 0. In validation, the opponent is that of the data. A test has the
    metrics against each of the test opponents, and the standard error of the points; the metrics
    without the name of an opponent are against the opponent of the validation, if it is among them.

    The ``loss`` is the mean squared temporal difference. In validation and test, it is that of
    games of the network against itself, without learning.

    Shapes: the outputs of ``loss`` and ``measure`` are statistics of games, ``[games, 3]``: plies,
    points, mean squared temporal difference.

    Args:
        trace_decay: lambda, the decay of the eligibility traces per ply.
        task: arguments of ``Task``.

    Raises:
        UserError: the network has other layers than a hidden layer of sigmoids, or a setting is not
            for games.
    """

    target_kind = "games"
    metrics = ("points", "wins", "gammons", "plies")
    unstackable_reason = "its weights change after each ply of a game"

    def __init__(self, *, trace_decay: float, **task: Any) -> None:
        super().__init__(**task)
        self._trace_decay = trace_decay
        if list(map(type, self.network.children())) != [nn.Linear, nn.Sigmoid, nn.Linear]:
            raise UserError("network: must be an MLP with one hidden layer of sigmoids for games")
        if not isinstance(self.encoding, Identity):
            raise UserError("encoding: must be identity for games")
        if self.train_metrics != "during":
            raise UserError("train_metrics: must be during for games, which are not stored")
        if self.clipping is not None:
            raise UserError("trainer.gradient_clip_val: must be null for games")

    def begin(self, data: DataModule) -> None:
        games = backgammon_of(data)
        games.player(games.opponent)  # raises if it is not available
        optimizer = self.make_optimizer(self.network.parameters())
        group = optimizer.param_groups[0]
        if type(optimizer) is not SGD or group["momentum"] or group["weight_decay"]:
            raise UserError("optimizer: must be sgd without momentum and weight decay for games")

    def check_trainer(self, trainer: pl.Trainer) -> None:
        if trainer.strategy.root_device.type != "cpu":
            raise UserError("trainer.accelerator: must be cpu for games")
        if trainer.world_size > 1:
            raise UserError("trainer.devices: must be 1 for games, which follow each other")
        if trainer.precision != "32-true":
            raise UserError(f"trainer.precision={trainer.precision}: must be 32-true for games")

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return output[:, TD_ERROR].mean()

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        points = output[:, POINTS]
        return {
            "points": points,
            "wins": (points > 0).float(),
            "gammons": (points.abs() > 1).float(),
            "plies": output[:, PLIES],
        }

    def on_train_start(self) -> None:
        if hint := compilation_hint():
            log.info("%s", hint)
        seed = backgammon_of(data_of(self.trainer)).dice_seed("train")
        if self.gradients == "autograd":
            learn: Learn = partial(_train_by_autograd, self.network)
            log.info("gradients: by autograd")
        else:
            learn = partial(train_games, *_arrays(self.network))
            log.info("gradients: in closed form")
        self._learn = partial(learn, lambda_=self._trace_decay, seed=seed)

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self._games, self._seconds = 0, 0.0

    def training_step(self, chunk: Chunk, index: int) -> None:
        start = time.perf_counter()
        first, size = self.global_step, training_loader(self.trainer).batch_size
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, Optimizer)
        blocks: list[Tensor] = []
        rates = self.learning_rates(first, len(chunk))
        for games, rate in zip(chunk.sizes, rates, strict=False):
            number = (first + len(blocks)) * size
            statistics = self._learn(alpha=rate, first_game=number, games=games)
            blocks.append(torch.from_numpy(statistics).float())
            optimizer.param_groups[0]["lr"] = rate
            self.update_average()
        losses = [self.loss(block, block) for block in blocks]
        self.count_steps(len(blocks))
        self.log_steps(losses, first)
        self.record_training(losses, blocks, blocks)
        self._games += sum(map(len, blocks))
        self._seconds += time.perf_counter() - start

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        if self.logger is not None:
            at = {"epoch": self.current_epoch + 1, "step": self.global_step}
            self.logger.log_metrics({"games_per_second": self._games / self._seconds, **at})

    def validation_step(self, chunk: Chunk, index: int) -> None:
        data = backgammon_of(data_of(self.trainer))
        match = self._play(data, "validation", data.opponent, sum(chunk.sizes))
        games = self._statistics(match, self._loss_without_learning(data, "validation"))
        self.record_validation([games], [games])

    def evaluate_split(self, data: DataModule, split: str) -> dict[str, float]:
        games = backgammon_of(data)
        if split == "train":
            raise UserError("split=train: no games are stored; must be validation or test")
        matches = {
            name: self._play(games, split, name, games.games(split))
            for name in games.test_opponents
        }
        means = {"loss": self._loss_without_learning(games, split)}
        if match := matches.get(games.opponent):
            statistics = self._statistics(match, means["loss"])
            measured = self.measure(statistics, statistics)
            means |= {name: float(values.mean()) for name, values in measured.items()}
        against = {
            metric_against(metric, player_name(name)): value
            for name, match in matches.items()
            for metric, value in _summary(match).items()
        }
        return means | against

    def diagnostics(self, predictions: "SplitPredictions") -> "list[Diagnostic]":
        return [*super().diagnostics(predictions), compare_openings(predictions)]

    def _play(self, data: Backgammon, split: str, name: str, games: int) -> Match:
        """Play games of a split against an opponent."""
        start = time.perf_counter()
        player = player_of(self.evaluated)
        match = play_match(player, data.player(name), games, data.dice_seed(split))
        if split == "test":
            seconds = time.perf_counter() - start
            log.info("%s games against %s: %.1f s", f"{games:,}", name, seconds)
        return match

    def _statistics(self, match: Match, loss: float) -> Tensor:
        """Return plies, points and loss of the games of a match, ``[games, 3]``."""
        statistics = np.empty((len(match.points), 3), np.float32)
        statistics[:, PLIES], statistics[:, POINTS] = match.plies, match.points
        statistics[:, TD_ERROR] = loss
        return torch.from_numpy(statistics)

    def _loss_without_learning(self, data: Backgammon, split: str) -> float:
        """Return the mean squared temporal difference in games of the network against itself."""
        statistics = train_games(
            *(weights.copy() for weights in _arrays(self.evaluated)),
            alpha=0.0,
            lambda_=0.0,
            seed=data.dice_seed(split),
            first_game=0,
            games=math.ceil(data.games(split) / _GAMES_PER_LOSS),
        )
        return float(statistics[:, TD_ERROR].mean())


def _arrays(network: nn.Module) -> list[np.ndarray]:
    """Return views of the weights of a network: weight and bias of both layers."""
    return [parameter.detach().numpy() for parameter in network.parameters()]


def _train_by_autograd(
    network: nn.Module, *, first_game: int, games: int, **rule: Any
) -> np.ndarray:
    """Train a network by ``td_reference.train_game``; return statistics of the games."""
    inputs = next(network.parameters()).shape[1]
    encoded = encode if inputs == INPUTS else encode_expert
    numbers = range(first_game, first_game + games)
    return np.stack([train_game(network, game=n, encode=encoded, **rule) for n in numbers])


def _summary(match: Match) -> dict[str, float]:
    """Return the metrics of a match."""
    return {
        "points": match.mean,
        "standard_error": match.standard_error,
        "wins": match.win_rate,
        "gammons": match.gammon_rate,
    }
