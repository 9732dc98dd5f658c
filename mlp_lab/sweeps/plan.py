"""A sweep before it has a folder: which jobs it has, checked."""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, OverrideType
from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf

from mlp_lab.config import schemas
from mlp_lab.config.check import check
from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.errors import UserError
from mlp_lab.storage.run_folder import is_refit
from mlp_lab.sweeps.overrides import axes, by_key
from mlp_lab.sweeps.plugins import register
from mlp_lab.sweeps.search import divided

_PLUGINS = {s._target_: s for s in (schemas.Vectorized, schemas.Grid, schemas.Search)}
_OWN = ("hydra.mode", "hydra.sweep.dir", "hydra.sweep.subdir")
# What the whole sweep has, not a job.
_WHOLE = re.compile(r"(threads|sweep)$|sweep\.|hydra[./]")


@dataclass(frozen=True)
class Plan:
    """What is known of a sweep before it has a folder.

    Attributes:
        cfg: the config of its first job.
        varied: the keys that differ between jobs, as their overrides name them.
        words: the overrides as Hydra is to be given them.
    """

    cfg: DictConfig
    varied: list[str]
    words: list[str]


def plan(words: Sequence[str]) -> Plan:
    """Compose and check a sweep's configs, so that each of its values stands in one at least.

    Hydra would begin a sweep whose third job is a mistake.
    """
    register()
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONFIG_FOLDER)):
        parser = OverridesParser.create(GlobalHydra.instance().config_loader())
        typed = parser.parse_overrides(list(words))
        fixed = [o for o in typed if not (o.is_sweep_override() or _is_value(o))]
        outline = hydra.compose("train", list(map(_word, fixed)), return_hydra_config=True)
        _check_plugins(outline.hydra)
        overrides = by_key(outline.hydra.sweeper.params or {}, words, parser)
        varied = [key for key, override in overrides.items() if override.is_sweep_override()]
        _refuse_keys(overrides)
        grid = _axes(outline, overrides)
        configs = [check(cfg, schemas.Train) for cfg in _configs(grid, parser)]
        searches = outline.hydra.sweeper._target_ == schemas.Search._target_
    for cfg in configs:
        _refuse_no_job(cfg)
        if searches and is_refit(cfg):
            raise UserError("data.refit=true: leaves no validation data for a search to choose by")
    processes, threads = outline.hydra.launcher.get("processes"), configs[0].threads
    if (processes or 1) > 1 and (threads or 1) > 1:
        raise UserError(
            f"hydra.launcher.processes={processes}: with one thread each, not {threads}"
        )
    return Plan(configs[0], varied, [_for_all_choices(o, outline) for o in typed])


def _is_value(override: Override) -> bool:
    """Whether it is a plain value of an option, not of the sweep as a whole."""
    key = override.key_or_group
    return "." in key and override.type == OverrideType.CHANGE and not _WHOLE.match(key)


def _for_all_choices(override: Override, outline: DictConfig) -> str:
    """The override's word; as a sweep over one value if only some choices of options have its key.

    Hydra puts fixed values into a config without the choices that are swept, and would refuse them.
    """
    word = _word(override)
    if override.is_sweep_override() or not _is_value(override):
        return word
    parent, _, name = override.key_or_group.rpartition(".")
    if name in (OmegaConf.select(outline, parent) or {}):
        return word
    key, _, value = word.partition("=")
    return f"{key}=choice({value})"


def _word(override: Override) -> str:
    return override.input_line or ""


def _axes(outline: DictConfig, overrides: Mapping[str, Override]) -> list[list[tuple[str, ...]]]:
    """The axes of a sweep, see ``overrides.axes``; of an interval that is searched, both ends."""
    zipped, schema = outline.sweep.zip, _PLUGINS.get(outline.hydra.sweeper._target_)
    if schema is schemas.Grid:
        return axes(overrides, zipped)
    if zipped:
        raise UserError("sweep.zip: only values of a grid go in step")
    if schema is schemas.Search:
        divided(overrides)
    intervals = {key: o for key, o in overrides.items() if o.is_interval_sweep()}
    listed = {key: o for key, o in overrides.items() if key not in intervals}
    return axes(listed, []) + [_ends(o) for o in intervals.values()]


def _check_plugins(settings: DictConfig) -> None:
    """Check what is set for the launcher and the sweeper, if they are installed and ours."""
    for kind in ("launcher", "sweeper"):
        target = settings[kind]._target_
        if target not in Plugins.instance().class_name_to_class:
            option = settings.runtime.choices[f"hydra/{kind}"]
            raise UserError(
                f"hydra/{kind}={option}: not installed; pip install -e '.[{option}]' does it"
            )
        if target in _PLUGINS:
            try:
                check(settings[kind], _PLUGINS[target])
            except UserError as error:
                raise UserError(f"hydra.{kind}.{error}") from error


def _ends(override: Override) -> list[tuple[str, ...]]:
    """The words of both ends of an interval."""
    interval, key = override.value(), override.get_key_element()
    assert isinstance(interval, IntervalSweep)
    return [(f"{key}={interval.start}",), (f"{key}={interval.end}",)]


def _refuse_keys(overrides: Mapping[str, Override]) -> None:
    for override in overrides.values():
        key = override.key_or_group
        if key in _OWN:
            raise UserError(f"{key}: can't be set: a sweep lies in <logs>/<name>/sweeps")
        if override.is_sweep_override() and _WHOLE.match(key):
            raise UserError(f"{key}: can't vary in a sweep: it is one for all jobs")


def _refuse_no_job(cfg: DictConfig) -> None:
    devices, strategy = cfg.trainer.devices, cfg.trainer.strategy
    if devices > 1 or strategy == "ddp":
        raise UserError(
            f"trainer: devices={devices}, strategy={strategy}: each job of a sweep runs in one"
            " process, on one device"
        )
    if cfg.resume is not None:
        raise UserError(f"resume={cfg.resume}: can't be joined with -m: each job is a new run")


def _configs(
    grid: Sequence[Sequence[tuple[str, ...]]], parser: OverridesParser
) -> Iterator[DictConfig]:
    """Configs in which each step of each axis is taken at least once.

    To compose one takes a tenth of a second. Only a choice, which brings other keys, makes that
    necessary: a value is put into the first.
    """
    first = [steps[0] for steps in grid]
    cfg = _compose(first)
    yield cfg
    for place, steps in enumerate(grid):
        chosen = any(_is_choice(override) for override in parser.parse_overrides(list(steps[0])))
        for step in steps[1:]:
            if chosen:
                yield _compose([*first[:place], step, *first[place + 1 :]])
            else:
                yield _changed(cfg, parser.parse_overrides(list(step)))


def _compose(job: Sequence[tuple[str, ...]]) -> DictConfig:
    return hydra.compose("train", [word for step in job for word in step])


def _is_choice(override: Override) -> bool:
    loader = GlobalHydra.instance().config_loader()
    return bool(loader.get_group_options(override.key_or_group))


def _changed(cfg: DictConfig, overrides: Sequence[Override]) -> DictConfig:
    changed = deepcopy(cfg)
    for override in overrides:
        OmegaConf.update(changed, override.key_or_group, override.value())
    return changed
