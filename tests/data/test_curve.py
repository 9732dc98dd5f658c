"""Curves as data, and the figure of a fit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlp_lab.data.curve import FUNCTIONS, Curve
from mlp_lab.errors import UserError
from mlp_lab.figures import fitted_curve
from mlp_lab.runs.train import Training, fit_alone, train
from mlp_lab.storage.results import Result
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison.comparison import Comparison, find_runs
from mlp_lab.sweeps.comparison.drawing import draw

SPLITS = ("train", "validation", "test")


def data(function: str = "sine", size: int = 50, noise: float = 0.0, noise_seed: int = 0) -> Curve:
    made = Curve(
        function=function, size=size, noise=noise, noise_seed=noise_seed, batch_size=10, seed=0,
        limits={"train": None, "validation": None},
    )  # fmt: skip
    made.setup()
    return made


def points(made: Curve, split: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = made.splits[split]
    assert x.dtype == y.dtype == torch.float32
    assert x.shape == y.shape == (len(x), 1)
    return x[:, 0].double().numpy(), y[:, 0].double().numpy()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_bounded_and_continuous_except_the_step(name: str) -> None:
    x = np.linspace(-1, 1, 200_001)
    y = FUNCTIONS[name](x)
    assert np.abs(y).max() <= 1 + 1e-12
    assert np.ptp(y) > 1
    # None is steeper than 30, which a jump is on any grid.
    assert (np.abs(np.diff(y)).max() < 30 * (x[1] - x[0])) == (name != "step")


@given(st.sampled_from(sorted(FUNCTIONS)), st.integers(2, 300), st.floats(0, 10))
def test_splits(function: str, size: int, noise: float) -> None:
    made = data(function, size, noise)
    x, _ = points(made, "train")
    assert x == pytest.approx([-1 + 2 * i / (size - 1) for i in range(size)], abs=1e-6)
    for split, places in {
        "validation": [-1 + i / 500 for i in range(1001)],
        "test": [-1 + (i + 0.5) / 500 for i in range(1000)],
    }.items():
        x, y = points(made, split)
        assert x == pytest.approx(places, abs=1e-6)
        if function != "step":  # which rounding turns over at 0
            assert y == pytest.approx(FUNCTIONS[function](np.array(places)), abs=1e-5)


def test_only_the_training_targets_have_noise_from_the_noise_seed() -> None:
    clean, noisy, again = (data(size=20_000, noise=noise) for noise in (0.0, 0.5, 0.5))
    difference = points(noisy, "train")[1] - points(clean, "train")[1]
    assert difference.std() == pytest.approx(0.5, rel=0.03)
    assert abs(difference.mean()) < 0.02
    for split in SPLITS:
        assert np.array_equal(points(noisy, split)[1], points(again, split)[1])
        other = points(data(size=20_000, noise=0.5, noise_seed=1), split)[1]
        assert np.array_equal(points(noisy, split)[1], other) == (split != "train")


# --- the figure ---------------------------------------------------------------------------------


def test_the_largest_error_is_marked_and_labelled() -> None:
    x = np.linspace(0, 1, 11)
    fit = x.copy()
    fit[3] -= 0.25
    figure = fitted_curve.fitted_curve((x[::5], x[::5]), (x, x), fit)
    above, below = figure.axes
    drawn = {line.get_label(): line.get_xydata() for line in above.lines}
    assert np.array_equal(drawn["target"], np.stack([x, x], 1))
    assert np.array_equal(drawn["prediction"], np.stack([x, fit], 1))
    assert np.array_equal(drawn["3 training points"], np.stack([x[::5]] * 2, 1))
    assert below.lines[1].get_xydata().tolist() == [[pytest.approx(0.3), pytest.approx(-0.25)]]
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "largest error: 0.25 at x = 0.3" in shown


def run(compose: Callable, tmp_path: Path, *overrides: str) -> Result:
    few = ["trainer.max_epochs=2", "data.passes=5", "trainer.accelerator=cpu"]
    return train(compose("experiment=curve_fit", *few, f"logs='{tmp_path}'", *overrides))


@pytest.mark.draws
def test_a_run_draws_its_last_fit(
    compose: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple] = []
    plain = fitted_curve.fitted_curve
    monkeypatch.setattr(
        fitted_curve, "fitted_curve", lambda *given: (calls.append(given), plain(*given))[1]
    )
    result = run(compose, tmp_path, "data.noise=0.2", "data.size=30")
    assert (Path(result.folder) / "figures" / "curve_fit.png").is_file()
    [((px, py), (x, y), fit)] = calls
    assert (len(px), len(py), len(x)) == (30, 30, 1001)
    assert np.abs(py - FUNCTIONS["bumps"](px)).max() > 0.1
    np.testing.assert_allclose(y, FUNCTIONS["bumps"](x), atol=1e-5)
    assert result.last is not None
    assert result.last["largest_error/validation"] == pytest.approx(np.abs(fit - y).max())


def test_a_full_batch_is_not_copied(compose: Callable, tmp_path: Path) -> None:
    overrides = ["callbacks=none", "logger=none", f"logs='{tmp_path}'", "trainer.accelerator=cpu"]
    for size, copied in ((100, False), (101, True)):  # of batches of 100
        training = Training.new(compose("experiment=curve_fit", *overrides, f"data.size={size}",
                                        "trainer.max_epochs=1"))  # fmt: skip
        fit_alone(training, test=False)
        x, _ = next(iter(next(iter(training.trainer.train_dataloader))))
        assert (x.data_ptr() != training.data.splits["train"][0].data_ptr()) == copied


def test_a_diverging_run_has_a_figure(compose: Callable, tmp_path: Path) -> None:
    overrides = ["optimizer=sgd", "optimizer.lr=1e3", "network.activation=identity"]
    result = run(compose, tmp_path, *overrides, "trainer.max_epochs=50", "data.passes=1")
    assert result.status == "diverged"
    assert result.epochs > 0
    assert (Path(result.folder) / "figures" / "curve_fit.png").is_file()


def test_other_data_have_no_curve(compose: Callable, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"callbacks\.curve_fit: needs data=curve and encoding=identity"
    ):
        train(compose("experiment=parity", "callbacks=curve", f"logs='{tmp_path}'",
                      "trainer.accelerator=cpu"))  # fmt: skip


def test_one_hidden_layer_of_sigmoids_fits_a_curve(compose: Callable, tmp_path: Path) -> None:
    common = ["data.function=sine", "trainer.max_epochs=20", "data.passes=100", "callbacks=none"]
    result = run(compose, tmp_path, *common, "network.width=16")
    line = run(compose, tmp_path, *common, "network.depth=0")
    assert result.best is not None
    assert line.best is not None
    assert result.best["largest_error/validation"] < 0.1
    # The best line leaves more than half of the amplitude.
    assert line.best["largest_error/validation"] > 0.5
    rows = RunFolder(result.folder).history
    chosen = min(rows, key=lambda row: row["largest_error/validation"])
    assert result.best["epoch"] == chosen["epoch"]


# --- sizes --------------------------------------------------------------------------------------


def test_a_sweep_draws_the_error_by_number_of_parameters(compose: Callable, tmp_path: Path) -> None:
    for width in (2, 4):
        for depth in (1, 2):
            run(compose, tmp_path, f"network.width={width}", f"network.depth={depth}",
                "trainer.max_epochs=1", "callbacks=none", "logger=none")  # fmt: skip
    comparison = Comparison(find_runs([str(tmp_path)]), "largest_error")
    drawn = draw(comparison)
    assert "largest_error_against_network.width" in drawn
    panel = drawn["largest_error_against_parameters"]().axes[0]
    expected = {
        f"depth={depth}": sorted(
            (job.run.result.parameters, job.best["largest_error/validation"])
            for job in comparison.jobs
            if job.best is not None and job.settings["network.depth"] == depth
        )
        for depth in (1, 2)
    }
    actual = {
        line.get_label(): list(zip(*line.get_data(), strict=True))
        for line in panel.lines
        if str(line.get_label()).startswith("depth")
    }
    assert actual == expected
    # 1-w-1: w + w + w + 1 parameters; 1-w-w-1: w (w + 1) more.
    assert [size for size, _ in actual["depth=1"]] == [7, 13]
    assert [size for size, _ in actual["depth=2"]] == [13, 33]
    assert [note.get_text() for note in panel.texts] == ["2", "2", "4", "4"]
