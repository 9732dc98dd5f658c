"""Check claims of the course that need no training: ``scripts/claims.py``, ``mlp-claims``."""

import os
from argparse import Namespace
from pathlib import Path

from mlp_lab.commands.application import CommandParser, run_command
from mlp_lab.commands.process import entry_point
from mlp_lab.config.command_line import example
from mlp_lab.config.names import FIGURE_FORMATS
from mlp_lab.config.suggestions import check_names
from mlp_lab.course.claims.topics import TOPICS
from mlp_lab.errors import UserError
from mlp_lab.runs.threads import set_threads


@entry_point
def claims() -> None:
    """Run the ``claims`` command with the arguments of the command line."""
    parser = CommandParser(
        usage=example("claims", "activations kernels"),
        description="Check claims of the course that need no training.",
    )
    add = parser.arguments.add_argument
    add("topics", nargs="*", metavar="topic", help=f"{', '.join(TOPICS)} (default: all)")
    add(
        "--output",
        type=os.path.expanduser,
        default="logs/claims",
        help="folder of the report (default: %(default)s)",
    )
    add(
        "--format",
        choices=FIGURE_FORMATS,
        default="png",
        help="format of the figures' files (default: %(default)s)",
    )
    run_command(parser, _claims)


def _claims(args: Namespace) -> None:
    check_names(args.topics, TOPICS, "topic")
    set_threads(None)
    # Importing matplotlib would delay --help and errors in the arguments.
    from mlp_lab.course.claims.claims_report import report

    if not report(list(dict.fromkeys(args.topics)) or TOPICS, Path(args.output), args.format):
        raise UserError("a claim does not hold")
