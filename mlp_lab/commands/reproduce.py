"""Reproduce the numbers of the READMEs: ``scripts/reproduce.py``, ``mlp-reproduce``."""

import os
from argparse import Namespace
from pathlib import Path

from mlp_lab.commands.application import CommandParser, run_command
from mlp_lab.commands.process import entry_point
from mlp_lab.config.command_line import example
from mlp_lab.errors import UserError


@entry_point
def reproduce() -> None:
    """Run the ``reproduce`` command with the arguments of the command line."""
    parser = CommandParser(
        usage=example("reproduce", "--quick"),
        description="Run the commands of the READMEs, and compare their results with the claims.",
    )
    add = parser.arguments.add_argument
    add("names", nargs="*", metavar="name", help="see mlp_lab/benchmark/reproductions.yaml")
    add(
        "--quick",
        action="store_true",
        help="without names: only those that take less than five minutes in all",
    )
    add(
        "--output",
        type=os.path.expanduser,
        default="logs/reproduction",
        help="folder of the results, where a later call continues (default: %(default)s)",
    )
    run_command(parser, _reproduce)


def _reproduce(args: Namespace) -> None:
    from mlp_lab.benchmark import results_page
    from mlp_lab.benchmark.reproduction import chosen

    folder = Path(args.output).resolve()
    holds = results_page.reproduce(chosen(args.names, quick=args.quick), folder)
    print(f"results: {Path(args.output) / 'results.md'}")
    if not holds:
        raise UserError("a claim was not reproduced")
