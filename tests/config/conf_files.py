"""Functions that list the files of conf/, their commands, and a config for each schema."""

import re
import shlex
from functools import cache
from pathlib import Path

from helpers import composed
from omegaconf import OmegaConf

from mlp_lab.config.compose import CONFIG_FOLDER, ROOTS
from mlp_lab.config.schemas import GROUPS
from mlp_lab.config.schemas.train import Train

OPTIONS = sorted(CONFIG_FOLDER.glob("*/**/*.yaml"))
FILES = sorted(CONFIG_FOLDER.rglob("*.yaml"))


def group(option: Path) -> str:
    """Return the config group of a file of conf/."""
    return option.parent.relative_to(CONFIG_FOLDER).as_posix()


def command_of(path: Path) -> tuple[str, list[str]]:
    """Return the script and the overrides of the command in the first line of a file of conf/."""
    first, second, *_ = path.read_text().splitlines()
    line = second if first == "# @package _global_" else first
    match = re.fullmatch(r"# python scripts/(\w+)\.py(?: (.*?))?(\s{2,}\(.*\))?", line)
    assert match, line
    return match[1], shlex.split(match[2] or "")


PRUNING = "{_target_:mlp_lab.sweeps.pruning.Pruning,trial:0,seeds:1,after:0}"


def options_of(schema: type) -> list[Path]:
    """Return the files of conf/ that configure the class of a schema."""
    group = next(group for group, members in GROUPS.items() if schema in members)
    line = f"_target_: {schema._target_}\n"
    return [path for path in (CONFIG_FOLDER / group).glob("*.yaml") if line in path.read_text()]


@cache
def example_of(schema: type) -> tuple[dict, type, tuple[str, ...]]:
    """Return a config that contains ``schema``, the schema of its root, and the path to it."""
    for name, root in ROOTS.items():
        if schema is root:
            needed = {"evaluate": ["run=x"], "predict": ["run=x", "images=y"]}
            needed["play"] = ["run=x"]
            return OmegaConf.to_container(composed(*needed.get(name, []), root=name)), root, ()
    group = next(group for group, members in GROUPS.items() if schema in members)
    others = {name: {} for name in GROUPS if name != group}  # checked faster
    options = options_of(schema)
    if options and not {"defaults:", "???"} & set(options[0].read_text().split()):
        # Composing the config takes a tenth of a second.
        node = OmegaConf.load(options[0])
        cfg = OmegaConf.to_container(composed()) | others | {group: OmegaConf.to_container(node)}
    else:
        # The pruning callback is added by a search; there is no option for it.
        overrides = command_of(options[0])[1] if options else [f"+callbacks.pruning={PRUNING}"]
        cfg = OmegaConf.to_container(composed(*overrides)) | others
    nodes = {(group, name): node for name, node in cfg[group].items()}
    nodes = nodes if group == "callbacks" else {(group,): cfg[group]}
    where = next(path for path, node in nodes.items() if node["_target_"] == schema._target_)
    return cfg, Train, where
