"""The claims are compared with closed forms, and the command reports which of them hold."""

import itertools
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import single_spaced
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlp_lab.commands.claims import claims as claims_command
from mlp_lab.course.claims import backpropagation_claims, topics
from mlp_lab.course.claims.claim import Claim
from mlp_lab.course.claims.topics import TOPICS, check_topic
from mlp_lab.figures import activation_curves, linear_boundaries
from mlp_lab.nn.activation_derivatives import DERIVATIVES, derivative
from mlp_lab.nn.activations import ACTIVATIONS

KINKED = ("relu", "leaky_relu", "selu")
claims_of = cache(check_topic)  # some take seconds


@pytest.mark.parametrize("topic", TOPICS)
def test_the_claims_hold(topic: str) -> None:
    claims = claims_of(topic)
    assert claims
    assert [claim.text for claim in claims if not claim.holds] == []
    assert len({claim.text for claim in claims}) == len(claims)
    assert any(claim.figures for claim in claims)


# --- derivatives --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIVATIONS)
@given(x=st.floats(-15, 15).filter(lambda x: x == 0 or abs(x) > 1e-6))
def test_derivatives_equal_autograd(name: str, x: float) -> None:
    at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    [expected] = torch.autograd.grad(ACTIVATIONS[name]()(at), at)
    ours = derivative(name, at.detach(), ACTIVATIONS[name]()(at.detach()))
    assert ours.dtype == torch.float64
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives_are_limits_of_differences(name: str) -> None:
    x, h = torch.linspace(-4, 4, 80, dtype=torch.float64), 1e-6
    f = ACTIVATIONS[name]()
    torch.testing.assert_close(
        derivative(name, x, f(x)), (f(x + h) - f(x - h)) / (2 * h), rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives_keep_shape_and_dtype(name: str, dtype: torch.dtype) -> None:
    x = torch.zeros(2, 3, dtype=dtype)
    slope = derivative(name, x, ACTIVATIONS[name]()(x))
    assert (slope.shape, slope.dtype) == (x.shape, dtype)


def test_derivatives_equal_the_lectures_formulas() -> None:
    x = np.linspace(-5, 5, 11)
    f = 1 / (1 + np.exp(-x))
    slopes = derivative("sigmoid", *map(torch.from_numpy, (x, f)))
    np.testing.assert_allclose(slopes, f * (1 - f))
    x = torch.tensor([-1.0, 0.0, 1e-30, 2.0])
    assert derivative("relu", x, x.relu()).tolist() == [0, 0, 1, 1]


def test_a_wrong_derivative_fails_the_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(DERIVATIVES["tanh"], slope=DERIVATIVES["sigmoid"].slope)
    monkeypatch.setitem(DERIVATIVES, "tanh", wrong)
    failed = [claim.text for claim in check_topic("activations") if not claim.holds]
    assert failed == ["tanh: f'(x) = 1 - f(x)²"]


# --- XOR ----------------------------------------------------------------------------------------


def test_gradients_that_are_not_numbers_fail_the_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    method = backpropagation_claims.gradients_by_dynamic_programming
    monkeypatch.setattr(
        backpropagation_claims,
        "gradients_by_dynamic_programming",
        lambda *arguments: dict.fromkeys(method(*arguments), float("nan")),
    )
    assert not backpropagation_claims._equal_gradients().holds


def test_a_linear_function_has_at_least_one_error_on_xor() -> None:
    # Coefficients on a grid, which include all linear separations of the four corners.
    w1, w2, b = np.array(list(itertools.product(np.linspace(-2, 2, 17), repeat=3))).T[..., None]
    corners, classes = np.array([[0, 0], [1, 1], [0, 1], [1, 0]]), np.array([-1, -1, 1, 1])
    f = w1 * corners[:, 0] + w2 * corners[:, 1] + b
    assert (classes * f <= 0).sum(1).min() == 1
    parted = {tuple(row) for row in f > 0}
    assert len(parted) == 14  # of 16: all but XOR and its opposite


# --- figures ------------------------------------------------------------------------------------


def test_activations_are_drawn_with_their_derivatives() -> None:
    x = np.array([-1.0, 0.0, 2.0])
    curves = {name: (x * i, x + i) for i, name in enumerate("abcdefg")}
    figure = activation_curves.activation_curves(x, curves)
    assert len(figure.axes) == 10
    for panel, (name, (f, slope)) in zip(figure.axes, curves.items(), strict=False):
        assert panel.get_title() == name
        lines = {line.get_label(): line.get_ydata() for line in panel.lines}
        np.testing.assert_array_equal(lines["f(x)"], f)
        np.testing.assert_array_equal(lines["f'(x)"], slope)


@given(st.tuples(*[st.floats(-2, 2)] * 3).filter(lambda c: abs(c[0]) + abs(c[1]) > 0.1))
def test_boundaries_lie_where_the_function_is_zero(coefficients: tuple[float, ...]) -> None:
    w, b = np.array(coefficients[:2]), coefficients[2]
    points = np.array([[0.0, 0.0], [1.0, 1.0]])
    figure = linear_boundaries.linear_boundaries(points, np.array([-1, 1]), {"line": (w, b)}, "")
    [line] = [line for line in figure.axes[0].lines if line.get_label() == "line"]
    ends = np.array([line.get_xy1(), line.get_xy2()])
    np.testing.assert_allclose(ends @ w + b, 0, atol=1e-12)
    assert np.ptp(ends, 0).max() > 0.05


# --- the command --------------------------------------------------------------------------------


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> object:
    """Return the exit status of the command, or its error message."""
    monkeypatch.setattr(sys, "argv", ["claims.py", *map(str, arguments)])
    try:
        claims_command()
    except SystemExit as end:
        return end.code
    return 0


@pytest.fixture
def made_up_claims(monkeypatch: pytest.MonkeyPatch) -> list[Claim]:
    """Replace the claims of all topics by the returned list."""
    claims: list[Claim] = []
    monkeypatch.setattr("mlp_lab.course.claims.claims_report.check_topic", lambda topic: claims)
    return claims


def test_tables_figures_and_events(
    made_up_claims: list[Claim], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    made_up_claims += claims_of("collapse")
    assert run(monkeypatch, "collapse", "--output", tmp_path) == 0
    output = capsys.readouterr().out
    assert output.split()[:4] == ["collapse", "expected", "measured", "holds"]
    text = single_spaced((tmp_path / "claims.md").read_text())
    for claim in made_up_claims:
        assert claim.measured in output
        assert f"| {claim.text} | {claim.expected} | {claim.measured} | yes |" in text
    assert [path.name for path in (tmp_path / "figures").iterdir()] == [
        "linear_networks_on_xor.png"
    ]
    events = EventAccumulator(str(tmp_path)).Reload()
    assert events.Tags()["images"] == ["summary/linear_networks_on_xor"]
    assert events.Tags()["tensors"] == ["summary"]


@pytest.mark.renders
def test_figures_in_another_format(
    made_up_claims: list[Claim], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up_claims.append(Claim("a", "s", "1", "1", True, {"empty": Figure}))
    assert run(monkeypatch, "collapse", "--output", tmp_path) == 0
    assert run(monkeypatch, "collapse", "--output", tmp_path, "--format", "pdf") == 0
    [path] = (tmp_path / "figures").iterdir()  # it replaces the PNG file
    assert path.name == "empty.pdf"
    assert path.read_bytes().startswith(b"%PDF")
    events = EventAccumulator(str(tmp_path)).Reload()
    assert events.Images("summary/empty")[0].encoded_image_string.startswith(b"\x89PNG")
    message = run(monkeypatch, "--format", "bmp")
    assert str(message).startswith("mlp_lab: argument --format: invalid choice: 'bmp' (choose from")


def test_a_failed_claim_sets_the_exit_status(
    made_up_claims: list[Claim], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    made_up_claims += [Claim("a", "s", "1", "1", True), Claim("b", "s", "1", "2", False)]
    assert run(monkeypatch, "--output", tmp_path) == "mlp_lab: a claim does not hold"
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines[:3]] == ["holds", "yes", "NO"]
    assert "| b | 1 | 2 | NO | s |" in single_spaced((tmp_path / "claims.md").read_text())
    made_up_claims.pop()
    assert run(monkeypatch, "--output", tmp_path) == 0


def test_all_topics_are_checked_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        "mlp_lab.course.claims.claims_report.check_topic", lambda topic: asked.append(topic) or []
    )
    assert run(monkeypatch, "--output", tmp_path) == 0
    assert asked == list(TOPICS)


def test_topics_are_the_modules_of_the_package() -> None:
    folder = Path(topics.__file__).parent
    modules = {path.name for path in folder.glob("*_claims.py")}
    assert modules == {f"{topic}_claims.py" for topic in TOPICS}


def test_an_unwritable_folder_is_reported(
    made_up_claims: list[Claim], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    message = run(monkeypatch, "--output", tmp_path / "file")
    assert str(message).startswith(f"mlp_lab: {tmp_path / 'file'}: ")
