"""Compose a config from ``conf/`` and check it."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.core.singleton import Singleton
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf, open_dict

from mlp_lab.config.check import check
from mlp_lab.config.replaced_options import replace_options
from mlp_lab.config.schemas.backprop import Backprop
from mlp_lab.config.schemas.evaluate import Evaluate
from mlp_lab.config.schemas.play import Play
from mlp_lab.config.schemas.predict import Predict
from mlp_lab.config.schemas.train import Train
from mlp_lab.errors import UserError

# Keys that mlp_lab sets itself, with their values: storage/ creates the folders after the config is
# checked. Lightning passes some of these values to the processes that it starts.
_RESERVED = {
    "hydra.mode": None,
    "hydra.run.dir": ".",
    "hydra.sweep.dir": ".",
    "hydra.sweep.subdir": ".",
    "hydra.output_subdir": None,
    "hydra.job.chdir": None,
}

# Settings of Hydra that name functions or change the environment, and their values in conf/.
_NO_LOGGING = {"version": 1, "root": None, "disable_existing_loggers": False}
_MAY_RUN_CODE: dict[str, tuple[Any, ...]] = {
    "callbacks": ({},),
    "job_logging": (_NO_LOGGING,),
    "hydra_logging": (_NO_LOGGING,),
    "job.env_set": ({}, {"OMP_NUM_THREADS": "1"}),  # the latter of some launchers
}

_PACKAGE = Path(__file__).resolve().parents[1]

# The wheel contains conf/ inside the package; a checkout has it beside the package.
CONFIG_FOLDER = next(p for p in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if p.is_dir())

#: The schema of each config ``conf/<name>.yaml``.
ROOTS: dict[str, type] = {
    "train": Train,
    "evaluate": Evaluate,
    "predict": Predict,
    "play": Play,
    "backprop": Backprop,
}

replace_options()  # before any config is composed


def refuse_reserved(overrides: Iterable[Override]) -> None:
    """Raise UserError for a key of Hydra that would move outputs to other folders."""
    for override in overrides:
        key = override.key_or_group
        if key in _RESERVED and override.value() != _RESERVED[key]:
            raise UserError(
                f"{key}: can't be set: a sweep lies in <logs>/<name>/sweeps, a run in"
                " <logs>/<name>; logs=... sets the first folder"
            )


def check_overrides(overrides: Sequence[Override]) -> None:
    """Check what Hydra would not check, or would report without the key.

    Raises UserError for a reserved key, for a key that is given twice, and for a group whose option
    is not a name. Hydra would use the last of two values.
    """
    refuse_reserved(overrides)
    _refuse_repeated(overrides)
    for override in overrides:
        if override.type is not OverrideType.DEL:
            _check_option(override)


def _refuse_repeated(overrides: Iterable[Override]) -> None:
    """Raise UserError for a key that is given twice."""
    texts: dict[tuple[str, str | None], str] = {}
    for override in overrides:
        key, text = override.key_or_group, override.input_line or ""
        if key.startswith("hydra."):  # Lightning repeats these
            continue
        where = key, override.package
        if where in texts:
            raise UserError(f"{key}: given twice ({texts[where]} and {text}); must be given once")
        texts[where] = text


def _check_option(override: Override) -> None:
    """Raise UserError if an override of a config group is not the name of an option."""
    folder = CONFIG_FOLDER / override.key_or_group
    refused: Any = int | float | dict | None
    if override.key_or_group != "callbacks":  # the only group of which several can be used
        refused |= list
    if folder.is_dir() and isinstance(override.value(), refused):
        options = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        raise UserError(
            f"{override.input_line}: must be the name of an option (options: {options})"
        )


def check_config_folder(folder: str | None) -> None:
    """Raise UserError if a folder of configs of the user, ``--config-dir``, can't be used.

    Hydra would ignore an option with the name of one of mlp_lab's.
    """
    if folder is None:
        return
    if not os.path.isdir(folder):
        raise UserError(f"--config-dir {folder}: no such folder")
    for ours in sorted(CONFIG_FOLDER.rglob("*.yaml")):
        theirs = folder / (name := ours.relative_to(CONFIG_FOLDER))
        if theirs.is_file() and not theirs.samefile(ours):
            raise UserError(f"{theirs}: mlp_lab has {name} already; it needs another name")


def compose(overrides: Sequence[str], name: str = "train") -> DictConfig:
    """Return the checked, read-only config ``conf/<name>.yaml`` with ``overrides``.

    Raises:
        HydraException: for overrides that cannot be composed.
        UserError: for values that the schema does not allow.
    """
    with config_loader():
        return check(compose_unchecked(overrides, name), ROOTS[name])


def compose_unchecked(overrides: Sequence[str], name: str = "train") -> DictConfig:
    """Return the config ``conf/<name>.yaml`` with ``overrides``, within ``config_loader``.

    Raises:
        HydraException: for overrides that cannot be composed.
        UserError: a file sets something of Hydra that may run code.
    """
    cfg = hydra.compose(name, list(overrides), return_hydra_config=True)
    refuse_code(cfg.hydra, overrides)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg


def refuse_code(settings: DictConfig, overrides: Sequence[str]) -> None:
    """Raise UserError if a file, and not the command line, sets what may run code in Hydra.

    Presets come from other people as well. Launchers and sweepers are those that are installed.

    Args:
        settings: the node ``hydra`` of a composed config.
        overrides: overrides of the command.
    """
    typed = [text.lstrip("+~").replace("/", ".") for text in overrides]
    for key, harmless in _MAY_RUN_CODE.items():
        value = OmegaConf.select(settings, key)
        plain = OmegaConf.to_container(value, resolve=False) if value is not None else {}
        if plain not in harmless and not any(text.startswith(f"hydra.{key}") for text in typed):
            raise UserError(
                f"hydra.{key}: may run code, and is in a file: give it again on the command line,"
                f" after checking it: {plain}"
            )


def parse_overrides(overrides: Sequence[str]) -> list[Override]:
    """Return the parsed overrides. Raises HydraException."""
    return OverridesParser.create().parse_overrides(list(overrides))


@contextmanager
def config_loader() -> Iterator[ConfigLoader]:
    """Let Hydra compose configs from ``conf/`` until the context ends; yield Hydra's loader."""
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONFIG_FOLDER)):
        # Hydra has no function that returns the loader of the initialized config folder.
        yield GlobalHydra.instance().config_loader()


@contextmanager
def isolated_hydra() -> Iterator[None]:
    """Hide Hydra's global state, such as that of a user's notebook, until the context ends.

    Hydra refuses to compose if the process has composed another config, and keeps the config of the
    latest job. It has no public function for this.
    """
    kinds = (GlobalHydra, HydraConfig, VersionBase)
    before = {kind: Singleton._instances.pop(kind, None) for kind in kinds}
    try:
        yield
    finally:
        for kind, instance in before.items():
            Singleton._instances.pop(kind, None)
            if instance is not None:
                Singleton._instances[kind] = instance
