"""What sets runs apart: the keys in which they differ, and how these are told."""

from collections.abc import Sequence
from typing import Any

import yaml

from mlp_lab.config.check import unknown_key
from mlp_lab.config.flatten import flatten_plain, format_value, is_within, override_keys
from mlp_lab.config.schemas import Train
from mlp_lab.errors import UserError
from mlp_lab.storage.run_folder import Run

# Keys that say where and how a run runs, not what is learnt: told of only where somebody set them.
_ASIDE = (
    "resume",
    "threads",
    "data.root",
    "callbacks.progress",
    "callbacks.loss_curves",
    "callbacks.layers",
    "callbacks.decision_regions",
    "callbacks.weights",
    "logger",
    "select",
)
# Keys that say nothing of a run itself.
_NEVER = ("logs", "sweep", "callbacks.pruning")

# libyaml, where PyYAML was built with it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def differences(
    runs: Sequence[Run], configs: Sequence[dict[str, Any]]
) -> tuple[list[str], list[dict[str, Any]]]:
    """The keys that tell the runs apart, and for each run its own values of them.

    ``configs`` are those of ``runs``, as ``settings_of`` has them.
    """
    typed = {key for run in runs for key in override_keys(run.overrides)}
    # What belongs to an experiment is told apart by its name first.
    keys = dict.fromkeys(["name", *(key for values in configs for key in values)])
    swept = [
        key
        for key in keys
        if not is_within(key, _NEVER)
        and len({_value(values, key) for values in configs}) > 1
        and (key in typed or not (is_within(key, _ASIDE) or _implied(key, configs)))
    ]
    return swept, [{key: values[key] for key in swept if key in values} for values in configs]


def settings_of(run: Run) -> dict[str, Any]:
    """The run's config as ``flatten`` gives it, from the file, of which the keys alone are checked.

    A comparison reads hundreds, and a check takes twenty times as long as this.
    Raises UserError for a file that is damaged, or that another program wrote.
    """
    path = run.folder / "config.yaml"
    try:
        plain = yaml.load(path.read_text(encoding="utf-8"), _LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: damaged: {str(error).splitlines()[0]}") from error
    if not isinstance(plain, dict):
        raise UserError(f"{path}: damaged: not a config")
    known = list(Train.__annotations__)
    for key in plain:
        if key not in known:
            raise UserError(f"{path}: {unknown_key(str(key), known)}")
    return flatten_plain(plain)


def label_of(settings: dict[str, Any], swept: Sequence[str]) -> str:
    """Settings in short: ``lr=0.1 width=64``; dotted keys where two would end alike."""
    ends = [key.rpartition(".")[2] for key in swept]
    names = {k: end if ends.count(end) == 1 else k for k, end in zip(swept, ends, strict=True)}
    return " ".join(f"{names[key]}={format_value(value)}" for key, value in settings.items())


def _implied(key: str, configs: Sequence[dict[str, Any]]) -> bool:
    """Whether the experiment's name says a key's value already, or does the choice that alone has
    this key: ``optimizer.betas`` is no more than ``optimizer: Adam``; or the seed, if it has the
    same value in each run."""
    if key != "seed" and all(_value(c, key) == _value(c, "seed") for c in configs):
        return True
    lacks = any(key not in values for values in configs)
    owners = ("name", key.rpartition(".")[0]) if lacks else ("name",)
    return key != "name" and any(_determines(owner, key, configs) for owner in owners)


def _determines(owner: str, key: str, configs: Sequence[dict[str, Any]]) -> bool:
    pairs = {(_value(values, owner), _value(values, key)) for values in configs}
    return len(pairs) == len({first for first, _ in pairs})


def _value(values: dict[str, Any], key: str) -> str | None:
    """A value to compare; None where a config has no such key, which isn't a null."""
    return format_value(values[key]) if key in values else None
