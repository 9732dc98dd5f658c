"""What all commands with Hydra overrides share: help, early checks, errors in one line."""

import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from mlp_lab.config.check import check
from mlp_lab.config.compose import CONFIG_FOLDER, ROOTS, compose
from mlp_lab.config.help import help_text
from mlp_lab.config.mistakes import explain
from mlp_lab.errors import UserError

_FULL_ERROR = "HYDRA_FULL_ERROR"


def run_application(name: str, action: Callable[[DictConfig], object]) -> None:
    """Call ``action`` with the checked config ``conf/<name>.yaml`` and the command's overrides.

    Prints the help for ``--help``. Exits with status 1 and one line for a mistake of the user, and
    with 130 when interrupted.
    """
    args = parse_arguments()
    root = ROOTS[name]
    if args.help:
        print(help_text(name, root, CONFIG_FOLDER))
        return
    if args.multirun:
        sys.exit("mlp_lab: -m: only train.py runs sweeps")

    def job(cfg: DictConfig) -> object:
        return action(check(cfg, root))

    def job_in_one_line(cfg: DictConfig) -> object:
        os.environ.pop(_FULL_ERROR)  # not for the processes that a job starts
        try:
            return job(cfg)
        except (UserError, OSError) as error:
            message = f"mlp_lab: {explain(error, root)}"
        except Exception:  # a fault of the program: all of it is of interest
            message = traceback.format_exc()
        finally:
            os.environ[_FULL_ERROR] = "1"
        # The first process of a distributed run prints the message.
        sys.exit(1 if int(os.environ.get("LOCAL_RANK", "0")) > 0 else message)

    main = hydra.main(version_base="1.3", config_path=str(CONFIG_FOLDER), config_name=name)
    if os.environ.get(_FULL_ERROR):
        main(job)()
        return
    with errors_in_one_line(root):
        if not other_flags(args):
            # Hydra composes twice before a job gets its config, which would double the time to an
            # answer.
            compose(args.overrides, name)
        main(job_in_one_line)()


@contextmanager
def errors_in_one_line(root: type) -> Iterator[None]:
    """End in one line and exit status 1 for a mistake of the user, in 130 when interrupted.

    With HYDRA_FULL_ERROR=1, Hydra's own switch, it ends in a traceback instead.
    """
    if os.environ.get(_FULL_ERROR):
        yield
        return
    os.environ[_FULL_ERROR] = "1"  # Hydra shall raise what it would print over many lines
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # while the config is composed, all errors are the user's
        sys.exit(f"mlp_lab: {explain(error, root)}")


def parse_arguments() -> Namespace:
    """Return the command line as ``hydra.main`` will parse it.

    Hydra has no public function for this, and mlp_lab needs the answer before Hydra starts: for
    its own ``--help``, for sweeps, and to refuse wrong overrides early.
    """
    return get_args_parser().parse_args()


def other_flags(args: Namespace) -> set[str]:
    """Return the flags that ask Hydra for something other than to run, such as ``--cfg``."""
    given = {key for key, value in vars(args).items() if value}
    return given - {"overrides", "run", "multirun"}


def parse_overrides(overrides: Sequence[str]) -> list[Override]:
    """Return the overrides as Hydra parses them. Raises HydraException."""
    return OverridesParser.create().parse_overrides(list(overrides))
