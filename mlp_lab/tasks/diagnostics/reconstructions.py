"""Compare a reconstruction from measurements with the classical one."""

import numpy as np
import torch

from mlp_lab.data.measured_object import MeasuredObject
from mlp_lab.images.similarity import SSIM_WINDOW, image_psnr, ssim
from mlp_lab.tasks.diagnostics.diagnostic import Diagnostic


def compare_reconstructions(data: MeasuredObject, density: np.ndarray) -> Diagnostic:
    """Return psnr and ssim of a network and of the classical reconstruction, and their figures.

    Both reconstructions are from the training measurements.

    Args:
        data: data module that has been set up.
        density: densities that the network represents, of the shape of ``data.density``.

    Raises:
        UserError: a package that the classical reconstruction needs is not installed.
    """
    images = {"network": density, data.classical: data.reconstruction}
    rows = [{"method": name, **similarity(x, data.density)} for name, x in images.items()]
    captioned = {
        f"{row['method']}, {row['psnr']:.2f} dB": images[str(row["method"])] for row in rows
    }
    return Diagnostic("reconstructions", rows, data.figures(captioned))


def similarity(density: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return PSNR and, for images that are large enough, SSIM."""
    metrics = {"psnr": image_psnr(density, truth)}
    if truth.ndim == 2 and len(truth) >= SSIM_WINDOW:
        pair = (torch.from_numpy(x).unsqueeze(2) for x in (density, truth))
        metrics["ssim"] = ssim(*pair)
    return metrics
