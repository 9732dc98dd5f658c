"""A network that is applied to many points in parts."""

import pytest
import torch
from torch import nn

from mlp_lab.nn import outputs_in_parts as module
from mlp_lab.nn.outputs_in_parts import outputs_in_parts


@pytest.mark.parametrize("kept", [2**28, 0])
def test_outputs_and_gradients_equal_those_of_all_points_at_once(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CPU_POINTS", 4)
    monkeypatch.setattr(module, "MAX_ACTIVATIONS", kept)
    calls = []
    network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)).double()
    network.register_forward_pre_hook(lambda _, inputs: calls.append(inputs[0].shape[-2]))
    x = torch.rand(2, 10, 3, dtype=torch.float64)
    weights = torch.rand(2, 10, 1, dtype=torch.float64)
    gradients = []
    for output_of in (network, lambda points: outputs_in_parts(network, points)):
        calls.clear()
        output = output_of(x)
        gradients.append(torch.autograd.grad((output * weights).sum(), network.parameters()))
        torch.testing.assert_close(output, network(x))
    for whole, parts in zip(*gradients, strict=True):
        torch.testing.assert_close(parts, whole)
    # Without room for the activations, those of each part are computed again.
    assert calls[:-1] == ([4] * 5 if kept else [4] * 10)


def test_a_process_without_examples_gets_no_outputs() -> None:
    assert outputs_in_parts(nn.Linear(3, 4), torch.empty(0, 5, 3)).shape == (0, 5, 4)


def test_an_evaluation_computes_each_part_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CPU_POINTS", 4)
    monkeypatch.setattr(module, "MAX_ACTIVATIONS", 0)
    network, calls = nn.Linear(3, 1), []
    network.register_forward_pre_hook(lambda _, inputs: calls.append(inputs[0].shape[-2]))
    with torch.inference_mode():
        outputs_in_parts(network, torch.rand(10, 3))
    assert calls == [4, 4, 2]
