"""The table at the end of a run."""

from collections.abc import Callable

import pytest

from mlp_lab.runs import report
from mlp_lab.runs.build import build_task
from mlp_lab.storage.results import Evaluation, Result


@pytest.mark.parametrize(
    ("overrides", "label"),
    [
        (["experiment=image_hw", "data.image=text"], "test (the training data)"),
        (["experiment=image_hw", "data.image=text", "data.protocol=upsample"], "test"),
        (["experiment=parity"], "test (the training data)"),
        (["experiment=points_mlp"], "test"),
    ],
)
def test_splits_that_a_network_is_trained_on_are_labelled(
    overrides: list[str], label: str, compose: Callable
) -> None:
    data, _ = build_task(compose(*overrides))
    data.prepare_data()
    data.setup()
    # The oracle: whether both splits have the same inputs.
    (train, _), (test, _) = data.splits["train"], data.splits["test"]
    assert data.held_out == (train.shape != test.shape or not bool((train == test).all()))
    result = Result("logs/x", epochs=1, seconds=[1.0], best={"epoch": 1, "loss/train": 0.5})
    result.evaluations.append(Evaluation("test", "best", 1, {"loss": 0.25}))
    rows = report.outcome(result, data, "during").splitlines()
    assert any(row.split("  ")[1:2] == [label] and row.endswith("0.2500") for row in rows)
    assert any(row.startswith("  train: means over the minibatches during the") for row in rows)
