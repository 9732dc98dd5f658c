"""Phantoms: test images of computed tomography."""

import numpy as np

#: The head phantom of Shepp and Logan 1974 with the contrast of Toft 1996 (table B.1). Columns:
#: additive density, half axes, centre (x to the right, y upwards, in [-1, 1]), angle in degrees.
SHEPP_LOGAN = np.array(
    [
        (1.0, 0.69, 0.92, 0.0, 0.0, 0.0),
        (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0),
        (-0.2, 0.11, 0.31, 0.22, 0.0, -18.0),
        (-0.2, 0.16, 0.41, -0.22, 0.0, 18.0),
        (0.1, 0.21, 0.25, 0.0, 0.35, 0.0),
        (0.1, 0.046, 0.046, 0.0, 0.1, 0.0),
        (0.1, 0.046, 0.046, 0.0, -0.1, 0.0),
        (0.1, 0.046, 0.023, -0.08, -0.605, 0.0),
        (0.1, 0.023, 0.023, 0.0, -0.605, 0.0),
        (0.1, 0.023, 0.046, 0.06, -0.605, 0.0),
    ]
)


def ellipses(parameters: np.ndarray, size: int) -> np.ndarray:
    """Return the sum of the densities of ellipses, clipped to [0, 1], float32 ``[size, size]``.

    A pixel belongs to an ellipse if its point does. The point of pixel i is ``2 i / size - 1``, so
    that pixel ``size // 2`` of an even size is the centre.

    Args:
        parameters: rows as in ``SHEPP_LOGAN``, but with the angle in radians, ``[ellipses, 6]``.
        size: width and height in pixels.
    """
    x = 2 * np.arange(size) / size - 1
    y = -x[:, None]
    image = np.zeros((size, size))
    for density, a, b, centre_x, centre_y, angle in parameters:
        cosine, sine = np.cos(angle), np.sin(angle)
        along = (x - centre_x) * cosine + (y - centre_y) * sine
        across = (y - centre_y) * cosine - (x - centre_x) * sine
        image[(along / a) ** 2 + (across / b) ** 2 <= 1] += density
    return image.clip(0, 1).astype(np.float32)


def shepp_logan(size: int, jitter: float = 0.0, seed: int = 0) -> np.ndarray:
    """Return a Shepp-Logan phantom, float32 ``[size, size]`` in [0, 1].

    Args:
        size: width and height in pixels.
        jitter: standard deviation of the Gaussian noise that is added to all parameters of all
            ellipses, with angles in radians; Tancik et al. 2020 use 1/20.
        seed: seed of the noise.
    """
    parameters = SHEPP_LOGAN.copy()
    parameters[:, 5] = np.deg2rad(parameters[:, 5])
    noise = np.random.default_rng(seed).standard_normal(parameters.shape)
    return ellipses(parameters + jitter * noise, size)
