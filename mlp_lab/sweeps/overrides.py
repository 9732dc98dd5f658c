"""The overrides of a sweep: which of them apply, and the jobs that they define."""

from collections.abc import Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep

from mlp_lab.errors import UserError

# The steps of one axis of a grid; a step is the overrides that are set together.
Axis = list[tuple[str, ...]]

#: In place of a zipped value: the key is not overridden.
NO_VALUE = "_"


def text_of(override: Override) -> str:
    """Return the override as it was typed."""
    return override.input_line or ""


def last_by_key(
    params: Mapping[str, object], overrides: Sequence[str], parser: OverridesParser
) -> dict[str, Override]:
    """Return the last override of each key, of a preset's ``params`` and then of ``overrides``."""
    both = [*(f"{key}={value}" for key, value in params.items()), *overrides]
    return {override.get_key_element(): override for override in parser.parse_overrides(both)}


def grid_axes(overrides: Mapping[str, Override], zipped: Sequence[str]) -> list[Axis]:
    """Return the axes of a grid.

    The keys in ``zipped`` share one axis, the first; a step leaves out those with ``NO_VALUE``. An
    override without a sweep is an axis with one step. Raises UserError if values can't be listed or
    zipped.
    """
    steps = {key: _steps(override) for key, override in overrides.items()}
    swept = [key for key, override in overrides.items() if override.is_sweep_override()]
    zipped = list(dict.fromkeys(zipped))
    for key in zipped:
        if key not in swept:
            raise UserError(
                f"sweep.zip: {key} isn't swept (swept: {', '.join(swept) or 'nothing'})"
            )
    if len({len(steps[key]) for key in zipped}) > 1:
        counts = ", ".join(f"{key} has {len(steps[key])}" for key in zipped)
        raise UserError(f"sweep.zip: all keys need the same number of values: {counts}")
    rows = zip(*(steps.pop(key) for key in zipped), strict=True)
    left_out = {f"{key}={NO_VALUE}" for key in zipped}
    zipped_axis = [tuple(step for step in row if step not in left_out) for row in rows]
    axes: list[Axis] = [[(step,) for step in of_key] for of_key in steps.values()]
    return [zipped_axis, *axes] if zipped else axes


def swept_values(override: Override) -> list[str]:
    """Return the values of a swept key, at least one.

    Raises UserError if there are none, or if they can't be listed in one order.
    """
    if not override.is_discrete_sweep():
        raise UserError(f"{override.input_line}: needs values that can be listed")
    sweep = override.value()
    if isinstance(sweep, ChoiceSweep | RangeSweep) and sweep.shuffle:
        raise UserError(
            f"{override.input_line}: can't use shuffle: jobs are numbered in a fixed order"
        )
    try:
        values = list(override.sweep_string_iterator())
    except ValueError as error:  # such as a range with a step of 0
        raise UserError(f"{override.input_line}: {error}") from error
    if not values:
        raise UserError(f"{override.input_line}: has no values; a sweep needs at least one")
    return values


def _steps(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [text_of(override)]
    return [f"{override.get_key_element()}={value}" for value in swept_values(override)]
