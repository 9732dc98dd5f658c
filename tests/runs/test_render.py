"""Images of a network's outputs: rendering, progress during training, figures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import composed, regression_task, weights
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from mlp_lab.data.image import Image
from mlp_lab.errors import UserError
from mlp_lab.figures import reconstruction
from mlp_lab.images.codecs import encode_gif, encode_png, read_png, to_uint8
from mlp_lab.nn.mlp import MLP
from mlp_lab.runs import render as rendering
from mlp_lab.runs.predict import predict
from mlp_lab.runs.render import render
from mlp_lab.runs.train import Training, fit_alone, resume, train
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps import group_trainer, jobs
from mlp_lab.sweeps.groups import Job

SMALL = ["experiment=image_hw", "data.image=text", "data.size=16", "data.passes=3",
         "trainer.max_epochs=3", "network.width=8", "trainer.accelerator=cpu"]  # fmt: skip
SHORT = [*SMALL, "callbacks.encoding_features=null"]


# --- rendering ----------------------------------------------------------------------------------


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 30))
def test_rendering_returns_the_values_on_a_grid(width: int, height: int, chunk: int) -> None:
    same = nn.Linear(2, 2)
    same.load_state_dict({"weight": torch.eye(2), "bias": torch.zeros(2)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "_MAX_POINTS", chunk)
        actual = render(
            regression_task("squared_error", network=same), width, height, (-1.0, 0.5, 0.0, 2.0)
        )
    x = -1 + np.arange(width) / width
    y = 0.5 + 1.5 * np.arange(height) / height
    assert actual.shape == (height, width, 2)
    np.testing.assert_allclose(actual[:, :, 0], np.broadcast_to(x, (height, width)), atol=1e-6)
    np.testing.assert_allclose(actual[:, :, 1].T, np.broadcast_to(y, (width, height)), atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_rendering_disables_dropout_and_restores_the_mode(training: bool) -> None:
    made = regression_task(
        "squared_error", network=nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.9))
    ).train(training)
    assert torch.equal(render(made, 5, 5), render(made, 5, 5))
    assert made.training == made.network.training == training


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_a_written_image_is_read_back(channels: int, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, channels), dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(encode_png(pixels))
    assert np.array_equal(read_png(tmp_path / "a.png"), pixels)


def test_numbers_become_the_nearest_bytes() -> None:
    numbers = np.array([-1, 0, 0.4 / 255, 0.6 / 255, 1, 7])
    assert to_uint8(numbers).tolist() == [0, 0, 0, 1, 255, 255]


def test_an_animation_shows_all_images_and_pauses_at_the_last(tmp_path: Path) -> None:
    levels = [0, 128, 255]
    path = tmp_path / "a.gif"
    path.write_bytes(encode_gif([np.full((8, 4, 1), level, np.uint8) for level in levels], 0.1))
    with Pillow.open(path) as image:
        assert image.size == (128, 256)
        assert image.n_frames == 3
        for frame, level in enumerate(levels):
            image.seek(frame)
            assert np.unique(np.asarray(image.convert("L"))).tolist() == [level]
            assert image.info["duration"] == (2000 if frame == 2 else 100)


def test_captions_are_below_the_frames(tmp_path: Path) -> None:
    frames = [np.zeros((300, 256, 1), np.uint8)] * 2
    (tmp_path / "a.gif").write_bytes(encode_gif(frames, 0.1, ["epoch 1", "epoch 20, 1.00 dB"]))
    with Pillow.open(tmp_path / "a.gif") as image:
        assert image.size == (256, 328)
        inks = []
        for frame in range(2):
            image.seek(frame)
            pixels = np.asarray(image.convert("L"))
            assert not pixels[:300].any()
            inks.append((pixels[300:] < 128).sum())
    assert 0 < inks[0] < inks[1]


# --- in trainings -------------------------------------------------------------------------------


def progress_images(folder: str | Path) -> list[np.ndarray]:
    run = RunFolder(folder)
    return [read_png(run.picture(int(row["epoch"]))) for row in run.table("pictures")]


def structure(one: np.ndarray, other: np.ndarray) -> float:
    """Return the structural similarity of two images, computed by scikit-image."""
    return structural_similarity(
        one, other, channel_axis=2, data_range=1.0,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip


def test_a_run_writes_its_progress_images(compose: Callable, tmp_path: Path) -> None:
    training = Training.new(compose(*SHORT, f"logs='{tmp_path}'"))
    result = fit_alone(training, test=False)
    run, data = training.run, training.data
    assert isinstance(data, Image)
    rows = run.table("pictures")
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]
    assert [row["step"] for row in rows] == [0, 3, 6, 9]
    # If all pixels are validation data, their metrics are those of the whole image.
    for row, epoch in zip(rows[1:], run.history, strict=True):
        assert row["psnr"] == pytest.approx(epoch["psnr/validation"], abs=1e-4)
    with torch.no_grad():
        features = training.data.splits["train"][0]
        values = torch.sigmoid(training.task.network(features)).view(16, 16, 3).numpy()
    assert np.abs(progress_images(run.folder)[-1] - np.rint(255 * values)).max() <= 1
    assert rows[-1]["ssim"] == pytest.approx(structure(values, data.target_image), abs=1e-4)
    assert result.evaluations == []
    with Pillow.open(run.folder / "figures" / "pictures.gif") as image:
        assert image.n_frames == 4
    assert (run.folder / "figures" / "reconstruction.png").is_file()
    events = EventAccumulator(result.folder, size_guidance={"images": 0}).Reload()
    assert [shown.step for shown in events.Images("picture")] == [0, 1, 2, 3]
    assert len(events.Scalars("psnr/picture")) == len(events.Scalars("ssim/picture")) == 4


def test_progress_reports_metrics_of_each_split_that_is_an_image(
    compose: Callable, tmp_path: Path
) -> None:
    overrides = ["data.protocol=upsample", "data.size=24", f"logs='{tmp_path}'"]
    training = Training.new(compose(*SHORT, *overrides))
    fit_alone(training, test=False)
    rows = training.run.table("pictures")
    for row, epoch in zip(rows[1:], training.run.history, strict=True):
        assert row["psnr/validation"] == pytest.approx(epoch["psnr/validation"], abs=1e-4)
    assert isinstance(training.data, Image)
    truth, rendered = training.data.target_image, render(training.task, 24, 24).numpy()
    for split, columns in (("train", slice(0, None, 2)), ("validation", slice(1, None, 2))):
        pair = truth[::2, columns], rendered[::2, columns]
        psnr = peak_signal_noise_ratio(*pair, data_range=1)
        assert rows[-1][f"psnr/{split}"] == pytest.approx(psnr, abs=1e-4)
        assert rows[-1][f"ssim/{split}"] == pytest.approx(structure(*pair), abs=1e-4)
    assert not any("test" in name for name in rows[-1])
    events = EventAccumulator(str(training.run.folder)).Reload()
    shown = events.Scalars("ssim/picture/validation")
    assert [at.value for at in shown] == pytest.approx([row["ssim/validation"] for row in rows])
    assert {"spectra", "reconstruction"} <= set(events.Tags()["images"])


def test_grey_images_and_images_too_small_for_ssim(compose: Callable, tmp_path: Path) -> None:
    overrides = ["data.grey=true", "data.size=8", "callbacks.image_progress.every=2", "logger=none"]
    result = train(compose(*SHORT, *overrides, f"logs='{tmp_path}'"))
    rows = RunFolder(result.folder).table("pictures")
    assert [sorted(row) for row in rows] == [["epoch", "psnr", "step"]] * 2
    assert [image.shape for image in progress_images(result.folder)] == [(8, 8, 1)] * 2


def test_a_resumed_run_has_all_progress_images(compose: Callable, tmp_path: Path) -> None:
    overrides = [*SHORT, "schedule=constant", "logger=none", f"logs='{tmp_path}'"]
    whole = train(compose(*overrides))
    part = train(compose(*overrides, "trainer.max_epochs=1"))
    resume(part.folder, {"trainer.max_epochs": 3})
    assert RunFolder(part.folder).table("pictures") == RunFolder(whole.folder).table("pictures")
    assert all(map(np.array_equal, progress_images(part.folder), progress_images(whole.folder)))


def test_each_member_of_a_stack_has_its_progress_images(
    compose: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_trainer, "fit_alone", None)  # a failed stack would resume from it
    job_overrides = [["optimizer.lr=0.01"], ["optimizer.lr=0.1"]]
    both = [
        Job(compose(*SHORT, "logger=none", *overrides), overrides, tmp_path / str(i))
        for i, overrides in enumerate(job_overrides)
    ]
    jobs.train_jobs(both)
    for job in both:
        alone = train(job.cfg, folder=tmp_path / f"{job.folder.name} alone")
        for one, other in zip(
            progress_images(job.folder), progress_images(alone.folder), strict=True
        ):
            assert np.abs(one.astype(int) - other).max() <= 1
    assert (
        np.abs(
            progress_images(both[0].folder)[-1].astype(int) - progress_images(both[1].folder)[-1]
        ).max()
        > 5
    )


def test_other_data_have_no_progress_images(compose: Callable, tmp_path: Path) -> None:
    overrides = ["callbacks=image_progress", "trainer.accelerator=cpu", f"logs='{tmp_path}'"]
    with pytest.raises(UserError, match=r"callbacks\.image_progress: needs data=image"):
        train(compose("experiment=curve_fit", *overrides))


# --- predictions --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run on an image of 16 x 16 pixels; tests must not change it."""
    overrides = ["callbacks=none", "logger=none", f"logs='{tmp_path_factory.mktemp('logs')}'"]
    return Path(train(composed(*SMALL, *overrides)).folder)


