"""Draw one example of each kind of figure: ``scripts/gallery.py``, ``mlp-gallery``."""

import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from mlp_lab.commands import api
from mlp_lab.commands.application import CommandParser, run_command
from mlp_lab.commands.process import entry_point
from mlp_lab.config.command_line import example, override
from mlp_lab.errors import UserError
from mlp_lab.runs.session import session


@entry_point
def gallery() -> None:
    """Run the ``gallery`` command with the arguments of the command line."""
    parser = CommandParser(
        usage=example("gallery", "points digits evaluation"),
        description="Draw one example of each kind of figure, with short runs, and write a page"
        " with all of them. This takes a few minutes.",
    )
    add = parser.arguments.add_argument
    add(
        "names", nargs="*", metavar="name", help="see mlp_lab/benchmark/gallery.yaml (default: all)"
    )
    add(
        "--output",
        type=os.path.expanduser,
        default="logs/gallery",
        help="folder of the page index.html (default: %(default)s)",
    )
    run_command(parser, _gallery)


def _gallery(args: Namespace) -> None:
    from mlp_lab.benchmark.gallery import exhibits, make

    programs = {"train": _train, "evaluate": _evaluate, "claims": _claims, "backprop": _backprop}
    failures = make(exhibits(args.names), Path(args.output), programs)
    print(f"gallery: {Path(args.output) / 'index.html'}")
    if failures:
        raise UserError("; ".join(failures))


def _train(arguments: Sequence[str], folder: Path) -> None:
    place = override("logs", str(folder))
    if "-m" in arguments:
        api.sweep(*(argument for argument in arguments if argument != "-m"), place)
    else:
        api.train(*arguments, place)


def _evaluate(arguments: Sequence[str], folder: Path) -> None:
    cfg = api.compose(*arguments, command="evaluate")
    with session():
        from mlp_lab.runs.evaluate import evaluate

        evaluate(cfg)


def _claims(arguments: Sequence[str], folder: Path) -> None:
    from mlp_lab.course.claims.claims_report import report
    from mlp_lab.course.claims.topics import TOPICS

    with session():
        if not report(arguments or TOPICS, folder):
            raise UserError("a claim does not hold")


def _backprop(arguments: Sequence[str], folder: Path) -> None:
    cfg = api.compose(*arguments, override("logs", str(folder)), command="backprop")
    with session():
        from mlp_lab.course.worked_example import run_worked_example

        run_worked_example(cfg)
