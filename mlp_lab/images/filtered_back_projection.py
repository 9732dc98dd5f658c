"""Filtered back-projection, the classical reconstruction of computed tomography."""

import numpy as np

from mlp_lab.errors import check_installed


def filtered_back_projection(projections: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return the image that projections show, float32 ``[size, size]``, clipped to [0, 1].

    scikit-image's ``iradon`` with the ramp filter. The image is 0 outside its inscribed circle.

    Args:
        projections: line integrals as ``nn.operators.radon.line_integrals`` returns them,
            ``[angles, size]``.
        angles: angles of the projections in radians, ``[angles]``.

    Raises:
        UserError: scikit-image is not installed.
    """
    check_scikit_image()
    from skimage.transform import iradon

    size = projections.shape[1]
    sinogram = size * projections.T.astype(np.float64)  # in units of pixels
    image = iradon(sinogram, np.rad2deg(angles), output_size=size, filter_name="ramp", circle=True)
    return image.clip(0, 1).astype(np.float32)


def check_scikit_image() -> None:
    """Raise UserError if scikit-image is not installed."""
    check_installed("scikit-image", "skimage", "images", "filtered back-projection")
