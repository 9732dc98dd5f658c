"""Run a command: help, early checks, and errors in one line."""

import os
import sys
import traceback
from argparse import ArgumentParser, HelpFormatter, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException
from omegaconf import DictConfig

from mlp_lab.config.check import check, known_keys
from mlp_lab.config.command_line import search_path
from mlp_lab.config.compose import (
    CONFIG_FOLDER,
    ROOTS,
    check_config_folder,
    check_overrides,
    compose,
    parse_overrides,
)
from mlp_lab.config.error_messages import USER_ERRORS, user_message
from mlp_lab.config.help import help_text
from mlp_lab.config.plugin_modules import import_installed, import_plugins, split_plugins
from mlp_lab.config.schemas.train import Train
from mlp_lab.config.suggestions import suggestion
from mlp_lab.errors import UserError
from mlp_lab.runs.environment import environment_variables
from mlp_lab.runs.threads import prepare_threads

Job = Callable[[DictConfig], object]

_FULL_ERROR = "HYDRA_FULL_ERROR"


def run_application(name: str, action: Job) -> None:
    """Run a command that has a config and Hydra overrides.

    Prints the help for ``--help``. Exits with status 1 and one line for an error of the user, with
    status 1 and a traceback for a bug of the program, and with status 130 when interrupted.

    Args:
        name: name of the config ``conf/<name>.yaml``.
        action: function of the checked config.
    """
    args = parse_arguments()
    root = ROOTS[name]
    if args.help:
        with suppress(UserError):  # a plug-in that fails is reported when a config needs it
            import_installed()
        folders = [CONFIG_FOLDER, *config_folders(args)]
        with errors_in_one_line(root), suppress(BrokenPipeError):  # | head
            print(help_text(name, root, folders, args.overrides))
        return
    if args.multirun:
        sys.exit("mlp_lab: -m: only train.py runs sweeps")

    job = _with_checked_config(action, root)
    main = hydra.main(version_base="1.3", config_path=str(CONFIG_FOLDER), config_name=name)
    full_errors = os.environ.get(_FULL_ERROR)
    with errors_in_one_line(root):
        check_overrides(parse_overrides(args.overrides))
        if not other_flags(args):
            # Hydra composes the config twice before it calls the job. Composing it here first
            # halves the time until an error is reported. It also refuses a file in which Hydra
            # would find code to run.
            compose([*args.overrides, *config_folder_overrides(args)], name)
        main(job if full_errors else _with_short_errors(job, root))()


def _with_checked_config(action: Job, root: type) -> Job:
    """Return a function that checks its config against ``root`` and calls ``action``."""

    def job(cfg: DictConfig) -> object:
        return action(check(cfg, root))

    return job


def _with_short_errors(job: Job, root: type) -> Job:
    """Return ``job``, but with exit status 1 instead of an exception.

    The message is one line for an error of the user, and a traceback for a bug of the program.
    """

    def job_with_short_errors(cfg: DictConfig) -> object:
        os.environ.pop(_FULL_ERROR)  # the processes that a job starts must not inherit it
        try:
            return job(cfg)
        except BrokenPipeError:
            raise
        except Exception as error:
            known = user_message(error, root)
            message = f"mlp_lab: {known}" if known else traceback.format_exc()
        finally:
            os.environ[_FULL_ERROR] = "1"
        # Only the first process of a distributed run prints the message.
        sys.exit(1 if int(os.environ.get("LOCAL_RANK", "0")) > 0 else message)

    return job_with_short_errors


@contextmanager
def errors_in_one_line(root: type) -> Iterator[None]:
    """Exit with status 1 and one line for an error while a config is composed.

    All such errors are errors of the user. A job inside the context handles its errors itself; see
    ``run_application``. Exits with status 130 when interrupted. With HYDRA_FULL_ERROR=1, errors end
    in a traceback instead.

    Args:
        root: schema of the config that is composed.
    """
    # With this variable, Hydra raises its errors instead of printing many lines.
    raising = environment_variables({_FULL_ERROR: "1"})
    with _exit_with_one_line(root, (Exception,)), raising:
        yield


@contextmanager
def traceback_of_faults() -> Iterator[None]:
    """Exit with the full traceback of an error that the user did not cause."""
    try:
        yield
    except (*USER_ERRORS, HydraException):
        raise
    except Exception:
        sys.exit(traceback.format_exc())


