"""Learning a scene from posed images."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from helpers import assert_equal_weights, composed, history, make_task, stopped_in, weights
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from mlp_lab.data.scenes.camera import camera_on_sphere
from mlp_lab.data.views import views_of
from mlp_lab.errors import UserError
from mlp_lab.images.codecs import read_png
from mlp_lab.nn.operators.volume_rendering import volume_rendering
from mlp_lab.runs.build import build_task
from mlp_lab.runs.evaluate import evaluate, measure
from mlp_lab.runs.predict import predict
from mlp_lab.runs.render import view
from mlp_lab.runs.train import resume, train
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.tasks.view_synthesis import ViewSynthesis

TINY = ["experiment=nerf", "data.size=12", "data.views=3", "data.held_out_views=1",
        "data.samples=6", "data.batch_size=30", "data.passes=10", "network.width=16",
        "encoding.frequencies=16", "callbacks.novel_views.frames=2", "trainer.max_epochs=2",
        "trainer.accelerator=cpu"]  # fmt: skip
PLAIN = [o for o in TINY if "novel_views" not in o] + ["callbacks=none"]


class Killed(BaseException):
    """Stands in for a signal that kills the process."""


def example() -> tuple[torch.Tensor, torch.Tensor]:
    """Return random outputs for 7 rays with 4 samples, and targets."""
    generator = torch.Generator().manual_seed(0)
    output = torch.randn(7, 4, 4, generator=generator, dtype=torch.float64)
    colours = torch.rand(7, 3, generator=generator, dtype=torch.float64)
    distances = 2 + 4 * torch.rand(7, 5, generator=generator, dtype=torch.float64).sort(1)[0]
    return output, torch.cat([colours, distances], 1)


@pytest.mark.parametrize("density", ["relu", "softplus"])
def test_loss_and_metrics_compare_the_colours_of_rays(density: str) -> None:
    output, target = example()
    raw, distances = output.numpy(), target[:, 3:].numpy()
    densities = {"relu": np.maximum(raw, 0), "softplus": np.log1p(np.exp(raw))}[density][..., 3]
    alpha = 1 - np.exp(-densities * np.diff(distances))
    light = np.cumprod(np.concatenate([np.ones((7, 1)), 1 - alpha], 1), 1)
    colours = 1 / (1 + np.exp(-raw[..., :3]))
    seen = ((light[:, :-1] * alpha)[..., None] * colours).sum(1) + light[:, -1:]  # before white
    expected = peak_signal_noise_ratio(target[:, :3].numpy(), seen, data_range=1)
    metrics = make_task(ViewSynthesis, density=density).evaluate([[[output, target]]])
    assert metrics["psnr"] == pytest.approx(expected, rel=1e-6)
    assert metrics["loss"] == pytest.approx(metrics["squared_error"])


def test_gradients_of_the_loss_equal_differences() -> None:
    output, target = example()
    task = make_task(ViewSynthesis, density="softplus")
    assert torch.autograd.gradcheck(lambda f: task.loss(f, target), output.requires_grad_())


def test_training_equals_a_plain_loop(compose: Callable, tmp_path: Path) -> None:
    cfg = compose(*PLAIN, f"logs='{tmp_path}'", "seed=3")
    folder = train(cfg).folder
    data, task = build_task(cfg)
    data.setup()
    loader = views_of(data)._training_loader(data.splits["train"], None)
    optimizer = torch.optim.Adam(task.network.parameters(), lr=1e-3)
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)
        for x, y in (minibatch for chunk in loader for minibatch in chunk):
            raw = task.network(x)
            seen = volume_rendering(raw[..., :3].sigmoid(), raw[..., 3].relu(), y[:, 3:])
            optimizer.zero_grad()
            (seen.colours - y[:, :3]).square().mean().backward()
            optimizer.step()
    state = weights(folder)
    for name, weight in task.network.state_dict().items():
        torch.testing.assert_close(state[f"network.{name}"], weight, rtol=1e-3, atol=1e-5)
    losses = [row["loss/train"] for row in history(folder)]
    assert losses[1] < losses[0]


def test_a_resumed_run_has_the_same_weights(compose: Callable, tmp_path: Path) -> None:
    overrides = [*PLAIN, "trainer.max_epochs=3", "trainer.log_every_n_steps=0"]
    whole = train(compose(*overrides, f"logs='{tmp_path / 'whole'}'"))
    with stopped_in(2, Killed), pytest.raises(Killed):
        train(compose(*overrides, f"logs='{tmp_path / 'part'}'"))
    [folder] = (tmp_path / "part" / "nerf").iterdir()
    resume(str(folder), {})
    assert_equal_weights(whole, folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run with all figures."""
    folder = tmp_path_factory.mktemp("logs")
    return Path(train(composed(*TINY, f"logs='{folder}'")).folder)


