"""What the callback of backgammon shows, compared with the network's values."""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import curves, weights

from mlp_lab.games.backgammon.players import player_of
from mlp_lab.games.backgammon.selected_positions import POSITIONS, selected_estimates
from mlp_lab.runs.build import build_task
from mlp_lab.runs.train import resume, train

OVERRIDES = [
    "experiment=td_gammon_0", "data.size=8", "data.batch_size=4", "data.validation_size=4",
    "data.test_size=4", "data.opponent=random", "data.test_opponents=[random]",
    "trainer.max_epochs=2", "network.width=5", "callbacks.inspection.units=2",
    "average_decay=0",
]  # fmt: skip


def test_estimates_are_logged_by_epoch_and_figures_are_drawn(
    compose: Callable, tmp_path: Path
) -> None:
    config = compose(*OVERRIDES, f"logs='{tmp_path}'", "trainer.max_epochs=1")
    first = train(config)
    _, task = build_task(config)
    task.load_state_dict(weights(first))
    expected = selected_estimates(player_of(task.network).values)
    result = resume(first.folder, {"trainer.max_epochs": 2})
    points = curves(result.folder)
    assert {f"estimate/{position.name}" for position in POSITIONS} <= points.keys()
    for position in POSITIONS:
        (epoch, value), (second, _) = points[f"estimate/{position.name}"]
        assert (epoch, second) == (1, 2)
        assert value == pytest.approx(expected[position.name].equity, abs=1e-6)
    assert all(value > 0 for _, value in points["games_per_second"])
    for name in ("strength", "estimates", "positions", "units", "loss_curves"):
        assert (Path(result.folder) / "figures" / f"{name}.png").is_file()
