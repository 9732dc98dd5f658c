"""Learning a density from its projections."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import history, make_task, weights
from skimage.metrics import peak_signal_noise_ratio
from skimage.transform import radon
from torch import nn

from mlp_lab import errors
from mlp_lab.errors import UserError
from mlp_lab.images import filtered_back_projection
from mlp_lab.images.codecs import read_png
from mlp_lab.runs.build import build_task
from mlp_lab.runs.evaluate import evaluate
from mlp_lab.runs.predict import predict
from mlp_lab.runs.train import train
from mlp_lab.storage.results import Result
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.tasks.tomography import Tomography

TINY = ["experiment=ct", "data.size=16", "data.passes=5", "network.width=16", "data.projections=6",
        "encoding.frequencies=16", "trainer.max_epochs=2", "trainer.accelerator=cpu"]  # fmt: skip


def example(size: int = 12, count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Return outputs of a network for one object, and random projections as targets."""
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(1, size * size, 1, generator=generator, dtype=torch.float64)
    angles = torch.linspace(0, 3, count, dtype=torch.float64)[None, :, None]
    measured = torch.rand(1, count, size, generator=generator, dtype=torch.float64)
    return outputs, torch.cat([angles, measured], 2)


@pytest.mark.filterwarnings("ignore:Radon transform:UserWarning")
def test_loss_and_metrics_compare_projections_of_the_sigmoids() -> None:
    outputs, target = example()
    # Outside the circle, where scikit-image's transform needs zeros.
    offsets = torch.arange(12) - 6
    outside = offsets[:, None] ** 2 + offsets**2 > 36
    outputs.view(12, 12)[outside] = -torch.inf
    task = make_task(Tomography, output="sigmoid", loss="half_squared_error")
    densities = 1 / (1 + np.exp(-outputs.view(12, 12).numpy()))
    angles = np.rad2deg(target[0, :, 0].numpy())
    error = radon(densities, angles, circle=True).T / 12 - target[0, :, 1:].numpy()
    assert float(task.loss(outputs, target)) == pytest.approx(np.mean(error**2) / 2, rel=1e-5)
    metrics = task.measure(outputs, target)
    assert float(metrics["squared_error"]) == pytest.approx(np.mean(error**2), rel=1e-5)
    assert float(metrics["largest_error"]) == pytest.approx(np.abs(error).max(), rel=1e-5)


def test_gradients_of_the_loss_equal_differences() -> None:
    outputs, target = example(size=5, count=2)
    task = make_task(Tomography, output="sigmoid", loss="squared_error")
    assert torch.autograd.gradcheck(lambda f: task.loss(f, target), outputs.requires_grad_())


def test_training_equals_a_plain_loop(compose: Callable, tmp_path: Path) -> None:
    cfg = compose(*TINY, f"logs='{tmp_path}'", "callbacks=none", "seed=3")
    folder = train(cfg).folder
    data, task = build_task(cfg)
    data.setup()
    x, target = data.splits["train"]
    network: nn.Module = task.network
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(10):
        optimizer.zero_grad()
        task.loss(network(x), target).backward()
        optimizer.step()
    with torch.no_grad():
        expected = float(task.loss(network(x), target))
    state = weights(folder)
    for name, weight in network.state_dict().items():
        torch.testing.assert_close(state[f"network.{name}"], weight, rtol=1e-4, atol=1e-6)
    losses = [row["loss/train"] for row in history(folder)]
    assert expected < losses[1] < losses[0]


def test_a_run_reports_the_image_and_its_figures(trained: Result, compose: Callable) -> None:
    run = RunFolder(trained.folder)
    [test] = trained.evaluations
    for name in ("reconstructions", "reconstruction_spectra"):
        assert (run.folder / "figures" / f"{name}.png").is_file()
    # The PSNR of the picture of the best epoch, rounded to 8 bits, against the phantom.
    truth, picture = read_png(run.truth), read_png(run.picture(test.epoch))
    expected = peak_signal_noise_ratio(truth, picture, data_range=255)
    assert test.metrics["psnr"] == pytest.approx(expected, abs=0.05)
    evaluation = evaluate(compose(f"run='{run.folder}'", root="evaluate"))
    rows = {row["method"]: row for row in evaluation.tables["reconstructions"]}
    assert rows["network"]["psnr"] == pytest.approx(test.metrics["psnr"], abs=1e-3)
    assert set(rows) == {"network", "filtered back-projection"}
    assert test.metrics["psnr_filtered_back_projection"] == pytest.approx(
        rows["filtered back-projection"]["psnr"]
    )
    rendered = predict(compose(f"run='{run.folder}'", "size=[16,16]", root="predict"))
    assert np.abs(read_png(rendered).astype(int) - picture).max() <= 1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["experiment=curve_fit", "task=tomography"], "Tomography learns projections, but the"),
        (["experiment=ct", "task=regression"], "Regression learns numbers, but the targets"),
        (
            ["experiment=ct", "network.normalization=batch"],
            "has batch normalization, which measure",
        ),
        (["experiment=ct", "select.metric=psnr"], "select.metric=psnr: must be one of loss, squ"),
    ],
)
def test_unsuitable_settings_are_one_clear_line(
    overrides: list[str], message: str, compose: Callable, tmp_path: Path
) -> None:
    cfg = compose(*overrides, "callbacks=none", "trainer.accelerator=cpu", f"logs='{tmp_path}'")
    with pytest.raises(UserError, match=message):
        train(cfg)


def test_the_figure_needs_projections(compose: Callable, tmp_path: Path) -> None:
    cfg = compose("experiment=image_hw", "callbacks=reconstructions", "data.image=text",
                  "data.size=8", "~callbacks.image_progress", "trainer.accelerator=cpu",
                  f"logs='{tmp_path}'")  # fmt: skip
    with pytest.raises(UserError, match=r"callbacks\.reconstructions: needs data=ct or data=mri"):
        train(cfg)


def test_without_scikit_image_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"pip install 'mlp-lab\[images\]'"):
        filtered_back_projection.filtered_back_projection(np.zeros((1, 4)), np.zeros(1))
