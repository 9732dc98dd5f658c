"""Phantoms: test images of computed tomography, and test volumes of magnetic resonance imaging."""

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

#: The same in three dimensions (Koay et al. 2007, table 1) with the contrast of ``SHEPP_LOGAN``.
#: Columns: additive density, half axes, centre (x to the right, y to the front, z upwards, in
#: [-1, 1]), angle around the z axis in degrees.
SHEPP_LOGAN_3D = np.array(
    [
        (1.0, 0.69, 0.92, 0.9, 0.0, 0.0, 0.0, 0.0),
        (-0.8, 0.6624, 0.874, 0.88, 0.0, 0.0, 0.0, 0.0),
        (-0.2, 0.41, 0.16, 0.21, -0.22, 0.0, -0.25, 108.0),
        (-0.2, 0.31, 0.11, 0.22, 0.22, 0.0, -0.25, 72.0),
        (0.1, 0.21, 0.25, 0.5, 0.0, 0.35, -0.25, 0.0),
        (0.1, 0.046, 0.046, 0.046, 0.0, 0.1, -0.25, 0.0),
        (0.1, 0.046, 0.023, 0.02, -0.08, -0.65, -0.25, 0.0),
        (0.1, 0.046, 0.023, 0.02, 0.06, -0.65, -0.25, 90.0),
        (0.1, 0.056, 0.04, 0.1, 0.06, -0.105, 0.625, 90.0),
        (0.1, 0.056, 0.056, 0.1, 0.0, 0.1, 0.625, 0.0),
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


def ellipsoids(parameters: np.ndarray, size: int) -> np.ndarray:
    """Return the sum of the densities of ellipsoids, clipped to [0, 1], float32 ``[size] * 3``.

    The axes of the volume are x to the right, y to the back and z downwards. A voxel belongs to an
    ellipsoid if its point does, as for ``ellipses``.

    Args:
        parameters: rows as in ``SHEPP_LOGAN_3D``, but with the angle in radians,
            ``[ellipsoids, 8]``.
        size: number of voxels along each axis.
    """
    along = 2 * np.arange(size) / size - 1
    x, y, z = along[:, None, None], -along[:, None], -along
    volume = np.zeros((size,) * 3)
    for density, a, b, c, centre_x, centre_y, centre_z, angle in parameters:
        cosine, sine = np.cos(angle), np.sin(angle)
        first = (x - centre_x) * cosine + (y - centre_y) * sine
        second = (y - centre_y) * cosine - (x - centre_x) * sine
        inside = (first / a) ** 2 + (second / b) ** 2 + ((z - centre_z) / c) ** 2 <= 1
        volume[inside] += density
    return volume.clip(0, 1).astype(np.float32)


def shepp_logan(size: int, jitter: float = 0.0, seed: int = 0) -> np.ndarray:
    """Return a Shepp-Logan phantom, float32 ``[size, size]`` in [0, 1].

    Args:
        size: width and height in pixels.
        jitter: standard deviation of the Gaussian noise that is added to all parameters of all
            ellipses, with angles in radians; Tancik et al. 2020 use 1/20.
        seed: seed of the noise.
    """
    return ellipses(_jittered(SHEPP_LOGAN, jitter, seed), size)


def shepp_logan_3d(size: int, jitter: float = 0.0, seed: int = 0) -> np.ndarray:
    """Return a Shepp-Logan phantom in three dimensions, float32 ``[size] * 3`` in [0, 1].

    The arguments are those of ``shepp_logan``, the axes those of ``ellipsoids``.
    """
    return ellipsoids(_jittered(SHEPP_LOGAN_3D, jitter, seed), size)


def _jittered(table: np.ndarray, jitter: float, seed: int) -> np.ndarray:
    """Return the parameters of a phantom with noise, and with angles in radians."""
    parameters = table.copy()
    parameters[:, -1] = np.deg2rad(parameters[:, -1])
    noise = np.random.default_rng(seed).standard_normal(parameters.shape)
    return parameters + jitter * noise
