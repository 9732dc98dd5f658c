"""Plan a sweep before its folder exists: which jobs it has, with checked configs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice

import hydra
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, OverrideType
from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf

from mlp_lab.config.cached_composer import CachedComposer
from mlp_lab.config.check import check
from mlp_lab.config.command_line import RESOLVER, with_plain_values
from mlp_lab.config.compose import (
    ROOTS,
    compose_unchecked,
    config_loader,
    refuse_code,
    refuse_reserved,
)
from mlp_lab.config.schemas.data import is_refit
from mlp_lab.config.schemas.hydra import PLUGINS, Grid, Search
from mlp_lab.errors import UserError
from mlp_lab.sweeps.overrides import Axis, grid_axes, last_by_key, text_of
from mlp_lab.sweeps.plan import Plan
from mlp_lab.sweeps.plugins import register
from mlp_lab.sweeps.search import search_space

# Keys that belong to the whole sweep, not to a job.
_OF_SWEEP = re.compile(r"(threads|logs|sweep)$|sweep\.|figures\.|hydra[./]")
# Presets that do not say what they vary, and the name of such a sweep over experiments.
_GENERAL, _SEVERAL = ("grid", "search"), "experiments"


def plan(overrides: Sequence[str], *, resumed: bool = False) -> Plan:
    """Compose and check configs in which each value of the sweep occurs at least once.

    Hydra itself would start a sweep whose third job has a wrong value.

    Args:
        overrides: overrides of the command.
        resumed: whether the sweep exists. A sweep of an earlier version may have equal jobs; their
            numbers must not change.
    """
    register()
    with config_loader() as loader:
        parser = OverridesParser.create(loader)
        typed = parser.parse_overrides(list(overrides))
        fixed = [o for o in typed if not (o.is_sweep_override() or _is_job_value(o))]
        outline = hydra.compose("train", list(map(text_of, fixed)), return_hydra_config=True)
        refuse_code(outline.hydra, overrides)
        _check_plugins(outline.hydra)
        by_key = last_by_key(outline.hydra.sweeper.params or {}, overrides, parser)
        _check_keys(by_key)
        of_hydra = [text_of(o) for o in by_key.values() if o.is_hydra_override()]
        of_jobs = {key: o for key, o in by_key.items() if not o.is_hydra_override()}
        searches = outline.hydra.sweeper._target_ == Search._target_
        space = search_space(of_jobs) if searches else None
        axes = _axes(outline, of_jobs)
        configs = [check(cfg, ROOTS["train"]) for cfg in _configs(axes, of_hydra, loader)]
        if not resumed:
            _check_distinct(axes, configs, loader)
    for cfg in configs:
        _check_job(cfg, searches)
    if searches:
        _check_selection(configs)
    _check_processes(outline.hydra.launcher.get("processes"), configs[0].threads)
    varied = [key for key, override in by_key.items() if override.is_sweep_override()]
    for_hydra = [_for_hydra(o, outline) for o in typed]
    recorded = [_recorded(o, outline if o.is_hydra_override() else configs[0]) for o in typed]
    name = _name(configs, outline.hydra.runtime.choices.get("sweep"))
    return Plan(configs[0], name, varied, for_hydra, recorded, axes, space)


def _name(configs: Sequence[DictConfig], preset: str | None) -> str:
    """Return the name of the experiment; that of the sweep if it varies the experiment."""
    if len({cfg.name for cfg in configs}) == 1:
        return str(configs[0].name)
    return _SEVERAL if preset is None or preset in _GENERAL else preset


def _is_job_value(override: Override) -> bool:
    """Return whether an override sets one key of a job, such as ``optimizer.lr=0.1``."""
    key = override.key_or_group
    return "." in key and override.type == OverrideType.CHANGE and not _OF_SWEEP.match(key)


def _for_hydra(override: Override, outline: DictConfig) -> str:
    """Return the override, as a sweep over one value if only some swept options have its key.

    Hydra first composes a config with the fixed values and without the swept options. It would
    reject keys that this config does not have.
    """
    text = text_of(override)
    if override.is_sweep_override() or not _is_job_value(override):
        return text
    parent, _, name = override.key_or_group.rpartition(".")
    if name in (OmegaConf.select(outline, parent) or {}):
        return text
    key, _, value = text.partition("=")
    return f"{key}=choice({value})"


def _recorded(override: Override, cfg: DictConfig) -> str:
    """Return an override as a sweep records it, so that resuming it resolves nothing again."""
    text = text_of(override)
    plain = with_plain_values([text], cfg, RESOLVER)
    if not plain or (override.is_sweep_override() and plain != [text]):
        raise UserError(
            f"{text}: must be plain values, or interpolations of keys such as ${{seed}}"
        )
    return plain[0]


def _axes(outline: DictConfig, overrides: Mapping[str, Override]) -> list[Axis]:
    """Return the axes of a sweep; the axis of a searched interval has its two ends."""
    zipped = outline.sweep.zip
    if outline.hydra.sweeper._target_ == Grid._target_:
        return grid_axes(overrides, zipped)
    if zipped:
        raise UserError("sweep.zip: only a grid can zip values")
    intervals = {key: o for key, o in overrides.items() if o.is_interval_sweep()}
    listed = {key: o for key, o in overrides.items() if key not in intervals}
    return grid_axes(listed, []) + [_ends(o) for o in intervals.values()]


def _ends(override: Override) -> Axis:
    interval, key = override.value(), override.get_key_element()
    assert isinstance(interval, IntervalSweep)
    ends = dict.fromkeys((interval.start, interval.end))  # may be equal
    return [(f"{key}={end}",) for end in ends]


def _configs(
    axes: Sequence[Axis], of_hydra: Sequence[str], loader: ConfigLoader
) -> Iterator[DictConfig]:
    """Yield configs in which each step of each axis occurs at least once.

    The first config has the first step of each axis. One for each further step of each axis
    follows.
    """
    compose = CachedComposer(lambda overrides: compose_unchecked([*of_hydra, *overrides]), loader)
    first = [steps[0] for steps in axes]
    yield compose(list(chain(*first)))
    for place, steps in enumerate(axes):
        for step in steps[1:]:
            yield compose(list(chain(*first[:place], step, *first[place + 1 :])))


def _check_plugins(settings: DictConfig) -> None:
    """Check that launcher and sweeper are installed, and their values if they are mlp_lab's."""
    for kind in ("launcher", "sweeper"):
        target = settings[kind]._target_
        if target not in Plugins.instance().class_name_to_class:
            option = settings.runtime.choices[f"hydra/{kind}"]
            raise UserError(
                f"hydra/{kind}={option}: not installed; pip install -e '.[{option}]' installs it"
            )
        if target in PLUGINS:
            try:
                check(settings[kind], PLUGINS[target])
            except UserError as error:
                raise UserError(f"hydra.{kind}.{error}") from error


