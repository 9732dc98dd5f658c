"""Compare a reconstruction from projections with the classical one."""

from functools import partial

import numpy as np
import torch

from mlp_lab.data.ct import CT
from mlp_lab.figures import tomography
from mlp_lab.images.filtered_back_projection import filtered_back_projection
from mlp_lab.images.similarity import SMALLEST, psnr, ssim
from mlp_lab.tasks.diagnostics.diagnostic import Diagnostic


def compare_reconstructions(data: CT, image: np.ndarray) -> Diagnostic:
    """Return psnr and ssim of a network and of filtered back-projection, and a figure of both.

    Both reconstructions are from the training projections.

    Args:
        data: data module that has been set up.
        image: densities that the network represents, ``[size, size]``.

    Raises:
        UserError: scikit-image is not installed.
    """
    targets = data.splits["train"][1][0].float().cpu().numpy()
    angles, projections = targets[:, 0], targets[:, 1:]
    truth = data.target_image[:, :, 0]
    images = {
        "network": image,
        "filtered back-projection": filtered_back_projection(projections, angles),
    }
    rows = [{"method": name, **_similarity(x, truth)} for name, x in images.items()]
    captioned = {
        f"{row['method']}, {row['psnr']:.2f} dB": images[str(row["method"])] for row in rows
    }
    figure = partial(tomography.reconstructions, truth, captioned, projections, angles)
    return Diagnostic("reconstructions", rows, {"reconstructions": figure})


def _similarity(image: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return PSNR and, if the images are large enough, SSIM."""
    metrics = {"psnr": psnr(float(np.square(image - truth, dtype=np.float64).mean()))}
    if len(truth) >= SMALLEST:
        pair = (torch.from_numpy(x).unsqueeze(2) for x in (image, truth))
        metrics["ssim"] = ssim(*pair)
    return metrics
