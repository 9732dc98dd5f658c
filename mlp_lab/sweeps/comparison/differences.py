"""The keys in which runs differ, and labels made from them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from mlp_lab.config.check import unknown_key
from mlp_lab.config.flatten import flatten_plain, format_value, is_within, override_keys
from mlp_lab.config.schemas.train import Train
from mlp_lab.errors import UserError
from mlp_lab.storage.run_folder import RunFolder

# Keys that do not affect what is learnt. They are shown only if somebody set them.
_WITHOUT_EFFECT = ("resume", "threads", "gradients", "data.root", "logger", "figures", "select")
# Keys that are never shown.
_NEVER = ("logs", "config", "sweep", "callbacks.pruning")
# A callback with this key may end the training.
_MONITOR = "monitor"
# Significant digits of numbers that are shown; with the most, all floats differ.
_FEWEST_DIGITS, _MOST_DIGITS = 4, 17


def differences(
    runs: Sequence[RunFolder], configs: Sequence[dict[str, Any]]
) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the keys in which runs differ, and for each run its values of them.

    Numbers are rounded to the digits that distinguish them.

    Args:
        runs: the runs.
        configs: flat config of each run, with the names of options; see ``flat_config``.
    """
    typed = {key for run in runs for key in override_keys(run.overrides)}
    without_effect = (*_WITHOUT_EFFECT, *_observers(configs))
    # The name comes first: it implies the other values of an experiment.
    keys = dict.fromkeys(["name", *(key for values in configs for key in values)])
    swept = [
        key
        for key in keys
        if not is_within(key, _NEVER)
        and len({_value(values, key) for values in configs}) > 1
        and (key in typed or not (is_within(key, without_effect) or _implied(key, configs)))
    ]
    shown = {key: _rounded([c[key] for c in configs if key in c]) for key in swept}
    settings = [
        {key: shown[key](values[key]) for key in swept if key in values} for values in configs
    ]
    return swept, settings


def flat_config(run: RunFolder) -> dict[str, Any]:
    """Return the run's config as ``flatten`` does; only its top-level keys are checked.

    A comparison reads hundreds of configs, and a full check takes twenty times as long. Raises
    UserError for a file that is damaged or that another program wrote.
    """
    plain, known = run.read_config(), list(Train.__annotations__)
    for key in plain:
        if key not in known:
            raise UserError(f"{run.folder / 'config.yaml'}: {unknown_key(str(key), known)}")
    return flatten_plain(plain)


def label_of(settings: dict[str, Any], swept: Sequence[str]) -> str:
    """Return settings in short: ``lr=0.1 width=64``.

    Keys are shortened to their last part, unless two keys of ``swept`` have the same one.
    """
    names = short_names(swept)
    return " ".join(f"{names[key]}={format_value(value)}" for key, value in settings.items())


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Return the last part of each dotted key, or the key if others have the same last part."""
    ends = [key.rpartition(".")[2] for key in keys]
    return {k: end if ends.count(end) == 1 else k for k, end in zip(keys, ends, strict=True)}


def _implied(key: str, configs: Sequence[dict[str, Any]]) -> bool:
    """Return whether another key determines the value of ``key``.

    This is the seed, if each run has the same value for both; the name of the experiment; or the
    option to which the key belongs: ``optimizer: adam`` determines ``optimizer.betas``.
    """
    if key != "seed" and all(_value(c, key) == _value(c, "seed") for c in configs):
        return True
    owners = ("name", key.rpartition(".")[0])
    return key != "name" and any(_determines(owner, key, configs) for owner in owners)


def _observers(configs: Sequence[dict[str, Any]]) -> set[str]:
    """Return the keys ``callbacks.<name>`` of callbacks that only observe the training."""
    keys = [key.split(".") for values in configs for key in values if key.startswith("callbacks.")]
    monitors = {name for _, name, *rest in keys if rest == [_MONITOR]}
    return {f"callbacks.{name}" for _, name, *_ in keys if name not in monitors}


def _determines(owner: str, key: str, configs: Sequence[dict[str, Any]]) -> bool:
    pairs = {(_value(values, owner), _value(values, key)) for values in configs}
    return len(pairs) == len({first for first, _ in pairs})


def _rounded(values: Sequence[Any]) -> Callable[[Any], Any]:
    """Return a function that rounds floats to the fewest digits, at least 4, that keep them apart.

    Other values remain unchanged.
    """
    numbers = {value for value in values if isinstance(value, float)}

    def rounded(value: Any, digits: int) -> Any:
        return float(f"{value:.{digits}g}") if isinstance(value, float) else value

    for digits in range(_FEWEST_DIGITS, _MOST_DIGITS):
        if len({rounded(number, digits) for number in numbers}) == len(numbers):
            return partial(rounded, digits=digits)
    return partial(rounded, digits=_MOST_DIGITS)


def _value(values: dict[str, Any], key: str) -> str | None:
    """Return a value as text; None if the config lacks the key, ``"null"`` if it is None."""
    return format_value(values[key]) if key in values else None
