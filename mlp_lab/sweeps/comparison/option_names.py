"""The names of the options that a run used, of which its config has only the classes."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.config.option_files import OptionFile, read_option
from mlp_lab.config.schemas import GROUPS
from mlp_lab.storage.run_folder import RunFolder

_PRESET = "experiment"


def with_option_names(
    runs: Sequence[RunFolder], configs: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return flat configs in which a group has the name of its option instead of its class.

    Groups of which the option of a run is unknown keep the names of classes.

    Args:
        runs: the runs.
        configs: flat config of each run; see ``flat_config``.
    """
    names = [_option_names(run, config) for run, config in zip(runs, configs, strict=True)]
    known = set.intersection(*map(set, names))
    return [
        config | {group: options[group] for group in known}
        for config, options in zip(configs, names, strict=True)
    ]


def _option_names(run: RunFolder, config: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of the option of each group: ``optimizer: nesterov``.

    An option is that of the overrides, of the preset or of the defaults, in this order. There is no
    entry for an option with another class than the run: the files have changed since then. Of a run
    that repeats another one (``config=``), or has a preset of the user, only the options in the
    overrides are known.

    Args:
        run: the run.
        config: its flat config; see ``flat_config``.
    """
    typed = dict(o.partition("=")[::2] for o in run.overrides if o[:1] not in "+~")
    choices = _file("", "train").choices  # type: ignore[union-attr]
    preset = _file(_PRESET, typed.get(_PRESET, choices[_PRESET]))
    if preset is None or "config" in typed:
        return {group: typed[group] for group in GROUPS.keys() & typed.keys() - {"callbacks"}}
    choices = choices | preset.choices
    names = {}
    for group in GROUPS.keys() - {"callbacks"}:
        name = typed.get(group, choices[group])
        if group in typed or _class_name(group, name) == config.get(group):
            names[group] = name
    return names


def _class_name(group: str, option: str) -> str | None:
    """Return the name of the class of an option; None if it has none."""
    file = _file(group, option)
    target = file.keys.get("_target_") if file else None
    return target.value.rpartition(".")[2] if target else None


@cache
def _file(group: str, option: str) -> OptionFile | None:
    """Return the file of an option in conf/; None if it is not there."""
    if not (CONFIG_FOLDER / group / f"{option}.yaml").is_file():
        return None  # an option of the user
    return read_option(group, option, [CONFIG_FOLDER])