def test_a_run_reports_held_out_views_and_its_figures(trained: Path, compose: Callable) -> None:
    run = RunFolder.open(str(trained))
    assert (trained / "figures" / "novel_views.png").is_file()
    with Image.open(trained / "figures" / "orbit.gif") as orbit:
        assert orbit.n_frames == 2
    data, _ = build_task(run.config)
    truth = (255 * data.target_image).round().astype(np.uint8)
    assert np.array_equal(read_png(run.truth), truth)
    # The picture of an epoch shows the validation image: its PSNR, up to the rounding to 8 bits.
    rows = {row["epoch"]: row for row in history(trained)}
    for epoch in (1, 2):
        expected = peak_signal_noise_ratio(truth, read_png(run.picture(epoch)), data_range=255)
        assert rows[epoch]["psnr/validation"] == pytest.approx(expected, abs=0.05)
    evaluation = evaluate(compose(f"run='{trained}'", root="evaluate"))
    test = run.result.evaluations[0]
    assert evaluation.metrics["psnr"] == pytest.approx(test.metrics["psnr"], abs=1e-4)


def test_predictions_are_views_from_any_angle(
    trained: Path, compose: Callable, tmp_path: Path
) -> None:
    def pixels(*overrides: str) -> np.ndarray:
        output = f"output='{tmp_path / 'a.png'}'"
        return read_png(predict(compose(f"run='{trained}'", output, *overrides, root="predict")))

    assert pixels().shape == (12, 12, 3)
    wide = pixels("size=[10,4]", "azimuth=90")
    assert wide.shape == (4, 10, 3)
    assert not np.array_equal(wide, pixels("size=[10,4]", "azimuth=180"))
    # A full turn is the same view.
    turned = pixels("azimuth=360", "elevation=30").astype(int)
    assert np.abs(turned - pixels("azimuth=0")).max() <= 1


def test_predictions_have_the_proportions_and_the_angle_of_a_folder(
    compose: Callable, tmp_path: Path
) -> None:
    Image.new("RGB", (12, 6), (200, 50, 0)).save(tmp_path / "view.png")
    pose = camera_on_sphere(0, 30, 4.0).pose.tolist()
    content = {"camera_angle_x": 1.2, "frames": [{"file_path": "view", "transform_matrix": pose}]}
    for split in ("train", "val", "test"):
        (tmp_path / f"transforms_{split}.json").write_text(json.dumps(content))
    cfg = compose(*PLAIN, f"data.path='{tmp_path}'", f"logs='{tmp_path / 'logs'}'")
    folder = train(cfg).folder
    output = f"output='{tmp_path / 'a.png'}'"
    seen = read_png(predict(compose(f"run='{folder}'", output, root="predict")))
    _, data, task = measure(RunFolder.open(folder), "validation", "best", {})
    samples = views_of(data).samples
    distance = (samples.near + samples.far) / 2
    camera = camera_on_sphere(0, 30, distance, angle=1.2)
    expected = 255 * view(task, camera, samples, 12, 6).colours.numpy()
    np.testing.assert_allclose(seen, expected, atol=0.51)


def test_a_mesh_is_a_scene(compose: Callable, tmp_path: Path) -> None:
    path = tmp_path / "torus.ply"
    trimesh.creation.torus(1.0, 0.3).export(path)
    folder = train(compose(*PLAIN, f"data.path='{path}'", f"logs='{tmp_path}'")).folder
    losses = [row["loss/train"] for row in history(folder)]
    assert losses[1] < losses[0]
    trimesh.creation.torus(1.0, 0.4).export(path)
    with pytest.raises(UserError, match=r"data\.path=.*torus\.ply: these are not the data that"):
        resume(folder, {"trainer.max_epochs": 3})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["mesh=8"], "mesh=8: must be null: .* has learned a scene"),
        (["axis=x"], "axis=x: must be null: .* has learned a scene"),
    ],
)
def test_unsuitable_predictions_are_one_clear_line(
    overrides: list[str], message: str, trained: Path, compose: Callable
) -> None:
    with pytest.raises(UserError, match=message):
        predict(compose(f"run='{trained}'", *overrides, root="predict"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["experiment=nerf", "task=regression"], "Regression learns numbers, but the targets of"),
        (["experiment=ct", "task=view_synthesis"], "ViewSynthesis learns views, but the targets"),
        (["experiment=nerf", "data.distance=0.3"], r"data\.distance=0\.3: a camera is inside"),
        (["experiment=nerf", "network.normalization=batch"], "network: has batch normalization, b"),
        (["experiment=nerf", "data.near=7"], r"data\.near=7: must be below data\.far=5\.4"),
        (["experiment=nerf", "data.path=none"], r"data\.path=.*none: has no transforms_train"),
        (["experiment=image_hw", "data.image=text", "data.size=8", "callbacks=nerf"],
         r"callbacks\.novel_views: needs data=views"),
    ],
)  # fmt: skip
def test_unsuitable_settings_are_one_clear_line(
    overrides: list[str], message: str, compose: Callable, tmp_path: Path
) -> None:
    few = ["data.size=8", "data.views=1"] if "experiment=nerf" in overrides else []
    cfg = compose(*overrides, *few, "trainer.accelerator=cpu", f"logs='{tmp_path}'")
    with pytest.raises(UserError, match=message):
        train(cfg)
