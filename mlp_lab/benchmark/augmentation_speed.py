"""Distorted pictures: the augmentation here, kornia's and torchvision's, and a step of training."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from mlp_lab.benchmark.contestants import training_step
from mlp_lab.benchmark.timing import markdown, median, race, ratios, spread, timed
from mlp_lab.config.compose import compose
from mlp_lab.errors import UserError
from mlp_lab.figures import image_grid
from mlp_lab.runs.build import build
from mlp_lab.storage.files import write_png

PRESETS = ("mnist_simard", "mnist_fast")
_MINIBATCHES = {"mlp_lab": 20, "kornia": 5, "torchvision": 1}  # of a round
_STEPS = 50
_VARIANTS = 10

# Makes pictures [n, 1, side, side] in [0, 1] into others.
Distortion = Callable[[Tensor], Tensor]


def compare(rounds: int, pictures: Tensor, folder: Path) -> str:
    """A Markdown table for the distortions of some presets, and a figure of each in ``folder``.

    Args:
        rounds: of all contestants.
        pictures: of the training data, ``[n, 1, side, side]`` in [0, 1].
        folder: of the figures.

    Raises UserError: kornia isn't there.
    """
    header = ["minibatch", "", "ms", "fastest – slowest", "× mlp_lab", "part of a step"]
    rows = [row for preset in PRESETS for row in _rows(preset, rounds, pictures, folder)]
    return f"Medians of {rounds} rounds; pictures in {folder}\n\n{markdown(header, rows)}"


def _rows(preset: str, rounds: int, pictures: Tensor, folder: Path) -> list[list[str]]:
    cfg = compose([f"experiment={preset}"])
    makers = {"mlp_lab": of_mlp_lab, "kornia": of_kornia, "torchvision": of_torchvision}
    side = pictures.shape[2]
    contestants = {name: make(cfg.augmentation, side) for name, make in makers.items()}
    _draw(folder / f"{preset}.png", contestants, pictures[0])
    minibatch = pictures[: cfg.data.batch_size]
    distorted = {
        name: timed(partial(own, minibatch), _MINIBATCHES[name])
        for name, own in contestants.items()
    }
    step = training_step(_STEPS, f"experiment={preset}", f"trainer.limit_train_batches={_STEPS}")
    times = race({**distorted, "a step of training": step}, rounds)
    own, whole = times["mlp_lab"], times["a step of training"]
    milliseconds = {name: [1000 * t for t in each] for name, each in times.items()}
    return [
        [
            f"`{preset}`, {len(minibatch)} pictures",
            name,
            median(milliseconds[name]),
            spread(milliseconds[name]),
            median(ratios(each, own)),
            median(ratios(each, whole)),
        ]
        for name, each in times.items()
    ]


def of_mlp_lab(node: DictConfig, side: int) -> Distortion:
    """What a preset's ``augmentation`` does to a minibatch."""
    augmentation, generator = build(node, fill=0.0, side=side), torch.Generator()
    return lambda pictures: augmentation(pictures.squeeze(1), generator).unsqueeze(1)


def of_kornia(node: DictConfig, side: int) -> Distortion:
    """The same by kornia, a minibatch at a time. Raises UserError: it isn't there."""
    try:
        from kornia.augmentation import AugmentationSequential, RandomAffine, RandomElasticTransform
    except ImportError as error:
        raise UserError("kornia: pip install -e '.[benchmark]' installs it") from error
    parts: list[Any] = []
    if affine := _affine(node, side):
        affine["scale"] *= 2  # drawn for each axis
        parts.append(RandomAffine(**affine, p=1.0))
    kernel = 8 * round(node.sigma) + 1  # pixels, as torchvision has it
    half_sides = 2 * node.alpha / side
    parts.append(
        RandomElasticTransform(
            (kernel, kernel), (node.sigma, node.sigma), (half_sides, half_sides), p=1.0
        )
    )
    return AugmentationSequential(*parts)


def of_torchvision(node: DictConfig, side: int) -> Distortion:
    """About the same by torchvision, a picture at a time: a minibatch would be distorted alike.

    It scales both axes by one factor, and moves the border of a picture two to three times as far.
    """
    from torchvision.transforms import v2  # mlp_lab.lightning has made it importable

    parts: list[Any] = []
    if affine := _affine(node, side):
        bilinear = v2.InterpolationMode.BILINEAR
        parts.append(v2.RandomAffine(**affine, interpolation=bilinear))
    half_pixels = 2 * node.alpha
    parts.append(v2.ElasticTransform(alpha=half_pixels, sigma=node.sigma))
    distort = v2.Compose(parts)
    return lambda pictures: torch.stack([distort(picture) for picture in pictures])


def _affine(node: DictConfig, side: int) -> dict[str, Any]:
    """The arguments that both packages have in common; none where nothing is affine."""
    if not (node.rotation or node.shear or node.scale or node.shift):
        return {}
    return {
        "degrees": node.rotation,
        "translate": (node.shift / side, node.shift / side),
        "scale": (1 - node.scale / 100, 1 + node.scale / 100),
        "shear": node.shear,
    }


def _draw(path: Path, contestants: dict[str, Distortion], picture: Tensor) -> None:
    """A row for each contestant: the picture, then variants of it."""
    torch.manual_seed(0)
    originals = picture.expand(_VARIANTS, *picture.shape)
    rows = [torch.cat([picture[None], own(originals)]) for own in contestants.values()]
    captions: list[str] = []
    for name in contestants:
        captions += ["as it is", name, *[""] * (_VARIANTS - 1)]
    images = torch.cat(rows).squeeze(1).numpy()
    write_png(path, image_grid.examples(images, captions, columns=_VARIANTS + 1))
