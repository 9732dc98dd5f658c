"""Reading of volumes: a user's NIfTI file, or the MNI152 template of a brain."""

from pathlib import Path

import numpy as np

from mlp_lab.config.names import VOLUMES
from mlp_lab.data import fetch
from mlp_lab.errors import UserError, check_installed, first_line
from mlp_lab.images.resampling import to_cube
from mlp_lab.storage.files import write_whole

# Mean T1-weighted image of 152 brains without skull (Fonov et al. 2011), and nilearn's wheel that
# contains it.
_MNI152 = "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
_MNI152_SHA256 = "421a10e872fd6cadae7f61d358dffbcc1795a497d61ee76c5dda2503e1a1e9e6"
_WHEEL = "nilearn==0.14.1"
_WHEEL_SHA256 = "725206484e9fb3f6691f9c2d20204a068759d5072f12055324702ee0cb2bbe8a"

# Directions in which the axes of a volume point: to the left of the body, to its back, and to its
# feet, so that slices have the usual orientation.
_DIRECTIONS = ("L", "P", "I")


def find_volume(volume: str) -> Path:
    """Return the file of a volume, given its path or ``mni152``, which is downloaded once.

    Raises:
        UserError: there is no such file, or it can't be downloaded.
    """
    if volume == "mni152":
        return _fetch_mni152()
    if not Path(volume).is_file():
        names = " or ".join(VOLUMES)
        raise UserError(f"data.volume={volume}: no such file; must be a NIfTI file, {names}")
    return Path(volume)


def read_volume(path: Path, size: int) -> np.ndarray:
    """Read a volume, float32 ``[size] * 3``.

    The values are scaled from their range to [0, 1]. The smallest box with all voxels above the
    minimum becomes a cube of ``size`` voxels along each axis, which are means. Its axes point to
    the left of the body, to its back and to its feet.

    Args:
        path: NIfTI file, or another format of nibabel.
        size: number of voxels along each axis.

    Raises:
        UserError: nibabel is not installed, the file cannot be read or has no volume, or the volume
            has fewer voxels than ``size``.
    """
    values, widths = _read(path)
    if values.ndim != 3:
        raise UserError(f"{path}: must have 3 dimensions, not {values.ndim}: {_shape(values)}")
    if not values.size or min(values.shape) < 2:
        raise UserError(f"{path}: has {_shape(values)} voxels; must have at least 2 x 2 x 2")
    if wrong := np.count_nonzero(~np.isfinite(values)):
        raise UserError(f"{path}: {wrong:,} voxels are not finite numbers")
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise UserError(f"{path}: is empty: all voxels are {low:g}")
    values = (values - low) / (high - low)
    values = values[np.ix_(*(_used(values, axis) for axis in range(3)))]
    most = int(max(np.multiply(values.shape, widths)) / min(widths) + 0.5)
    if size > most:
        raise UserError(
            f"data.size={size}: must be at most {most}: the object in {path} has {_shape(values)}"
            " voxels"
        )
    return to_cube(values, widths, size)


def _read(path: Path) -> tuple[np.ndarray, tuple[float, ...]]:
    """Return values with axes in ``_DIRECTIONS``, float32 ``[x, y, z]``, and sizes of a voxel."""
    check_installed("nibabel", "nibabel", "volumes", "data.volume")
    import nibabel
    from nibabel import orientations

    try:
        image = nibabel.squeeze_image(nibabel.load(path))
        values = image.get_fdata(dtype=np.float32)
        axes = orientations.io_orientation(image.affine)
        if values.ndim == 3:
            wanted = orientations.axcodes2ornt(_DIRECTIONS)
            values = orientations.apply_orientation(
                values, orientations.ornt_transform(axes, wanted)
            )
        widths = nibabel.affines.voxel_sizes(image.affine)
    except Exception as error:  # damaged headers and contents have many errors
        raise UserError(f"{path}: not a readable volume: {first_line(error)}") from error
    order = np.argsort(axes[:, 0])  # of the axes in the file by those of the body
    return values, tuple(float(width) for width in widths[order])


def _used(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the range of indices of an axis in which some voxels are above 0."""
    others = tuple(other for other in range(3) if other != axis)
    indices = np.flatnonzero(values.any(others))
    return np.arange(indices[0], indices[-1] + 1)


def _shape(values: np.ndarray) -> str:
    return " x ".join(map(str, values.shape))


def _fetch_mni152() -> Path:
    """Return the file of the MNI152 template in the user's cache; download it if necessary."""
    path = fetch.cache_folder() / "MNI152" / Path(_MNI152).name
    if fetch.checksum(path, "sha256") != _MNI152_SHA256:
        with fetch.locked_folder(path.parent):
            if fetch.checksum(path, "sha256") != _MNI152_SHA256:
                with fetch.wheel(_WHEEL, _WHEEL_SHA256) as archive:
                    content = archive.read(_MNI152)
                write_whole(path, content)
    return path
