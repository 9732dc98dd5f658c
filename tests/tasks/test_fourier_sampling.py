"""Learning a density from samples of its Fourier transform."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import make_task, weights
from torch import nn

from mlp_lab.errors import UserError
from mlp_lab.images.codecs import read_png
from mlp_lab.images.zero_filling import zero_filled
from mlp_lab.runs.build import build_task
from mlp_lab.runs.evaluate import evaluate
from mlp_lab.runs.predict import predict
from mlp_lab.runs.train import train
from mlp_lab.storage.results import Result
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.tasks.fourier_sampling import FourierSampling

TINY = ["experiment=mri", "data.size=12", "data.passes=5", "network.width=16",
        "encoding.frequencies=16", "trainer.max_epochs=2", "trainer.accelerator=cpu"]  # fmt: skip


def test_loss_and_metrics_compare_samples_of_the_sigmoids() -> None:
    random = np.random.default_rng(0)
    outputs = random.standard_normal((4, 4, 4))
    frequencies = random.integers(-2, 2, (9, 3))
    measured = random.standard_normal((9, 2))
    target = torch.from_numpy(np.concatenate([frequencies, measured], 1))[None]
    flat = torch.from_numpy(outputs).view(1, 64, 1)
    coefficients = np.fft.fftn(1 / (1 + np.exp(-outputs)), norm="ortho")
    predicted = coefficients[tuple(frequencies.T % 4)]
    error = np.abs(predicted - measured @ (1, 1j)) ** 2 / 2  # means over two real numbers
    task = make_task(FourierSampling, output="sigmoid", loss="half_squared_error")
    assert float(task.loss(flat, target)) == pytest.approx(error.mean() / 2)
    assert float(task.measure(flat, target)["squared_error"]) == pytest.approx(error.mean())
    assert torch.autograd.gradcheck(lambda f: task.loss(f, target), flat.requires_grad_())


def test_training_equals_a_plain_loop(compose: Callable, tmp_path: Path) -> None:
    cfg = compose(*TINY, f"logs='{tmp_path}'", "callbacks=none", "seed=3")
    folder = train(cfg).folder
    data, task = build_task(cfg)
    data.setup()
    x, target = data.splits["train"]
    network: nn.Module = task.network
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    spectrum, (_, y) = target[0, :, 3:], (x, target)
    index = tuple(y[0, :, :3].long().T % 12)
    for _ in range(10):
        optimizer.zero_grad()
        volume = network(x).view(12, 12, 12).sigmoid()
        samples = torch.view_as_real(torch.fft.fftn(volume, norm="ortho")[index])
        ((samples - spectrum).square().mean() / 2).backward()
        optimizer.step()
    state = weights(folder)
    for name, weight in network.state_dict().items():
        torch.testing.assert_close(state[f"network.{name}"], weight, rtol=1e-4, atol=1e-6)


def test_a_run_reports_the_volume_and_its_figures(trained: Result, compose: Callable) -> None:
    run = RunFolder(trained.folder)
    assert (run.folder / "figures" / "reconstructions.png").is_file()
    assert (run.folder / "figures" / "k_space.png").is_file()
    evaluation = evaluate(compose(f"run='{run.folder}'", root="evaluate"))
    rows = {row["method"]: row["psnr"] for row in evaluation.tables["reconstructions"]}
    assert rows["network"] == pytest.approx(evaluation.metrics["psnr"], abs=1e-6)
    assert rows["zero-filled"] == pytest.approx(evaluation.metrics["psnr_zero_filled"])
    data, task = build_task(run.config)
    task.load_state_dict(weights(trained, "best"))
    along = torch.arange(12) / 12
    volume = task(torch.cartesian_prod(along, along, along)).sigmoid().view(12, 12, 12).detach()
    error = np.square(volume.numpy() - data.density).mean()
    assert rows["network"] == pytest.approx(-10 * np.log10(error), abs=1e-3)
    y = data.read(torch.device("cpu"))["train"][1][0].numpy()
    filled = zero_filled(y[:, 3] + 1j * y[:, 4], y[:, :3].astype(int), 12)
    error = np.square(filled - data.density).mean()
    assert rows["zero-filled"] == pytest.approx(-10 * np.log10(error), abs=1e-3)
    # Any slice: the picture has y to the right and z downwards.
    path = predict(
        compose(f"run='{run.folder}'", "axis=x", "position=0.25", "size=[12,12]", root="predict")
    )
    expected = 255 * volume[3].T.numpy()
    assert np.abs(read_png(path)[:, :, 0] - expected).max() <= 1
    with pytest.raises(UserError, match=r"mesh=8: must be null: .* has learned a volume"):
        predict(compose(f"run='{run.folder}'", "mesh=8", root="predict"))
    with pytest.raises(UserError, match=r"images=a\.png: must be null: .* has learned a volume"):
        predict(compose(f"run='{run.folder}'", "images=a.png", root="predict"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["experiment=mri", "task=tomography"], "Tomography learns projections, but the targets"),
        (["experiment=ct", "task=fourier_sampling"], "FourierSampling learns Fourier samples, but"),
        (
            ["experiment=mri", "network.normalization=batch"],
            "has batch normalization, which measure",
        ),
        (["experiment=mri", "data.volume=none.nii"], r"data\.volume=.*none\.nii: no such file"),
        (["experiment=mri", "trainer.devices=2"], "must be 1 for Fourier samples of one object"),
    ],
)
def test_unsuitable_settings_are_one_clear_line(
    overrides: list[str], message: str, compose: Callable, tmp_path: Path
) -> None:
    cfg = compose(*overrides, "callbacks=none", "trainer.accelerator=cpu", f"logs='{tmp_path}'")
    with pytest.raises(UserError, match=message):
        train(cfg)
