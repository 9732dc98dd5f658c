"""Check claims of the course that need no training: ``scripts/claims.py``, ``mlp-claims``."""

import sys
from argparse import ArgumentParser
from pathlib import Path

from mlp_lab.config import schemas
from mlp_lab.config.mistakes import explain
from mlp_lab.course.claims.topics import TOPICS, check_names
from mlp_lab.errors import UserError
from mlp_lab.runs.threads import set_threads


def claims() -> None:
    """Check the claims that the command line names."""
    parser = ArgumentParser(description="Check claims of the course that need no training.")
    names = ", ".join(TOPICS)
    parser.add_argument("topics", nargs="*", metavar="topic", help=f"of {names} (default: all)")
    parser.add_argument("--output", default="logs/claims", help="folder (default: %(default)s)")
    args = parser.parse_args()
    try:
        check_names(args.topics)
        set_threads(None)
        from mlp_lab.course.claims.report import report

        all_hold = report(args.topics or TOPICS, Path(args.output))
    except (UserError, OSError) as error:
        sys.exit(f"mlp_lab: {explain(error, schemas.Train)}")
    if not all_hold:
        sys.exit("mlp_lab: a claim does not hold")
