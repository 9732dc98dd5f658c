import math

import numpy as np
import pytest
import torch
from helpers import seeded_generator
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_lab.errors import UserError
from mlp_lab.images.augmentations import Augmentation
from mlp_lab.images.displacement_fields import (
    affine_fields,
    affine_weights,
    elastic_modes,
    resample,
)
from mlp_lab.runs.train import train

SIDE = 28
FILL = -0.4242
ALL = {"rotation": 15, "shear": 10, "scale": 15, "shift": 2, "alpha": 36, "sigma": 5}

seeds = st.integers(0, 2**32)


def normal_images(n: int, side: int = SIDE, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, side, side, generator=seeded_generator(seed))


def blob(side: int = SIDE, width: float = 3.0) -> torch.Tensor:
    """Return a centred Gaussian, smooth enough that sums approximate integrals."""
    _, y, x = np.indices((1, side, side)) - (side - 1) / 2
    return torch.from_numpy(np.exp(-(x**2 + y**2) / (2 * width**2))).float()


def affine(images, rotation=0.0, shear=0.0, scale=(1.0, 1.0), shift=(0.0, 0.0), fill=FILL):
    """Apply one known map to all images; angles in degrees."""
    weights = affine_weights(
        torch.tensor([math.radians(rotation)]),
        torch.tensor([math.radians(shear)]),
        torch.tensor([scale]),
        torch.tensor([shift], dtype=torch.float32),
    )
    side = images.shape[1]
    points = weights @ (affine_fields(side) * 2 / (side - 1))
    return resample(images, points.expand(len(images), -1, -1), fill)


def shifted(images: torch.Tensor, x: int, y: int, fill: float) -> torch.Tensor:
    """Shift images by integer numbers of pixels to the right and down, with slices."""
    side = images.shape[1]
    wide = torch.nn.functional.pad(images, [side] * 4, value=fill)
    return wide[:, side - y : 2 * side - y, side - x : 2 * side - x]


def bilinear(image: np.ndarray, x: float, y: float, fill: float) -> float:
    """Return the value of an image at a point, in pixels from its first one."""

    def pixel(i: int, j: int) -> float:
        inside = 0 <= i < len(image) and 0 <= j < len(image)
        return float(image[i, j]) if inside else fill

    j, i = math.floor(x), math.floor(y)
    right, below = x - j, y - i
    top = (1 - right) * pixel(i, j) + right * pixel(i, j + 1)
    bottom = (1 - right) * pixel(i + 1, j) + right * pixel(i + 1, j + 1)
    return (1 - below) * top + below * bottom


# --- known answers ------------------------------------------------------------------------------


def test_zero_bounds_or_zero_strength_change_nothing():
    images = normal_images(3)
    assert Augmentation()(images, seeded_generator(0)) is images
    assert Augmentation(**ALL)(images, seeded_generator(0), strength=0) is images


def test_the_identity_map_returns_the_images():
    images = normal_images(3)
    torch.testing.assert_close(affine(images), images, atol=1e-5, rtol=0)


def test_the_change_vanishes_with_the_strength():
    images = normal_images(3)
    changed = Augmentation(**ALL, fill=FILL)(images, seeded_generator(0), strength=1e-6)
    torch.testing.assert_close(changed, images, atol=1e-4, rtol=0)


@given(st.integers(2, 30), st.integers(-31, 31), st.integers(-31, 31), st.floats(-3, 3))
def test_integer_shifts_are_exact(side, x, y, fill):
    images = normal_images(2, side)
    ours = affine(images, shift=(x, y), fill=fill)
    expected = shifted(images, *(max(-side, min(side, pixels)) for pixels in (x, y)), fill)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)


@given(st.integers(2, 30), st.integers(-4, 4))
def test_quarter_turns_are_exact_and_counter_clockwise(side, turns):
    images = normal_images(2, side)
    expected = torch.rot90(images, turns, dims=(1, 2))
    torch.testing.assert_close(affine(images, 90.0 * turns), expected, atol=1e-4, rtol=0)


def test_scale_two_doubles_the_distance_of_every_pixel():
    images = normal_images(2, side=9)
    larger = affine(images, scale=(2.0, 2.0))
    torch.testing.assert_close(larger[:, ::2, ::2], images[:, 2:7, 2:7], atol=1e-5, rtol=0)
    wider = affine(images, scale=(2.0, 1.0))
    torch.testing.assert_close(wider[:, :, ::2], images[:, :, 2:7], atol=1e-5, rtol=0)


def test_a_shear_of_45_degrees_moves_each_row_by_its_height():
    images = normal_images(2, side=5)
    rows = [shifted(images, row - 2, 0, FILL)[:, row] for row in range(5)]
    leaning = affine(images, shear=45)
    torch.testing.assert_close(leaning, torch.stack(rows, 1), atol=1e-5, rtol=0)


