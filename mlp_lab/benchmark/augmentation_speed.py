"""Speed of image augmentation: mlp_lab, kornia and torchvision, compared with a training step."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from omegaconf import DictConfig
from torch import Tensor

from mlp_lab.benchmark.implementations import mlp_lab_step
from mlp_lab.benchmark.timing import median, ratios, spread, time_in_turn, timed
from mlp_lab.config.compose import compose
from mlp_lab.errors import UserError
from mlp_lab.figures import image_grid
from mlp_lab.figures.rendering import save_figures
from mlp_lab.formatting import markdown
from mlp_lab.runs.build import build
from mlp_lab.storage.files import figure_writer

PRESETS = ("mnist_simard", "mnist_fast")
_MINIBATCHES = {"mlp_lab": 20, "kornia": 5, "torchvision": 1}  # per round
_STEPS = 50  # training steps per epoch
_VARIANTS = 10  # distorted images in a row of the figure

# Function from images to distorted images, [n, 1, side, side] in [0, 1] both.
Distortion = Callable[[Tensor], Tensor]


def compare(rounds: int, images: Tensor, folder: Path) -> str:
    """Return a Markdown table of times for the augmentations of all ``PRESETS``.

    Also write a figure with distorted images for each preset.

    Args:
        rounds: number of rounds.
        images: training images, ``[n, 1, side, side]`` in [0, 1].
        folder: folder of the figures.

    Raises:
        UserError: kornia is not installed.
    """
    header = ["minibatch", "", "ms", "fastest – slowest", "× mlp_lab", "fraction of a step"]
    rows = [row for preset in PRESETS for row in _rows(preset, rounds, images, folder)]
    return f"Medians of {rounds} rounds; images in {folder}\n\n{markdown(header, rows)}"


def _rows(preset: str, rounds: int, images: Tensor, folder: Path) -> list[list[str]]:
    cfg = compose([f"experiment={preset}"])
    packages = {"mlp_lab": of_mlp_lab, "kornia": of_kornia, "torchvision": of_torchvision}
    side = images.shape[2]
    distortions = {name: make(cfg.augmentation, side) for name, make in packages.items()}
    drawing = {preset: partial(_draw, distortions, images[0])}
    save_figures(drawing, figure_writer(folder))
    minibatch = images[: cfg.data.batch_size]
    runs = {
        name: timed(partial(distort, minibatch), _MINIBATCHES[name])
        for name, distort in distortions.items()
    }
    step = mlp_lab_step(_STEPS, f"experiment={preset}", f"trainer.limit_train_batches={_STEPS}")
    times = time_in_turn({**runs, "training step": step}, rounds)
    milliseconds = {name: [1000 * s for s in seconds] for name, seconds in times.items()}
    return [
        [
            f"`{preset}`, {len(minibatch)} images",
            name,
            median(milliseconds[name]),
            spread(milliseconds[name]),
            median(ratios(seconds, times["mlp_lab"])),
            median(ratios(seconds, times["training step"])),
        ]
        for name, seconds in times.items()
    ]


def of_mlp_lab(node: DictConfig, side: int) -> Distortion:
    """Return the augmentation of mlp_lab for the ``augmentation`` node of a config."""
    augmentation, generator = build(node, fill=0.0, side=side), torch.Generator()
    return lambda images: augmentation(images.squeeze(1), generator).unsqueeze(1)


def of_kornia(node: DictConfig, side: int) -> Distortion:
    """Return the same augmentation by kornia, which processes a minibatch at a time.

    Raises:
        UserError: kornia is not installed.
    """
    try:
        from kornia.augmentation import AugmentationSequential, RandomAffine, RandomElasticTransform
    except ImportError as error:
        raise UserError("kornia: pip install -e '.[benchmark]' installs it") from error
    parts: list[Any] = []
    if affine := _affine(node, side):
        affine["scale"] *= 2  # one range per axis
        parts.append(RandomAffine(**affine, p=1.0))
    kernel = 8 * round(node.sigma) + 1  # in pixels, the kernel size of torchvision
    half_sides = 2 * node.alpha / side
    parts.append(
        RandomElasticTransform(
            (kernel, kernel), (node.sigma, node.sigma), (half_sides, half_sides), p=1.0
        )
    )
    return AugmentationSequential(*parts)


def of_torchvision(node: DictConfig, side: int) -> Distortion:
    """Return a similar augmentation by torchvision, which processes one image at a time.

    Applied to a minibatch, it would distort all images in the same way. Differences: it scales both
    axes by the same factor, and displaces the border of an image two to three times as far.
    """
    from torchvision.transforms import v2  # the import of mlp_lab.lightning made it importable

    parts: list[Any] = []
    if affine := _affine(node, side):
        bilinear = v2.InterpolationMode.BILINEAR
        parts.append(v2.RandomAffine(**affine, interpolation=bilinear))
    half_pixels = 2 * node.alpha
    parts.append(v2.ElasticTransform(alpha=half_pixels, sigma=node.sigma))
    distort = v2.Compose(parts)
    return lambda images: torch.stack([distort(image) for image in images])


def _affine(node: DictConfig, side: int) -> dict[str, Any]:
    """Return the arguments that both packages share; none if there is no affine map."""
    if not (node.rotation or node.shear or node.scale or node.shift):
        return {}
    return {
        "degrees": node.rotation,
        "translate": (node.shift / side, node.shift / side),
        "scale": (1 - node.scale / 100, 1 + node.scale / 100),
        "shear": node.shear,
    }


def _draw(distortions: dict[str, Distortion], image: Tensor) -> Figure:
    """Return a figure with one row per package: the image, then distorted copies of it."""
    torch.manual_seed(0)
    originals = image.expand(_VARIANTS, *image.shape)
    rows = [torch.cat([image[None], distort(originals)]) for distort in distortions.values()]
    captions: list[str] = []
    for name in distortions:
        captions += ["original", name, *[""] * (_VARIANTS - 1)]
    images = torch.cat(rows).squeeze(1).numpy()
    title = "an image and its distorted copies, by each implementation"
    return image_grid.image_grid(images, captions, title, _VARIANTS + 1)
