"""Check the overrides in a ``sweep.yaml``, which may come from elsewhere, before Hydra reads them.

Hydra's settings can name functions that Hydra calls, packages that it imports, and commands that a
launcher runs. Those are only accepted on the command line.
"""

import re
from collections.abc import Iterable

from hydra.core.override_parser.types import Override

from mlp_lab.config.plugin_modules import PLUGINS_KEY, named_plugins
from mlp_lab.errors import UserError

# Keys with numbers and names only.
_HARMLESS = re.compile(
    r"hydra/(launcher|sweeper)"
    r"|hydra\.launcher\.(processes|n_jobs|verbose|batch_size|name|partition|account|timeout_min"
    r"|max_num_timeout|cpus_per_task|gpus_per_node|mem_gb|array_parallelism"
    r"|ray\.remote\.num_[cg]pus|ray\.init\.include_dashboard)"
    r"|hydra\.sweeper\.(n_trials|n_jobs|prune_after|seed|max_batch_size|params(\..+)?)"
)


def check_recorded(recorded: Iterable[Override], typed: Iterable[Override]) -> None:
    """Raise UserError for a recorded setting of Hydra that must be given again.

    Args:
        recorded: overrides in a ``sweep.yaml``.
        typed: overrides of the command that resumes the sweep.
    """
    again = {override.key_or_group for override in typed}
    for override in recorded:
        key = override.key_or_group
        if key.partition(".")[0].partition("/")[0] == "hydra" and not (
            key in again or _HARMLESS.fullmatch(key) or _is_search_path(override)
        ):
            raise UserError(
                f"{key}: may run code, and is in a file: give it again on the command line, after"
                f" checking it: {override.input_line}"
            )


def check_recorded_plugins(modules: Iterable[str]) -> None:
    """Raise UserError for a plug-in that a ``sweep.yaml`` names and the command does not.

    Args:
        modules: modules of the plug-ins of the sweep.
    """
    if missing := [module for module in modules if module not in named_plugins()]:
        raise UserError(
            f"{PLUGINS_KEY}: the sweep needs plug-ins: add {PLUGINS_KEY}=[{','.join(missing)}] if"
            " you trust that code"
        )


def _is_search_path(override: Override) -> bool:
    """Return whether an override names folders of configs by absolute paths, and no package."""
    folders = override.value()
    return override.key_or_group == "hydra.searchpath" and (
        isinstance(folders, list) and all(str(x).startswith("file:///") for x in folders)
    )