def predicted(known: Path, *overrides: str) -> np.ndarray:
    path = predict(composed(f"run='{known}'", *overrides, root="predict"))
    assert isinstance(path, Path)
    return read_png(path)


def test_an_image_is_predicted_from_the_run_folder_only(known: Path, tmp_path: Path) -> None:
    network = MLP(512, 3, width=8, depth=3)
    state = weights(known, "best")
    own = {k: v for k, v in state.items() if k.startswith("network.")}
    network.load_state_dict({k.removeprefix("network."): v for k, v in own.items()})
    y, x = np.mgrid[:5, :9]
    places = np.stack([0.25 + 0.5 * x / 9, 0.125 + 0.25 * y / 5], 2).reshape(-1, 2)
    phase = 2 * np.pi * places @ state["encoding.frequencies"].double().numpy().T
    features = np.concatenate([np.sin(phase), np.cos(phase)], 1).astype(np.float32)
    with torch.no_grad():
        expected = 255 * network(torch.from_numpy(features)).sigmoid().view(5, 9, 3).numpy()
    overrides = ["size=[9,5]", "region=[0.25,0.125,0.75,0.375]", f"output='{tmp_path / 'a.png'}'"]
    assert np.abs(predicted(known, *overrides) - expected).max() < 0.51


def test_predictions_default_to_the_settings_of_training(known: Path) -> None:
    whole = predicted(known)
    assert (known / "figures" / "prediction.png").is_file()
    assert whole.shape == (16, 16, 3)
    part = predicted(known, "size=[8,4]", "region=[0.5,0.25,1,0.5]")
    assert np.abs(part.astype(int) - whole[4:8, 8:]).max() <= 1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["images=a.png"], r"images=a\.png: must be null: .* has learned one image"),
        (["region=[0.5,0,0.5,1]"], r"region=\[0\.5, 0\.0, 0\.5, 1\.0\]: must be left, top, right"),
        (
            ["size=[100000,50000]"],
            r"size=\[100000,50000\]: takes 55\.9 GiB; must be at most",
        ),
    ],
)
def test_images_that_cannot_be_drawn_are_reported(
    overrides: list[str], message: str, known: Path
) -> None:
    with pytest.raises(UserError, match=message):
        predict(composed(f"run='{known}'", *overrides, root="predict"))


