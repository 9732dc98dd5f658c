"""Compare runs and sweeps: ``scripts/compare.py``, ``mlp-compare``."""

import os
from argparse import Namespace

from mlp_lab.commands.application import CommandParser, run_command
from mlp_lab.commands.process import entry_point
from mlp_lab.config.command_line import example
from mlp_lab.config.names import MODES
from mlp_lab.config.plugin_modules import import_installed, import_plugins


@entry_point
def compare() -> None:
    """Run the ``compare`` command with the arguments of the command line."""
    parser = CommandParser(
        usage=example("compare", "logs/mnist_hw4 --metric error"),
        description="Compare runs: a table, figures, and the best run.",
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
    run_command(parser, _compare)


def _compare(args: Namespace) -> None:
    # Importing matplotlib would delay --help and errors in the arguments.
    from mlp_lab.sweeps.comparison.answer import compare

    import_plugins([])  # of MLP_LAB_PLUGINS: they may define metrics
    import_installed()
    print(compare(args.folders, args.metric, args.mode, args.output))
