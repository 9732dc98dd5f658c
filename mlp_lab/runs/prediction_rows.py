"""Print predictions as a table, or write them to a CSV file."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlp_lab.formatting import table
from mlp_lab.storage.files import csv_text, write_whole

log = logging.getLogger(__name__)

_MAX_ROWS = 50  # in the table on the terminal


def show_predictions(
    header: Sequence[str], shown: Sequence[Sequence[str]], exact: Sequence[Sequence[Any]],
    output: str | None,
) -> None:  # fmt: skip
    """Print the first predictions, or write all of them to a file.

    Args:
        header: names of the columns; ``exact`` may have further ones.
        shown: cells of each row on the terminal.
        exact: rows of the CSV file, of which the first has the names of the columns.
        output: path of the CSV file; None: print.
    """
    if output is not None:
        write_whole(Path(output), csv_text(exact).encode())
        log.info("%s: %s predictions", output, f"{len(shown):,}")
        return
    text = table(header, shown[:_MAX_ROWS])
    if (more := len(shown) - _MAX_ROWS) > 0:
        text += f"\n  ... and {more:,} more (output=predictions.csv writes all of them)"
    log.info("%s", text)