def test_a_classifier_cannot_be_rendered(run_folder: Path, tiny_mnist: Path) -> None:
    for overrides, message in (
        (["size=[4,4]"], r"size=\[4,4\]: must be null: .* has learned classes of images"),
        (["region=[0,0,1,1]"], r"region=\[0,0,1,1\]: must be null: .* has learned"),
        ([], "images: a value is needed: the images to classify"),
    ):
        with pytest.raises(UserError, match=message):
            predict(composed(f"run='{run_folder}'", *overrides, root="predict"))


# --- the figure ---------------------------------------------------------------------------------


def test_interpolations_are_beside_the_ground_truth() -> None:
    images = np.random.default_rng(0).random((3, 6, 6, 3))
    figure = reconstruction.reconstruction(images[0], [images[1]], ["last"], {"bicubic": images[2]})
    shown = {
        panel.get_title(): panel.images[0].get_array() for panel in figure.axes if panel.images
    }
    titles = ["last", "ground truth", "bicubic", "last reconstruction", "absolute error"]
    assert list(shown) == titles
    assert np.array_equal(shown["bicubic"], images[2])


@pytest.mark.parametrize("channels", [1, 3])
def test_the_error_image_is_not_rescaled(channels: int) -> None:
    truth = np.random.default_rng(0).uniform(0.25, 1, (6, 6, channels))
    last = truth.copy()
    last[2, 3] -= 0.25
    figure = reconstruction.reconstruction(truth, [0 * truth, last], ["first", "second"], {})
    shown = {
        panel.get_title(): panel.images[0].get_array() for panel in figure.axes if panel.images
    }
    assert list(shown) == [
        "first",
        "second",
        "ground truth",
        "last reconstruction",
        "absolute error",
    ]
    assert np.array_equal(shown["ground truth"], truth.squeeze())
    assert np.array_equal(shown["second"], last.squeeze())
    expected = np.zeros((6, 6))
    expected[2, 3] = 0.25
    np.testing.assert_allclose(shown["absolute error"], expected, atol=1e-12)