@contextmanager
def _exit_with_one_line(root: type, errors: tuple[type[Exception], ...]) -> Iterator[None]:
    """Exit with status 1 and one line for ``errors``, and with status 130 when interrupted."""
    if os.environ.get(_FULL_ERROR):
        yield
        return
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # | head; see ``entry_point``
        raise
    except Exception as error:
        if (message := user_message(error, root, errors)) is None:
            raise
        sys.exit(f"mlp_lab: {message}")


class CommandParser(ArgumentParser):
    """Parser of a command without a config; help and errors look like those of the others.

    Args:
        usage: example of the command.
        description: one line.
    """

    def __init__(self, usage: str, description: str) -> None:
        super().__init__(
            usage=usage,
            description=description,
            add_help=False,
            allow_abbrev=False,
            formatter_class=partial(HelpFormatter, max_help_position=24, width=120),
        )
        self.arguments = self.add_argument_group("Arguments")
        self.arguments.add_argument("-h", "--help", action="help", help="show this help")

    def error(self, message: str) -> NoReturn:
        sys.exit(f"mlp_lab: {message}")


def run_command(parser: CommandParser, action: Callable[[Namespace], None]) -> None:
    """Run a command that has no config.

    Exits with status 1 and one line for an error of the user, and with status 130 when
    interrupted. With HYDRA_FULL_ERROR=1, errors end in a traceback instead.

    Args:
        parser: parser of the command line.
        action: function of the parsed arguments.
    """
    run_action(Train, partial(action, parser.parse_args()))


def run_action(root: type, action: Callable[[], object]) -> None:
    """Call ``action`` with the exit statuses and the messages of ``run_command``.

    Args:
        root: schema of the config to which messages refer.
        action: function without arguments.
    """
    with _exit_with_one_line(root, USER_ERRORS):
        action()


def parse_arguments() -> Namespace:
    """Return the command line as ``hydra.main`` parses it.

    mlp_lab needs it before Hydra starts: for its ``--help``, for sweeps, and to refuse wrong
    overrides early. Hydra has no public function for this. A second parser would have to repeat
    all of Hydra's flags with their numbers of arguments.

    Flags may stand between overrides. Since Hydra refuses this, ``sys.argv`` gets another order.

    Imports the plug-ins that an override ``plugins=[...]`` or the environment names, and removes
    the override: it must not be a part of the config.
    """
    parser = get_args_parser()
    parser.error = _refuse_flag  # type: ignore[method-assign]  # Hydra creates the parser
    args = parser.parse_intermixed_args()
    program, *flags = sys.argv
    for override in args.overrides:
        flags.remove(override)
    with _exit_with_one_line(Train, (Exception,)):
        plugins, args.overrides = split_plugins(args.overrides)
        prepare_threads()  # plug-ins, or classes of torch that the config names, import torch
        import_plugins(plugins)
        check_config_folder(args.config_dir)
    sys.argv = [program, *flags, *args.overrides]
    return args


def _refuse_flag(message: str) -> NoReturn:
    _, _, unknown = message.partition("unrecognized arguments: ")
    if not unknown:
        sys.exit(f"mlp_lab: {message}")
    flag = unknown.split()[0].partition("=")[0]
    key = flag.lstrip("-").replace("-", "_")
    hint = suggestion(key, [key for root in ROOTS.values() for key in known_keys(root)])
    sys.exit(f"mlp_lab: {flag}: no such flag; settings are key=value (see --help){hint}")


def other_flags(args: Namespace) -> set[str]:
    """Return the flags that make Hydra do something other than run, such as ``--cfg``."""
    given = {key for key, value in vars(args).items() if value}
    return given - {"overrides", "run", "multirun", "config_dir"}


def config_folders(args: Namespace) -> list[Path]:
    """Return the folder of the user's configs, ``--config-dir``, if there is one."""
    return [Path(args.config_dir).absolute()] if args.config_dir else []


def config_folder_overrides(args: Namespace) -> list[str]:
    """Return the override that has the effect of ``--config-dir``, if it is given."""
    folders = [f"file://{folder}" for folder in config_folders(args)]
    return [search_path(folders)] if folders else []
