"""The implementations that scripts/benchmark.py compares give the same results."""

import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from mlp_lab.benchmark import augmentation_speed, backgammon_speed, image_speed
from mlp_lab.benchmark.open_spiel_loop import OpenSpielLoop
from mlp_lab.errors import UserError
from mlp_lab.games.backgammon.td_reference import Traces
from mlp_lab.runs.build import build_task

# A ring and a bar: every rotation, shear or displacement changes them.
PICTURE = torch.zeros(1, 28, 28)
PICTURE[:, 6:22, 6:22] = 1
PICTURE[:, 9:19, 9:19] = 0
PICTURE[:, 12:14, 4:24] = 1


SETTINGS = ["rotation=40", "shear=40", "scale=40", "shift=5", "alpha=37"]
CASES = [("kornia", setting) for setting in SETTINGS]
CASES += [
    pytest.param("torchvision", setting, marks=[] if "alpha" in setting else pytest.mark.slow)
    for setting in SETTINGS
    if setting != "scale=40"  # both axes at once
]


@pytest.mark.parametrize(("package", "setting"), CASES)
def test_other_packages_give_the_same_distortions(
    package: str, setting: str, compose: Callable
) -> None:
    pytest.importorskip(package)
    idle = [f"augmentation.{key}=0" for key in ("rotation", "shear", "scale", "shift", "alpha")]
    overrides = ["augmentation=affine_elastic", *idle, f"augmentation.{setting}"]
    node = compose(*overrides).augmentation
    torch.manual_seed(0)
    ours, other = (
        make(node, 28)(PICTURE.expand(400, 1, 28, 28)).mean(0)
        for make in (augmentation_speed.of_mlp_lab, getattr(augmentation_speed, f"of_{package}"))
    )
    # Of the means of all variants; half of a setting, or twice as much, makes 0.065 or more.
    assert (ours - other).square().mean().sqrt() < 0.04


def test_missing_kornia_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kornia.augmentation", None)
    with pytest.raises(UserError, match=r"kornia: pip install -e"):
        augmentation_speed.compare(1, PICTURE.unsqueeze(0), tmp_path)
    assert not any(tmp_path.iterdir())


def test_missing_rff_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rff", None)
    with pytest.raises(UserError, match=r"random-fourier-features-pytorch: pip install -e"):
        image_speed.compare(1)


def test_the_limit_counts_the_products_of_the_homeworks_network(compose: Callable) -> None:
    _, task = build_task(compose("experiment=image_hw", "data.image=text"))
    shapes = [tuple(p.shape) for p in task.network.parameters() if p.ndim == 2]
    assert list(zip(image_speed._SIZES[1:], image_speed._SIZES, strict=False)) == shapes
    assert OmegaConf.select(compose("experiment=image_hw"), "encoding.sigma") == image_speed._SIGMA


def test_missing_open_spiel_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspiel", None)
    with pytest.raises(UserError, match=r"open-spiel: pip install -e"):
        backgammon_speed.compare(1)


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_loop_over_open_spiel_updates_by_td_0(outputs: int) -> None:
    pytest.importorskip("pyspiel")
    setting = backgammon_speed.Setting(5, outputs, 0)
    network, reference = (backgammon_speed.initial_network(setting) for _ in range(2))
    x, target = torch.rand(1, 198), torch.rand(outputs)
    OpenSpielLoop(network, alpha=0.1).update(x, target)
    traces, present = Traces(reference, decay=0), torch.sigmoid(reference(x)[0])
    traces.add(present)
    traces.update(0.1, target - present.detach())
    for w, expected in zip(network.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(w, expected)


def test_the_loop_over_open_spiel_ends_games(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspiel")
    network = backgammon_speed.initial_network(backgammon_speed.Setting(5, 3, 0))
    loop = OpenSpielLoop(network, alpha=0.1)
    targets: list[list[float]] = []
    monkeypatch.setattr(loop, "update", lambda x, target: targets.append(target.tolist()))
    choose, winners = random.Random(0), set()
    while len(winners) < 2:
        state = loop._game.new_initial_state()
        while not state.is_terminal():  # random plays, but the winning one where there is one
            actions = state.legal_actions()
            if any(state.child(action).is_terminal() for action in actions):
                state = loop._learn(state)
                assert state.is_terminal()
            else:
                state.apply_action(choose.choice(actions))
        points = state.returns()[0]
        assert targets[-1] == [points > 0, points > 1, points < -1]
        winners.add(points > 0)