@given(
    st.floats(-180, 180), st.floats(-45, 45), st.floats(0.5, 2), st.floats(0.5, 2),
    st.floats(-9, 9), st.floats(-9, 9),
)  # fmt: skip
def test_maps_apply_scale_shear_rotation_and_shift_in_order(rotation, shear, sx, sy, tx, ty):
    r, lean = math.radians(rotation), math.tan(math.radians(shear))
    rotate = np.array([[math.cos(r), math.sin(r)], [-math.sin(r), math.cos(r)]])  # y points down
    forward = rotate @ np.array([[1, lean], [0, 1]]) @ np.diag([sx, sy])
    radians = [torch.tensor([math.radians(angle)]) for angle in (rotation, shear)]
    weights = affine_weights(*radians, torch.tensor([[sx, sy]]), torch.tensor([[tx, ty]]))
    start = np.array([[3.0, -1.0, 0.0], [2.0, 5.0, 0.0]])
    end = forward @ start + np.array([[tx], [ty]])
    back = weights[0].numpy() @ np.vstack([end, np.ones(3)])
    np.testing.assert_allclose(back, start, atol=1e-4)


@settings(max_examples=20)
@given(seeds)
def test_resample_equals_a_plain_loop(seed):
    side, rng = 5, np.random.default_rng(seed)
    image = rng.normal(size=(side, side))
    points = rng.uniform(-2, 2, size=(2, side * side))
    x, y = (points + 1) * (side - 1) / 2
    expected = [bilinear(image, *point, fill=0.5) for point in zip(x, y, strict=True)]
    ours = resample(torch.from_numpy(image)[None], torch.from_numpy(points)[None], 0.5)
    np.testing.assert_allclose(ours.flatten(), expected, atol=1e-12)


def test_pixels_outside_have_the_fill_value():
    blank = torch.full((50, SIDE, SIDE), FILL)
    changed = Augmentation(**ALL | {"shift": 20}, fill=FILL)(blank, seeded_generator(0))
    torch.testing.assert_close(changed, blank, atol=1e-6, rtol=0)
    white = torch.ones(50, SIDE, SIDE)
    changed = Augmentation(**ALL | {"shift": 20}, fill=FILL)(white, seeded_generator(0))
    assert changed.min() == pytest.approx(FILL)
    assert changed.max() == pytest.approx(1)


# --- distributions ------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.sampled_from([3, 8, 28]), st.floats(0.3, 30))
def test_elastic_fields_have_the_covariance_of_smoothed_uniform_noise(side, sigma):
    reach = math.ceil(10 * sigma)
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    # The response to a single noisy pixel on a wide empty axis, by column.
    smoothing = np.stack([np.convolve(e, kernel)[reach:-reach] for e in np.eye(side)], axis=1)
    axis = smoothing @ smoothing.T
    expected = np.kron(axis, axis) / 3  # 1/3 is the variance of a uniform number in [-1, 1]
    modes = elastic_modes(side, sigma).double().numpy()
    missing = expected - modes.T @ modes
    assert -1e-6 < np.trace(missing) / np.trace(expected) <= 0.001 + 1e-6
    assert np.linalg.eigvalsh(missing).min() > -1e-6 * np.trace(expected)


@pytest.mark.parametrize(("alpha", "sigma"), [(34, 4), (36, 5), (8, 2)])
def test_the_standard_deviation_of_a_displacement(alpha, sigma):
    centre = SIDE * SIDE // 2 + SIDE // 2
    std = alpha * elastic_modes(SIDE, sigma)[:, centre].norm()
    assert std == pytest.approx(alpha / (2 * math.sqrt(3 * math.pi) * sigma), rel=0.01)


