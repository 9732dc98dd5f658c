"""Sums of losses and metrics over an epoch."""

import pytest
import torch

from mlp_lab.tasks.metric_sums import MetricSums


def test_means_are_those_of_all_examples_in_mixed_precision_too() -> None:
    sums = MetricSums(lambda output, _: {"value": output[:, 0]}, maxima=())
    values = torch.rand(7, 1)
    parts = values.split([4, 3])
    with torch.autocast("cpu", torch.bfloat16):
        sums.add([part.mean() for part in parts], list(parts), list(parts))
    expected = float(values.double().mean())
    assert sums.means() == pytest.approx({"loss": expected, "value": expected}, rel=1e-6)
