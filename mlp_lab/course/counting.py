"""Count the multiplications of a computation by running it."""

from collections.abc import Callable


def count_multiplications(compute: Callable[[type[float]], object]) -> int:
    """Run ``compute`` and return the number of multiplications.

    Args:
        compute: function of a number type. Multiplications with numbers of this type are counted.
            The type is a subclass of float: sums, differences and products with its numbers have
            the same type, all other operations (divisions, functions of ``math``) return a float.
    """
    count = 0

    class Counted(float):
        def __mul__(self, other: float) -> "Counted":
            nonlocal count
            count += 1
            return Counted(float(self) * float(other))

        def __add__(self, other: float) -> "Counted":
            return Counted(float(self) + float(other))

        def __sub__(self, other: float) -> "Counted":
            return Counted(float(self) - float(other))

        def __rsub__(self, other: float) -> "Counted":
            return Counted(float(other) - float(self))

        __rmul__, __radd__ = __mul__, __add__

    compute(Counted)
    return count