def test_drawn_displacements_have_the_given_standard_deviation():
    # In an image whose values are the x coordinates in pixels, a change is a displacement.
    n, alpha, sigma = 4_000, 20.0, 4.0
    ramp = affine_fields(SIDE)[0].repeat(n, 1)
    moved = Augmentation(alpha=alpha, sigma=sigma)(ramp, seeded_generator(0)) - ramp
    centre = moved.view(n, SIDE, SIDE)[:, SIDE // 2, SIDE // 2]
    std = alpha / (2 * math.sqrt(3 * math.pi) * sigma)
    # Five standard errors, of the mean and of the standard deviation.
    assert abs(centre.mean()) < 5 * std / math.sqrt(n)
    assert abs(centre.std() / std - 1) < 5 / math.sqrt(2 * n) + 0.01


def drawn_maps(n: int, **bounds: float) -> torch.Tensor:
    """Return the maps drawn for ``n`` images, in the form of ``affine_weights``: ``[n, 2, 3]``.

    In an image of the x (or y) coordinates, the values in the middle are the source positions.
    """
    rows = []
    for ramp in affine_fields(SIDE)[:2]:
        transformed = Augmentation(**bounds)(ramp.repeat(n, 1), seeded_generator(0)).view(
            n, SIDE, SIDE
        )
        middle = transformed[:, SIDE // 2 - 1 : SIDE // 2 + 1, SIDE // 2 - 1 : SIDE // 2 + 1]
        slopes = middle.diff(dim=2).mean((1, 2)), middle.diff(dim=1).mean((1, 2))
        rows.append(torch.stack([*slopes, middle.mean((1, 2))], 1))
    return torch.stack(rows, 1)


@pytest.mark.parametrize(
    ("name", "parameters"),
    {
        "rotation": lambda m: [torch.atan2(m[:, 1, 0], m[:, 0, 0]).rad2deg()],
        "shear": lambda m: [torch.atan(-m[:, 0, 1]).rad2deg()],
        "scale": lambda m: [100 / m[:, 0, 0] - 100, 100 / m[:, 1, 1] - 100],
        "shift": lambda m: [-m[:, 0, 2], -m[:, 1, 2]],
    }.items(),
)
def test_parameters_are_uniform_between_their_bounds(name, parameters):
    n, bound = 2_000, 8.0
    drawn = torch.stack(parameters(drawn_maps(n, **{name: bound})))
    assert drawn.abs().max() <= bound + 1e-3
    quantiles = torch.linspace(-bound, bound, n)
    distance = (drawn.sort(dim=1).values - quantiles).abs().max() / (2 * bound)
    assert distance < 2.7 / math.sqrt(n)  # Kolmogorov's bound with error probability 1e-6
    if len(drawn) == 2:  # one for each axis
        assert abs(torch.corrcoef(drawn)[0, 1]) < 5 / math.sqrt(n)


def test_images_are_either_rotated_or_sheared():
    n = 2_000
    maps = drawn_maps(n, rotation=15, shear=15, rotation_or_shear=True)
    rotated = maps[:, 1, 0].abs() > 1e-3
    sheared = (maps[:, 0, 1] + maps[:, 1, 0]).abs() > 1e-3
    assert not (rotated & sheared).any()
    assert (rotated | sheared).float().mean() > 0.97  # the others are nearly unchanged
    assert abs(rotated.float().mean() - 0.5) < 5 * 0.5 / math.sqrt(n)


@given(st.floats(0, 1), seeds)
@settings(max_examples=20)
def test_weak_classes_are_rotated_and_sheared_less(factor, seed):
    images, targets = normal_images(8), torch.tensor([1, 0, 7, 7, 2, 9, 1, 3])
    bounds = ALL | {"rotation": ALL["rotation"] * factor, "shear": ALL["shear"] * factor}
    strong, weak = (
        Augmentation(**each)(images, seeded_generator(seed), 0.7) for each in (ALL, bounds)
    )
    augmentation = Augmentation(**ALL, weak_classes=[1, 7], weak_factor=factor)
    actual = augmentation.augment(images, targets, seeded_generator(seed), 0.7)
    is_weak = torch.tensor([True, False, True, True, False, False, True, False])
    expected = torch.where(is_weak[:, None, None], weak, strong)
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=0)


def test_classes_do_not_matter_without_weak_classes():
    images, targets = normal_images(3), torch.tensor([1, 7, 0])
    actual = Augmentation(**ALL).augment(images, targets, seeded_generator(0), 1.0)
    assert torch.equal(actual, Augmentation(**ALL)(images, seeded_generator(0)))


@pytest.mark.parametrize("gradients", ["autograd", "closed_form"])
def test_training_uses_the_classes_of_each_minibatch(mnist_config, gradients):
    """With a factor of 1, weak classes change nothing; with 0, the images of these classes."""
    common = [
        f"gradients={gradients}",
        "augmentation=affine",
        "trainer.max_epochs=1",
        "callbacks=none",
    ]
    losses = [
        train(mnist_config(*common, *overrides)).last["loss/train"]
        for overrides in (
            [],
            ["augmentation.weak_classes=[1,7]", "augmentation.weak_factor=1"],
            ["augmentation.weak_classes=[1,7]", "augmentation.weak_factor=0"],
        )
    ]
    assert losses[0] == losses[1] != losses[2]


def test_a_weak_class_must_exist(mnist_config):
    with pytest.raises(UserError, match="augmentation: no class 10 in data with 10 classes"):
        train(mnist_config("augmentation=affine", "augmentation.weak_classes=[1,10]"))


@settings(max_examples=25)
@given(st.floats(0, 15), st.floats(0, 15), st.floats(0, 20), st.floats(0, 2), seeds)
def test_mass_scales_with_the_area(rotation, shear, scale, shift, seed):
    augment = Augmentation(rotation=rotation, shear=shear, scale=scale, shift=shift)
    image = blob()
    ratios = augment(image.repeat(20, 1, 1), seeded_generator(seed)).sum((1, 2)) / image.sum()
    least, most = (1 - scale / 100) ** 2, (1 + scale / 100) ** 2
    assert 0.99 * least < ratios.min()
    assert ratios.max() < 1.01 * most


def test_elastic_fields_preserve_the_mass_on_average():
    image = blob()
    augment = Augmentation(alpha=34, sigma=4)
    ratios = augment(image.repeat(2_000, 1, 1), seeded_generator(0)).sum((1, 2)) / image.sum()
    assert abs(ratios.mean() - 1) < 5 * ratios.std() / math.sqrt(2_000) + 0.01


# --- a batch ------------------------------------------------------------------------------------


@given(seeds, st.integers(0, 7))
def test_each_result_depends_only_on_its_image(seed, which):
    images = normal_images(8)
    others = torch.arange(8) != which
    augment = Augmentation(**ALL, fill=FILL)
    before = augment(images, seeded_generator(seed))
    images[which] += 1
    after = augment(images, seeded_generator(seed))
    assert torch.equal(before[others], after[others])
    assert not torch.equal(before[which], after[which])


def test_each_image_gets_a_different_distortion():
    copies = normal_images(1).repeat(40, 1, 1)
    for name in ("rotation", "shear", "scale", "shift", "alpha"):
        changed = Augmentation(**{name: ALL[name]})(copies, seeded_generator(0))
        assert torch.pdist(changed.flatten(1)).min() > 1e-3


@given(seeds)
def test_the_result_is_a_function_of_the_generators_seed(seed):
    images, augment = normal_images(4), Augmentation(**ALL, fill=FILL)
    first = augment(images, seeded_generator(seed))
    torch.manual_seed(1)
    assert torch.equal(first, Augmentation(**ALL, fill=FILL)(images, seeded_generator(seed)))
    assert not torch.equal(first, augment(images, seeded_generator(seed + 1)))


def test_consecutive_batches_get_different_distortions():
    images, augment, drawn = normal_images(4), Augmentation(**ALL), seeded_generator(0)
    assert not torch.equal(augment(images, drawn), augment(images, drawn))


def test_strength_multiplies_every_bound_and_alpha():
    images = normal_images(4)
    half = Augmentation(**{k: v if k == "sigma" else v / 2 for k, v in ALL.items()}, fill=FILL)
    ours = Augmentation(**ALL, fill=FILL)(images, seeded_generator(0), strength=0.5)
    torch.testing.assert_close(ours, half(images, seeded_generator(0)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("rows", [False, True])
def test_shape_dtype_and_device_are_kept(dtype, rows):
    images = normal_images(5).to(dtype)
    given = images.flatten(1) if rows else images
    changed = Augmentation(**ALL, fill=FILL)(given, seeded_generator(0))
    assert (changed.shape, changed.dtype, changed.device) == (given.shape, dtype, given.device)
    single = Augmentation(**ALL, fill=FILL)(images.float(), seeded_generator(0))
    rounding = torch.finfo(dtype).eps
    tolerance = max(4 * rounding, 1e-4)
    torch.testing.assert_close(
        changed.view(5, 28, 28).float(), single, atol=tolerance, rtol=tolerance
    )


def test_input_images_are_not_modified():
    images = normal_images(3)
    before = images.clone()
    Augmentation(**ALL, fill=FILL)(images, seeded_generator(0))
    assert torch.equal(images, before)


def test_images_of_another_size_are_refused():
    with pytest.raises(RuntimeError, match="invalid for input of size"):
        Augmentation(rotation=1)(torch.zeros(2, 100), seeded_generator(0))


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["augmentation.cooldown=0"], [1, 1, 1, 1]),
        (["augmentation.cooldown=0.5"], [1, 1, 1, 0.5]),
        (["augmentation.cooldown=1", "trainer.max_steps=6"], [1, 2 / 3, 1 / 3]),
    ],
)
def test_the_strength_is_constant_within_an_epoch(
    overrides, expected, compose, tiny_mnist, tmp_path, monkeypatch
):
    used = []

    def watched(self, images, generator, strength):
        used.append(strength)
        return images

    monkeypatch.setattr(Augmentation, "__call__", watched)
    common = ["trainer.accelerator=cpu", "trainer.limit_train_batches=2", "trainer.max_epochs=4"]
    common += [f"data.root='{tiny_mnist}'", f"logs='{tmp_path}'", "callbacks=none", "logger=none"]
    train(compose(*common, "augmentation=affine", *overrides))
    assert used[::2] == used[1::2] == pytest.approx(expected)
