"""The base class of solids."""

from abc import ABC, abstractmethod

from torch import Generator, Tensor

from mlp_lab.data.solids.triangles import Triangles

#: The longest side of the box around a solid; its centre is that of the unit cube.
EXTENT = 0.9


class Solid(ABC):
    """A solid in the unit cube, in the middle of it.

    Attributes:
        bounds: smallest and largest coordinates of a box around it, float32 ``[2, 3]``.
    """

    bounds: Tensor

    @abstractmethod
    def contains(self, points: Tensor) -> Tensor:
        """Return whether points ``[points, 3]`` are inside, bool ``[points]``."""

    @abstractmethod
    def surface_points(self, count: int, generator: Generator) -> Tensor:
        """Return uniformly distributed points of the surface, float32 ``[count, 3]``, on the CPU.

        Args:
            count: number of points.
            generator: generator on the CPU.
        """

    @abstractmethod
    def triangles(self, size: int) -> Triangles:
        """Return a triangle mesh of the surface.

        Args:
            size: grid points along each side of the unit cube, if the mesh is computed on a grid.
        """
