"""TD(lambda) as a task: plain calls of the kernel, and the reference with autograd, are oracles."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import assert_equal_weights, composed, history, weights
from omegaconf import DictConfig

from mlp_lab.data.backgammon import Backgammon
from mlp_lab.data.backgammon_network import player_of_run
from mlp_lab.errors import UserError
from mlp_lab.games.backgammon.matches import play_match
from mlp_lab.games.backgammon.notation import describe_plays
from mlp_lab.games.backgammon.players import RandomPlayer, player_of
from mlp_lab.games.backgammon.plays import legal_plays
from mlp_lab.games.backgammon.position import START
from mlp_lab.games.backgammon.selected_positions import OPENINGS
from mlp_lab.games.backgammon.td_learning import train_games
from mlp_lab.runs.build import build_task
from mlp_lab.runs.evaluate import evaluate, measure
from mlp_lab.runs.train import resume, train
from mlp_lab.storage.results import Status
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.groups import Job, training_groups

SMALL = [
    "experiment=td_gammon_0", "data.size=8", "data.batch_size=3", "data.validation_size=4",
    "data.test_size=4", "data.opponent=random", "data.test_opponents=[random]",
    "trainer.max_epochs=2", "network.width=5", "callbacks=none", "logger=none", "optimizer=sgd",
    "schedule=constant", "average_decay=0",
]  # fmt: skip


@pytest.fixture
def cfg(compose: Callable, tmp_path: Path) -> Callable[..., DictConfig]:
    """``cfg("network.width=3", ...)``: a run of two epochs of eight games."""
    return lambda *overrides: compose(*SMALL, f"logs='{tmp_path}'", *overrides)


def arrays(network: torch.nn.Module) -> list[np.ndarray]:
    return [parameter.detach().numpy() for parameter in network.parameters()]


@pytest.mark.parametrize("overrides", [[], ["data.outputs=1", "task.trace_decay=0.7"]])
def test_weights_and_metrics_are_those_of_the_kernel(cfg: Callable, overrides: list[str]) -> None:
    config = cfg("schedule=inverse_time", *overrides)
    data, task = build_task(config)
    assert isinstance(data, Backgammon)
    rule = {"lambda_": config.task.trace_decay, "seed": data.dice_seed("train")}
    statistics = []
    for epoch, rate in enumerate((0.1, 0.05)):
        games = [
            train_games(*arrays(task.network), alpha=rate, first_game=3 * block, games=size, **rule)
            for block, size in zip(
                (3 * epoch, 3 * epoch + 1, 3 * epoch + 2), (3, 3, 2), strict=True
            )
        ]
        statistics.append(np.concatenate(games))
    result = train(config)
    assert result.steps == 6
    for name, tensor in weights(result).items():
        assert torch.equal(tensor, task.state_dict()[name])
    for row, games in zip(history(result), statistics, strict=True):
        plies, points, squared_error = games.mean(0)
        assert row["plies/train"] == pytest.approx(plies)
        assert row["points/train"] == pytest.approx(points)
        assert row["wins/train"] == pytest.approx((games[:, 1] > 0).mean())
        assert row["gammons/train"] == pytest.approx((abs(games[:, 1]) > 1).mean())
        assert row["loss/train"] == pytest.approx(squared_error, rel=1e-5)


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param([], marks=pytest.mark.slow),
        ["data.expert_inputs=true", "task.trace_decay=0.5"],
    ],
)
def test_autograd_gives_the_same_weights(cfg: Callable, overrides: list[str]) -> None:
    few = ["data.size=1", "trainer.max_epochs=1", *overrides]
    expected = weights(train(cfg(*few, "gradients=autograd")))
    for name, tensor in weights(train(cfg(*few))).items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-3, atol=1e-5)


def test_matches_are_those_of_the_network_of_the_epoch(cfg: Callable) -> None:
    config = cfg("data.validation_size=20", "data.test_size=30", "trainer.max_epochs=1")
    result = train(config)
    data, task = build_task(config)
    assert isinstance(data, Backgammon)
    task.load_state_dict(weights(result))
    player = player_of(task.network)
    for split, games in (("validation", 20), ("test", 30)):
        match = play_match(player, RandomPlayer(), games, data.dice_seed(split))
        metrics = result.evaluations[0].metrics
        if split == "test":
            assert metrics["points_vs_random"] == pytest.approx(match.mean)
            assert metrics["standard_error_vs_random"] == pytest.approx(match.standard_error)
            assert metrics["wins_vs_random"] == pytest.approx(match.win_rate)
        else:
            row = history(result)[-1]
            metrics = {name: row[f"{name}/validation"] for name in ("points", "wins", "plies")}
        assert metrics["points"] == pytest.approx(match.mean)
        assert metrics["wins"] == pytest.approx(match.win_rate)
        assert metrics["plies"] == pytest.approx(match.plies.mean())


def test_a_resumed_run_ends_with_the_same_weights(cfg: Callable) -> None:
    expected = train(cfg("average_decay=0.5"))
    first = train(cfg("average_decay=0.5", "trainer.max_epochs=1"))
    result = resume(first.folder, {"trainer.max_epochs": 2})
    assert result.status is Status.FINISHED
    assert_equal_weights(result, expected)


def test_a_run_can_be_the_opponent(cfg: Callable) -> None:
    first = train(cfg())
    second = train(cfg("seed=1", f"data.test_opponents=['{first.folder}',random]"))
    players = []
    for result in (second, first):
        data, task = build_task(RunFolder(result.folder).config)
        task.load_state_dict(weights(result, "best"))
        players.append(player_of(task.evaluated))
    assert isinstance(data, Backgammon)
    match = play_match(*players, 4, data.dice_seed("test"))
    name = Path(first.folder).name
    assert second.evaluations[0].metrics[f"points_vs_{name}"] == pytest.approx(match.mean)


def test_an_earlier_checkpoint_can_be_the_opponent(cfg: Callable, tmp_path: Path) -> None:
    folder = Path(train(cfg("data.test_opponents=[]")).folder)
    earlier = tmp_path / "earlier.ckpt"
    earlier.write_bytes((folder / "checkpoints/last.ckpt").read_bytes())
    opponents = f"opponents=['{earlier}','{folder}/checkpoints/last.ckpt']"
    options = composed(f"run='{folder}'", "checkpoint=last", opponents, root="evaluate")
    metrics = evaluate(options).metrics
    assert metrics["points_vs_earlier"] == 0  # with the same dice on both sides
    assert metrics[f"points_vs_{folder.name}_last"] == 0


def test_an_evaluation_lists_the_plays_of_opening_rolls(cfg: Callable) -> None:
    folder = Path(train(cfg("data.test_opponents=[]")).folder)
    evaluation = evaluate(composed(f"run='{folder}'", root="evaluate"))
    player = player_of_run(RunFolder(folder))
    rows = evaluation.tables["openings"]
    for row, (dice, preferred) in zip(rows, OPENINGS.items(), strict=True):
        plays = legal_plays(START, *dice)
        chosen = describe_plays(START, plays, dice)[player.choose(START, plays)]
        assert row["roll"] == f"{dice[0]} {dice[1]}"
        assert row["play"] == chosen
        assert row["agrees"] == ("yes" if chosen in preferred else "no")
    assert (folder / "test_openings.csv").is_file()


def test_opponents_of_an_evaluation_replace_those_of_the_run(cfg: Callable) -> None:
    result = train(cfg("data.test_opponents=[]"))
    options = composed(f"run='{result.folder}'", f"opponents=['{result.folder}']", root="evaluate")
    metrics = evaluate(options).metrics
    name = Path(result.folder).name
    assert metrics[f"points_vs_{name}"] == 0  # with the same dice on both sides
    assert metrics[f"wins_vs_{name}"] == 0.5
    assert "points" not in metrics  # the opponent of the validation has not played


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("network.depth=2", "network: must be an MLP with one hidden layer of sigmoids for games"),
        ("network.activation=relu", "network: must be an MLP"),
        ("optimizer=adam", "optimizer: must be sgd without momentum and weight decay for games"),
        ("optimizer.weight_decay=0.1", "optimizer: must be sgd"),
        ("encoding=centred", "encoding: must be identity for games"),
        ("trainer.gradient_clip_val=1", "trainer.gradient_clip_val: must be null for games"),
        ("trainer.precision=64-true", "trainer.precision=64-true: must be 32-true for games"),
        ("data.test_size=5", "data.test_size=5: must be even"),
        (
            "data.opponent=tesauro",
            "opponent tesauro: must be a run folder, a checkpoint or one of random",
        ),
        ("data.test_opponents=[random,a/random]", "test_opponents: random occurs twice"),
        ("task=classification", "task: Classification learns classes, but the targets of these"),
    ],
)
def test_unsuitable_settings(cfg: Callable, tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        train(cfg(override))
    assert not list(tmp_path.glob("td_gammon_0/*"))


def test_training_games_cannot_be_evaluated(cfg: Callable) -> None:
    result = train(cfg())
    with pytest.raises(UserError, match="split=train: no games are stored"):
        measure(RunFolder(result.folder), "train", "best")


def test_jobs_of_a_sweep_train_alone(cfg: Callable, tmp_path: Path) -> None:
    jobs = [Job(cfg(f"seed={seed}"), [], tmp_path / str(seed)) for seed in range(2)]
    groups = training_groups(jobs)
    assert [len(group.jobs) for group in groups] == [1, 1]
    assert groups[0].reason_alone == "its weights change after each ply of a game"
