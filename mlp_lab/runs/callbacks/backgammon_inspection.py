"""What a network that plays backgammon has learned: its strength, estimates and hidden units."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from mlp_lab.data.attached import data_of
from mlp_lab.data.backgammon import backgammon_of
from mlp_lab.errors import UserError
from mlp_lab.figures.backgammon_board import backgammon_boards
from mlp_lab.figures.estimate_curves import estimate_curves
from mlp_lab.figures.strength_curves import strength_curves
from mlp_lab.figures.unit_boards import unit_boards
from mlp_lab.games.backgammon.players import player_of
from mlp_lab.games.backgammon.position import board_of_id
from mlp_lab.games.backgammon.selected_positions import POSITIONS, selected_estimates
from mlp_lab.lightning import pl
from mlp_lab.nn.probes import linear_layers
from mlp_lab.runs.callbacks.access import task_of, tensorboard_of
from mlp_lab.runs.callbacks.epoch_checkpoint import EpochCheckpoint
from mlp_lab.runs.callbacks.figure_callback import Drawings, FigureCallback
from mlp_lab.runs.callbacks.log_figure import log_figure

# Standard deviation of the points of a game; their standard error is this / sqrt(games).
_POINTS_DEVIATION = 1.3


class BackgammonInspection(FigureCallback):
    """Draws the playing strength, the estimates of selected positions, and hidden units.

    - ``strength.png``: points per validation game by training games, with standard errors;
    - ``estimates.png``: the network's estimates of positions, which TensorBoard has as scalars
      ``estimate/<position>``;
    - ``positions.png``: some of these positions on boards, with the last estimates;
    - ``units.png``: the weights of the hidden units with the largest effect on the probability of a
      win, drawn on boards.

    Args:
        units: number of hidden units.
    """

    def __init__(self, units: int) -> None:
        self.units = units
        #: The estimates after each epoch, by position.
        self.estimates: list[dict[str, float]] = []

    def setup(self, trainer: pl.Trainer, task: pl.LightningModule, stage: str) -> None:
        if task_of(task).target_kind != "games":
            raise UserError("callbacks.inspection: needs a task that learns games")

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        estimates = selected_estimates(player_of(task_of(task).evaluated).values)
        equities = {name: estimate.equity for name, estimate in estimates.items()}
        self.estimates.append(equities)
        if logger := tensorboard_of(trainer):
            scalars = {f"estimate/{name}": value for name, value in equities.items()}
            at = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step}
            logger.log_metrics(scalars | at)

    def state_dict(self) -> dict[str, Any]:
        return {"estimates": list(self.estimates)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.estimates = state_dict["estimates"]

    def prepare(self, trainer: pl.Trainer, task: pl.LightningModule) -> Drawings:
        history, data = EpochCheckpoint.of(trainer).history, backgammon_of(data_of(trainer))
        if not history:
            return []
        size = data.games("train")
        rows = [row for row in history if "points/validation" in row]
        games = np.array([row["epoch"] * size for row in rows])
        points = np.array([row["points/validation"] for row in rows])
        errors = np.full(len(rows), _POINTS_DEVIATION / np.sqrt(data.games("validation")))
        strength = partial(
            strength_curves,
            {"network": np.stack([games, points, errors])},
            data.opponent,
            "± standard error",
        )
        estimates = partial(
            estimate_curves,
            np.array([row["epoch"] * size for row in history]),
            {name: np.array([row[name] for row in self.estimates]) for name in self.estimates[0]},
            {p.name: p.exact for p in POSITIONS if p.exact is not None},
        )
        hidden, last = linear_layers(task_of(task).evaluated)
        effect = last.weight[0].abs() * hidden.weight.norm(dim=1)
        strongest = effect.argsort(descending=True)[: self.units]
        captions = [f"unit {unit}, output weight {last.weight[0, unit]:+.2f}" for unit in strongest]
        weights = hidden.weight[strongest].detach().numpy().copy()
        units = partial(unit_boards, weights, captions)
        drawings = {
            "strength": strength,
            "estimates": estimates,
            "positions": partial(backgammon_boards, _captioned(self.estimates[-1])),
            "units": units,
        }
        return [partial(log_figure, trainer, name, draw) for name, draw in drawings.items()]


def _captioned(estimates: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Return the boards of selected positions, by a caption with the estimate."""
    captions = {}
    for position in POSITIONS:
        if not position.name.startswith("opening"):
            exact = "" if position.exact is None else f", exact {position.exact:+.2f}"
            estimate = f"{estimates[position.name]:+.2f} points expected{exact}"
            caption = f"{position.name}: {position.meaning}\n{estimate}\n{position.position_id}"
            captions[caption] = board_of_id(position.position_id)
    return captions
