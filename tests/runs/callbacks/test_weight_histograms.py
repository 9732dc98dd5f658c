"""Histograms of weights and the graph in TensorBoard."""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import assert_equal_weights, weights
from omegaconf import DictConfig
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlp_lab.errors import UserError
from mlp_lab.runs.train import resume, train


@pytest.fixture
def cfg(compose: Callable, tmp_path: Path) -> Callable[..., DictConfig]:
    """``cfg("trainer.max_epochs=3", ...)``: a config of a small network with dropout."""
    common = ["experiment=points_mlp", "data.size=20", "network.dropout=0.5", "gradients=autograd"]
    common += ["schedule=constant"]
    return lambda *overrides: compose(*common, f"logs='{tmp_path}'", *overrides)


def test_histograms_are_those_of_the_weights(cfg: Callable) -> None:
    first = train(cfg("callbacks=weight_histograms", "trainer.max_epochs=1"))
    after_first_epoch = weights(first)
    result = resume(first.folder, {"trainer.max_epochs": 3})
    events = EventAccumulator(result.folder, {"histograms": 0, "graph": 1}).Reload()
    assert events.Tags()["graph"]
    names = {name.removeprefix("network.") for name in after_first_epoch}
    assert set(events.Tags()["histograms"]) == {f"weights/{name}" for name in names}
    for name, tensor in after_first_epoch.items():
        shown = events.Histograms(f"weights/{name.removeprefix('network.')}")
        assert [event.step for event in shown] == [0, 1, 2]
        histogram = shown[1].histogram_value
        assert histogram.num == tensor.numel()
        assert histogram.sum == pytest.approx(float(tensor.sum()), abs=1e-5)
    assert_equal_weights(result, train(cfg("callbacks=none", "trainer.max_epochs=3")))


def test_they_need_event_files(cfg: Callable) -> None:
    with pytest.raises(UserError, match="weight_histograms: needs logger=tensorboard"):
        train(cfg("callbacks=weight_histograms", "logger=none"))
