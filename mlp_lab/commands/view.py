"""Show runs and sweeps in TensorBoard: ``scripts/view.py``, ``mlp-view``."""

import os
import tempfile
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from threading import Event

from mlp_lab.commands.application import CommandParser, run_command
from mlp_lab.commands.process import entry_point
from mlp_lab.commands.screenshots import save_screenshots
from mlp_lab.config.command_line import example
from mlp_lab.errors import UserError

_FIRST_PAGE = "#custom_scalars"
_LAST_PORT = 65_535


@entry_point
def view() -> None:
    """Run the ``view`` command with the arguments of the command line."""
    parser = CommandParser(
        usage=example("view", "logs/mnist_hw4"),
        description="Show runs in TensorBoard, named by the settings in which they differ.",
    )
    add = parser.arguments.add_argument
    add("folders", nargs="+", help="run folders, or folders that contain run folders")
    add("--port", type=_port, default=0, help="port on this machine (default: an unused one)")
    add(
        "--screenshots",
        type=os.path.expanduser,
        metavar="FOLDER",
        help="write images of the pages to this folder, and stop (needs Chromium)",
    )
    run_command(parser, _serve)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise ArgumentTypeError(f"must be a whole number from 0 to {_LAST_PORT}, not {text}")
    return int(text)


def _serve(args: Namespace) -> None:
    """Serve TensorBoard on the loopback address until the command is interrupted.

    With ``--screenshots``, it ends when the images are written.
    """
    # Importing TensorBoard would delay --help and errors in the arguments.
    from tensorboard import program

    from mlp_lab.sweeps.comparison.tensorboard_view import arrange

    with tempfile.TemporaryDirectory(prefix="mlp_lab_tensorboard_") as folder:
        count = arrange(args.folders, Path(folder))
        server = program.TensorBoard()
        # All images, also of long runs; by default, TensorBoard shows ten of each kind.
        server.configure(
            logdir=folder, host="127.0.0.1", port=args.port, samples_per_plugin={"images": 10_000}
        )
        try:
            address = server.launch()
        except program.TensorBoardServerException as error:
            raise UserError(f"--port {args.port}: {error}") from error
        if args.screenshots is not None:
            save_screenshots(address, Path(args.screenshots))
            print(f"screenshots: {args.screenshots}")
            return
        runs = "1 run" if count == 1 else f"{count} runs"
        print(f"{runs}: {address}{_FIRST_PAGE}  (Ctrl+C to stop)", flush=True)
        Event().wait()
