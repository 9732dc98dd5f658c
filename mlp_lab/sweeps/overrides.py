"""The overrides of a sweep: which of them count, and what they make of its jobs."""

from collections.abc import Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep

from mlp_lab.errors import UserError


def by_key(
    params: Mapping[str, object], words: Sequence[str], parser: OverridesParser
) -> dict[str, Override]:
    """The overrides of a file's ``params`` and a command's ``words``: of each key, the last."""
    both = [*(f"{key}={value}" for key, value in params.items()), *words]
    return {override.get_key_element(): override for override in parser.parse_overrides(both)}


def axes(overrides: Mapping[str, Override], zipped: Sequence[str]) -> list[list[tuple[str, ...]]]:
    """The axes of a grid: of each the words of its steps.

    Keys in ``zipped`` share an axis, the first; an override without a sweep is an axis of a single
    step. Raises UserError if values can't be listed or zipped.
    """
    words = {key: _words(override) for key, override in overrides.items()}
    swept = [key for key, override in overrides.items() if override.is_sweep_override()]
    zipped = list(dict.fromkeys(zipped))
    for key in zipped:
        if key not in swept:
            raise UserError(
                f"sweep.zip: {key} isn't swept (swept: {', '.join(swept) or 'nothing'})"
            )
    if len({len(words[key]) for key in zipped}) > 1:
        counts = ", ".join(f"{key} has {len(words[key])}" for key in zipped)
        raise UserError(f"sweep.zip: each key needs as many values as the others: {counts}")
    together = list(zip(*(words.pop(key) for key in zipped), strict=True))
    single: list[list[tuple[str, ...]]] = [
        [(word,) for word in of_key] for of_key in words.values()
    ]
    return [together, *single] if zipped else single


def values(override: Override) -> list[str]:
    """What a swept key takes in turn. Raises UserError if that can't be listed, or has no order."""
    if not override.is_discrete_sweep():
        raise UserError(f"{override.input_line}: needs values that can be listed")
    sweep = override.value()
    if isinstance(sweep, ChoiceSweep | RangeSweep) and sweep.shuffle:
        raise UserError(
            f"{override.input_line}: shuffle: jobs are numbered in the same order each time"
        )
    return list(override.sweep_string_iterator())


def _words(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.input_line or ""]
    return [f"{override.get_key_element()}={value}" for value in values(override)]