def _check_keys(overrides: Mapping[str, Override]) -> None:
    refuse_reserved(overrides.values())
    for override in overrides.values():
        key = override.key_or_group
        if override.is_sweep_override() and _OF_SWEEP.match(key):
            raise UserError(f"{key}: can't vary in a sweep: all jobs share it")


def _check_job(cfg: DictConfig, searches: bool) -> None:
    devices, strategy = cfg.trainer.devices, cfg.trainer.strategy
    if devices > 1 or strategy == "ddp":
        raise UserError(
            f"trainer: devices={devices}, strategy={strategy}: each job of a sweep runs in one"
            " process, on one device"
        )
    if cfg.resume is not None:
        raise UserError(f"resume={cfg.resume}: can't be used with -m: each job is a new run")
    if cfg.config is not None:
        raise UserError(f"config={cfg.config}: can't be used with -m: it repeats one run")
    if searches and is_refit(cfg):
        raise UserError("data.refit=true: leaves no validation data for a search to choose by")


def _check_selection(configs: Sequence[DictConfig]) -> None:
    """Raise UserError if the values of trials, which a search compares, are different metrics."""
    for key in ("metric", "mode"):
        values = list(dict.fromkeys(str(cfg.select[key]) for cfg in configs))
        if len(values) > 1:
            raise UserError(
                f"select.{key}: must be the same for all trials of a search, not"
                f" {' and '.join(values)}"
            )


def _check_distinct(
    axes: Sequence[Axis], configs: Sequence[DictConfig], loader: ConfigLoader
) -> None:
    """Raise UserError if two steps of an axis give the same job, which would count twice.

    Options with different names may have the same content.

    Args:
        axes: axes of the sweep.
        configs: checked configs in the order of ``_configs``.
        loader: loader of the config groups.
    """
    others = iter(configs[1:])
    for steps in axes:
        of_axis = [configs[0], *islice(others, len(steps) - 1)]
        first: dict[str, tuple[str, ...]] = {}
        for step, cfg in zip(steps, of_axis, strict=True):
            texts = " ".join(step)
            has_options = any(loader.get_group_options(text.partition("=")[0]) for text in step)
            # The value of an interpolation may differ in jobs that were not composed.
            by_text = has_options or "$" in texts
            content = texts if by_text else str(OmegaConf.to_container(cfg))
            if content in first:
                other = " ".join(first[content])
                reason = "listed twice" if other == texts else f"the same job as {other}"
                raise UserError(f"{texts}: {reason}; the jobs of a sweep must differ")
            first[content] = step


def _check_processes(processes: int | None, threads: int | None) -> None:
    if (processes or 1) > 1 and (threads or 1) > 1:
        raise UserError(
            f"hydra.launcher.processes={processes}: each process has one thread, not {threads}"
        )
