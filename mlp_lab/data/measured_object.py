"""The base class of data modules that measure one object, whose density a network learns."""

from abc import abstractmethod
from collections.abc import Mapping

import numpy as np

from mlp_lab.data.datamodule import DataModule
from mlp_lab.errors import UserError
from mlp_lab.figures.rendering import Draw


class MeasuredObject(DataModule):
    """Measurements of one object.

    A split has one example. Its input is the coordinates of the points of a grid, float32
    ``[1, points, in_features]``. Its target is measurements, which a subclass of
    ``tasks.reconstruction.Reconstruction`` compares with those of the network's densities at the
    points. No split contains the density itself.
    """

    out_features = 1
    #: Name of the classical reconstruction.
    classical: str

    @property
    @abstractmethod
    def density(self) -> np.ndarray:
        """The density at the points, in their order, float32 ``[size, ...]`` in [0, 1].

        Raises UserError if its file cannot be used.
        """

    @property
    @abstractmethod
    def reconstruction(self) -> np.ndarray:
        """The classical reconstruction from the training measurements, as ``density``.

        The data have been set up.
        """

    @abstractmethod
    def figures(self, images: Mapping[str, np.ndarray]) -> dict[str, Draw]:
        """Return functions that draw reconstructions and measurements, by name of the figure.

        Args:
            images: reconstructions of the shape of ``density`` by caption, at least one.
        """

    def check_packages(self) -> None:
        """Raise UserError if a package is missing that ``reconstruction`` needs."""

    def check_batch_normalization(self, processes: int) -> None:
        """Raise UserError, because the only example is all points of an object."""
        raise UserError(
            "network: has batch normalization, which measurements of one object can't use"
        )


def measured_object(data: DataModule) -> MeasuredObject | None:
    """Return data that are measurements of one object; None for others."""
    return data if isinstance(data, MeasuredObject) else None
