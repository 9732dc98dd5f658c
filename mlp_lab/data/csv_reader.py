"""Read CSV files of a user, one example per line; a mistake is reported with its line."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from mlp_lab.errors import UserError

_MAX_BYTES = 2**30
_LARGEST = float(np.finfo(np.float32).max)
# Names by separator of the columns; the one that fits most lines is used.
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
_SAMPLE = 1_000  # lines from which the separator is detected
#: How other programs write missing values, in lower case.
MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}


@dataclass(frozen=True)
class Table:
    """The cells of a CSV file.

    Attributes:
        path: the file.
        names: names of the columns: those of the header, or x1, x2, ...
        lines: number of each example's line, from 1.
        cells: text of each cell, ``[examples][columns]``.
    """

    path: Path
    names: tuple[str, ...]
    lines: list[int]
    cells: list[list[str]]

    def position(self, column: str, key: str) -> int:
        """Return the position, from 0, of a column that is given by its name or number from 1.

        Raises:
            UserError: there is no such column; the message names the ``key`` of the config.
        """
        if column in self.names:
            return self.names.index(column)
        if column.isdecimal() and 1 <= int(column) <= len(self.names):
            return int(column) - 1
        raise UserError(
            f"{key}={column}: no such column in {self.path}; must be one of"
            f" {', '.join(self.names)}, or a number from 1 to {len(self.names)}"
        )

    def numbers(self, columns: Sequence[int]) -> np.ndarray:
        """Return the values of columns of numbers, float64 ``[examples, columns]``.

        Raises:
            UserError: a value is missing or not a finite number; the message gives the line.
        """
        values = [
            [self._number(line, row[column], column) for column in columns]
            for line, row in zip(self.lines, self.cells, strict=True)
        ]
        return np.array(values, float).reshape(len(values), len(columns))

    def texts(self, column: int) -> list[str]:
        """Return the cells of a column. Raises UserError if one is empty."""
        for line, row in zip(self.lines, self.cells, strict=True):
            if not row[column]:
                raise self._missing(line, column)
        return [row[column] for row in self.cells]

    def _number(self, line: int, cell: str, column: int) -> float:
        value = parse_number(cell)
        if value is not None and abs(value) <= _LARGEST:
            return value
        if cell.lower() in MISSING:
            raise self._missing(line, column)
        decimal = "," in cell and parse_number(cell.replace(",", ".")) is not None
        hint = " (decimal comma?)" if decimal else ""
        raise UserError(f"{self.path}: line {line}: {cell!r} is not a finite number{hint}")

    def _missing(self, line: int, column: int) -> UserError:
        return UserError(f"{self.path}: line {line}: the value of {self.names[column]} is missing")


def read_csv(
    path: Path, header: bool | None = None, target: str | None = None, least: int = 2
) -> Table:
    """Read a CSV file.

    The columns are separated by commas, semicolons or tabs, which is detected. Cells may be quoted,
    but not extend over several lines. Blank lines are ignored.

    Args:
        path: the file.
        header: whether the first line has the names of the columns; None: it has if no cell except
            that of the target is a number.
        target: name or number of the column of the target; None: the last.
        least: smallest number of columns.

    Raises:
        UserError: the file cannot be read or has a mistake; the message gives the line.
    """
    text = _read_text(path)
    try:
        separator, count = _columns(text)
        lines, cells = _equal_rows(text, separator, count, least)
        if header is None and cells:
            header = _is_header(cells[0], target)
        if not (header and cells):
            names = tuple(f"x{i}" for i in range(1, count + 1))
            return Table(path, names, lines, cells)
        names = _column_names(lines[0], cells[0])
        return Table(path, names, lines[1:], cells[1:])
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def parse_number(text: str) -> float | None:
    """Return the number that a text is, possibly infinite or nan; None for another text."""
    try:
        return None if "_" in text else float(text)  # Python allows 1_000
    except ValueError:
        return None


def _read_text(path: Path) -> str:
    """Return the text of a file; line ends are line feeds."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UserError(f"{path}: not a file")
        if (size := path.stat().st_size) > _MAX_BYTES:
            raise UserError(f"{path}: has {size:,} bytes; must have at most {_MAX_BYTES:,}")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + error.object[: error.start].count(b"\n")
        raise UserError(f"{path}: line {line}: not a text file in UTF-8") from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error


def _columns(text: str) -> tuple[str, int]:
    """Return the separator and the number of columns that fit most lines."""
    fits = {each: _fit(text, each) for each in _SEPARATORS}
    separator = max(fits, key=fits.__getitem__)
    return separator, fits[separator][-1]


def _fit(text: str, separator: str) -> tuple[int, int, int]:
    """Return how well a separator fits: lines of numbers, lines of equal length, and this length.

    A line of numbers has at most one other cell, the label. Numbers may have a decimal comma here,
    so that the message is about the comma.
    """
    rows = []
    for line in islice((line for line in text.split("\n") if line.strip()), _SAMPLE):
        with suppress(csv.Error):
            rows.append(_cells(line, separator))
    lengths = Counter(map(len, rows))
    length = max(lengths, key=lambda each: (lengths[each], each), default=1)
    if length == 1:
        return 0, 0, 1
    equal = [row for row in rows if len(row) == length]
    numbers = (sum(parse_number(cell.replace(",", ".")) is None for cell in row) for row in equal)
    return sum(others <= 1 for others in numbers), len(equal), length


def _equal_rows(
    text: str, separator: str, count: int, least: int
) -> tuple[list[int], list[list[str]]]:
    """Return the number and the cells of each line that is not blank."""
    lines, rows = [], []
    for line, row in _rows(text, separator):
        if len(row) != count or count < least:
            allowed = f"{count} as in the other lines" if count >= least else f"at least {least}"
            raise UserError(
                f"line {line}: columns: {len(row)}, separated by {_SEPARATORS[separator]}; must be"
                f" {allowed}"
            )
        lines.append(line)
        rows.append(row)
    return lines, rows


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line that is not blank.

    Raises:
        UserError: a line has wrong quotes.
    """
    for number, line in enumerate(text.split("\n"), 1):
        try:
            cells = _cells(line, separator)
        except csv.Error as error:
            reason = "a quote is not closed" if "end of data" in str(error) else str(error)
            raise UserError(f"line {number}: {reason}") from error
        if any(cells):
            yield number, cells


def _cells(line: str, separator: str) -> list[str]:
    """Return the cells of a line. Raises csv.Error if the quotes are wrong.

    A quoted cell must end in its line: otherwise, a quote that is not closed would hide the lines
    up to the next quote.
    """
    reader = csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True)
    return [cell.strip() for row in reader for cell in row]


def _is_header(row: Sequence[str], target: str | None) -> bool:
    """Return whether a first line has names: a target is one of them, or all others are texts."""
    if target is not None and not target.isdecimal():
        return target in row or not _has_number(row)
    skipped = len(row) if target is None else int(target)
    return not _has_number([cell for number, cell in enumerate(row, 1) if number != skipped] or row)


def _has_number(row: Sequence[str]) -> bool:
    return any(parse_number(cell) is not None for cell in row)


def _column_names(line: int, row: Sequence[str]) -> tuple[str, ...]:
    if "" in row:
        raise UserError(f"line {line}: the name of a column is missing")
    if len(set(row)) < len(row):
        raise UserError(f"line {line}: the names of the columns must differ: {', '.join(row)}")
    return tuple(row)
