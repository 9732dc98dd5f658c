"""Compare runs and sweeps: ``scripts/compare.py``, ``mlp-compare``."""

import sys
from argparse import ArgumentParser

from mlp_lab.config import schemas
from mlp_lab.config.mistakes import explain
from mlp_lab.errors import UserError


def compare() -> None:
    """Compare the folders that the command line names."""
    parser = ArgumentParser(description="Compare runs: a table, files, figures, the best run.")
    parser.add_argument("folders", nargs="+", help="folders with runs in or below them")
    parser.add_argument("--metric", default="loss", help="compared on validation data")
    parser.add_argument("--mode", default="min", choices=("min", "max"), help="what is better")
    parser.add_argument("--output", help="folder of the summary (default: common parent folder)")
    args = parser.parse_args()
    from mlp_lab.sweeps.comparison.answer import compare

    try:
        print(compare(args.folders, args.metric, args.mode, args.output))
    except (UserError, OSError) as error:
        sys.exit(f"mlp_lab: {explain(error, schemas.Train)}")
