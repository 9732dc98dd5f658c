"""Count the multiplications of a computation by running it."""

from collections.abc import Callable


def count_multiplications(compute: Callable[[type[float]], object]) -> int:
    """How many products ``compute`` makes of numbers of the type that it is given.

    That type is a float; sums, differences and products with it have it as well. What else is done
    with it (functions of ``math``, divisions) gives a plain float.
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
