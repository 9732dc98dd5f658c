"""Compare runs and sweeps: ``scripts/compare.py``, ``mlp-compare``."""

import os
from argparse import Namespace

from mlp_lab.commands.application import CommandParser, run_command
from mlp_lab.commands.process import entry_point
from mlp_lab.config.command_line import example
from mlp_lab.config.names import FIGURE_FORMATS, MODES
from mlp_lab.config.plugin_modules import import_installed, import_plugins
from mlp_lab.errors import UserError


@entry_point
def compare() -> None:
    """Run the ``compare`` command with the arguments of the command line."""
    parser = CommandParser(
        usage=example("compare", "logs/mnist_hw4 --metric error"),
        description="Compare runs: a table, figures, and the best run. With --same, check that"
        " two runs are equal.",
    )
    add = parser.arguments.add_argument
    add("folders", nargs="+", help="run folders, or folders that contain run folders")
    add("--metric", help="metric on validation data (default: select.metric of the runs, or loss)")
    add("--mode", choices=MODES, help="which values are better (default: that of the metric)")
    add(
        "--output",
        type=os.path.expanduser,
        help="folder of the summary (default: the common parent folder)",
    )
    add("--format", choices=FIGURE_FORMATS, help="format of the figures' files (default: png)")
    add("--same", action="store_true", help="check that two runs, or two sweeps, are bit-identical")
    run_command(parser, _compare)


def _compare(args: Namespace) -> None:
    if args.same:
        _check_same(args)
        return
    # Importing matplotlib would delay --help and errors in the arguments.
    from mlp_lab.sweeps.comparison.answer import compare

    import_plugins([])  # of MLP_LAB_PLUGINS: they may define metrics
    import_installed()
    print(compare(args.folders, args.metric, args.mode, args.output, args.format or "png"))


def _check_same(args: Namespace) -> None:
    """Exit with status 1 and the first difference if two folders are not equal."""
    for option in ("metric", "mode", "output", "format"):
        if getattr(args, option) is not None:
            raise UserError(f"--same: can't be combined with --{option}")
    if len(args.folders) != 2:
        raise UserError(f"--same: must have two folders, not {len(args.folders)}")
    # Importing torch takes seconds.
    from mlp_lab.sweeps.comparison.equality import check_same

    print(check_same(*args.folders))
