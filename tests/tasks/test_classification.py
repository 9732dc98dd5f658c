import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import classification_task
from hypothesis import given
from hypothesis import strategies as st

from mlp_lab.data.batches import ChunkLoader
from mlp_lab.errors import UserError
from mlp_lab.tasks.classification import Classification

OUTPUTS = ("softmax", "sigmoid")
LOSSES = ("cross_entropy", "squared_error")
both = pytest.mark.parametrize("output", OUTPUTS)


def example(batch: int = 7, classes: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits in float64 and classes."""
    generator = torch.Generator().manual_seed(batch * classes)
    z = 3 * torch.randn(batch, classes, generator=generator, dtype=torch.float64)
    return z, torch.randint(classes, (batch,), generator=generator)


def p_and_y(output: str, z: torch.Tensor, target: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return p and y of the class's docstring."""
    e = np.exp(z.detach().numpy())
    p = e / e.sum(1, keepdims=True) if output == "softmax" else e / (1 + e)
    return p, np.eye(z.shape[1])[target.numpy()]


FORMULAS = {
    ("softmax", "cross_entropy"): lambda p, y: -(y * np.log(p)).sum(1).mean(),
    ("sigmoid", "cross_entropy"): lambda p, y: (
        -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(1).mean()
    ),
    ("softmax", "squared_error"): lambda p, y: ((p - y) ** 2).sum(1).mean(),
    ("sigmoid", "squared_error"): lambda p, y: ((p - y) ** 2).sum(1).mean(),
}


@pytest.mark.parametrize(("output", "loss"), FORMULAS)
@pytest.mark.parametrize("shape", [(1, 2), (7, 5), (256, 10)])
def test_losses(output, loss, shape):
    z, target = example(*shape)
    expected = FORMULAS[output, loss](*p_and_y(output, z, target))
    assert classification_task(output, loss).loss(z, target).item() == pytest.approx(
        expected, rel=1e-12
    )


@pytest.mark.parametrize("loss", LOSSES)
@both
def test_losses_of_huge_outputs_are_finite(output, loss):
    z = torch.tensor([[1e4, -1e4]])
    right = classification_task(output, loss).loss(z, torch.tensor([0])).item()
    wrong = classification_task(output, loss).loss(z, torch.tensor([1])).item()
    assert right == 0
    # - log p of a wrong class is linear in the output; each squared error is at most 1.
    assert wrong == (2e4 if loss == "cross_entropy" else 2)


@both
def test_probabilities(output):
    z, target = example()
    p, _ = p_and_y(output, z, target)
    np.testing.assert_allclose(classification_task(output).probabilities(z), p, rtol=1e-12)


def test_error_is_1_where_the_most_probable_class_is_wrong():
    z, target = example(200, 3)
    rows = zip(z.tolist(), target.tolist(), strict=True)
    expected = [float(max(range(3), key=row.__getitem__) != true) for row, true in rows]
    measured = classification_task("softmax").measure(z, target)
    assert list(measured) == list(Classification.metrics) == ["error"]
    assert measured["error"].tolist() == expected
    assert 0 < sum(expected) < 200


@both
def test_gradient_of_the_cross_entropy_is_p_minus_y(output):
    z, target = example(32, 10)
    z.requires_grad_()
    classification_task(output).loss(z, target).backward()
    p, y = p_and_y(output, z, target)
    np.testing.assert_allclose(z.grad, (p - y) / 32, atol=1e-15)


@pytest.mark.parametrize(("output", "loss"), FORMULAS)
def test_evaluation_is_a_mean_over_examples_for_any_batch_size(output, loss):
    z, target = example(23, 4)
    p, y = p_and_y(output, z, target)
    expected = {"loss": FORMULAS[output, loss](p, y), "error": (p.argmax(1) != target.numpy())}
    for batch_size in (1, 5, 23, 100):
        actual = classification_task(output, loss).evaluate(ChunkLoader((z, target), batch_size))
        assert actual["loss"] == pytest.approx(expected["loss"])
        assert actual["error"] == pytest.approx(expected["error"].mean())


def test_an_empty_share_of_a_batch_adds_nothing():
    z, target = example(3, 4)
    # Of the batches {0, 1} and {2}, the second of two processes has the example 1 only.
    actual = classification_task("softmax").evaluate(ChunkLoader((z, target), 2).share(1, 2))
    assert actual["loss"] == pytest.approx(
        classification_task("softmax").loss(z[1:2], target[1:2]).item()
    )


# --- a single output ----------------------------------------------------------------------------


def single(batch: int = 20) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return outputs z ``[batch, 1]``, the equivalent outputs (0, z), and classes 0 and 1."""
    z, _ = example(batch, 1)
    target = torch.arange(batch) % 2
    return z, torch.cat([torch.zeros_like(z), z], 1), target


@pytest.mark.parametrize("loss", LOSSES)
def test_a_single_output_equals_a_softmax_over_0_and_z(loss):
    z, both_outputs, target = single()
    one, two = classification_task("softmax", loss), classification_task("softmax", loss)
    assert one.loss(z, target).item() == pytest.approx(two.loss(both_outputs, target).item())
    np.testing.assert_allclose(one.probabilities(z), two.probabilities(both_outputs))
    assert torch.equal(one.predictions(z), (z[:, 0] > 0).long())
    assert torch.equal(one.predictions(z), two.predictions(both_outputs))


def test_a_single_sigmoid_output_is_the_probability_of_the_second_class():
    z, _, target = single()
    p, y = 1 / (1 + np.exp(-z[:, 0].numpy())), target.numpy()
    actual = classification_task("sigmoid").probabilities(z).numpy()
    np.testing.assert_allclose(actual, np.stack([1 - p, p], 1))
    crossed = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    assert classification_task("sigmoid").loss(z, target).item() == pytest.approx(crossed)
    squared = ((p - y) ** 2).mean()
    assert classification_task("sigmoid", "squared_error").loss(z, target).item() == pytest.approx(
        squared
    )


# --- label smoothing ----------------------------------------------------------------------------


@given(st.integers(1, 20), st.integers(1, 10), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_label_smoothing(batch, outputs, smoothing, seed):
    z = torch.randn(batch, outputs, generator=torch.Generator().manual_seed(seed)).double()
    classes = max(outputs, 2)
    target = torch.arange(batch) % classes
    smooth = classification_task("softmax", label_smoothing=smoothing)
    actual = smooth.loss(z, target).item()
    p = smooth.probabilities(z).numpy()
    truth = (1 - smoothing) * np.eye(classes)[target.numpy()] + smoothing / classes
    assert actual == pytest.approx(-(truth * np.log(p)).sum(1).mean())
    if outputs > 1:
        assert actual == F.cross_entropy(z, target, label_smoothing=smoothing).item()
    # The minimum is the entropy of the smoothed targets, where p equals these targets.
    if truth.min() > 0 and outputs > 1:
        least = smooth.loss(torch.from_numpy(np.log(truth)), target).item()
        assert least == pytest.approx(-(truth * np.log(truth)).sum(1).mean())
        assert least <= actual + 1e-12
    assert (
        smooth.eval().loss(z, target).item()
        == classification_task("softmax").loss(z, target).item()
    )


@pytest.mark.parametrize(("output", "loss"), sorted(set(FORMULAS) - {("softmax", "cross_entropy")}))
def test_label_smoothing_of_other_losses_is_refused(output, loss):
    message = "task.label_smoothing=0.1: needs task.output=softmax and task.loss=cross_entropy"
    with pytest.raises(UserError, match=f"^{message}$"):
        classification_task(output, loss, label_smoothing=0.1)
    classification_task(output, loss, label_smoothing=0.0)
