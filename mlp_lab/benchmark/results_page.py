"""Run reproductions one after the other, and write a page with their results."""

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlp_lab.benchmark.reproduction import Reproduction, Value
from mlp_lab.config.command_line import example
from mlp_lab.errors import UserError
from mlp_lab.formatting import markdown
from mlp_lab.storage.files import write_whole
from mlp_lab.storage.records import json_with_digest, read_json

_MARKER = "command.txt"  # in folders of results, which may be deleted
_HEADER = ["claim", "source", "published", "expected", "measured", "result", "command", "minutes"]


def reproduce(wanted: Sequence[Reproduction], folder: Path) -> bool:
    """Run reproductions that have no result yet, and write ``results.md``.

    A reproduction that fails does not stop the others. Its command is run again next time.

    Args:
        wanted: the reproductions.
        folder: folder of the results; each reproduction has a folder in it.

    Returns:
        Whether all claims hold.

    Raises:
        UserError: the folder of a reproduction exists and has no results of one.
    """
    for each in wanted:
        _check_free(folder / each.name)
    outcomes: dict[str, dict[str, Any]] = {}
    for number, each in enumerate(wanted, 1):
        place = folder / each.name
        outcome = _outcome_of(each, place)
        stored = outcome is not None
        if outcome is None:
            print(f"[{number}/{len(wanted)}] {each.name}: about {each.minutes:g} min", flush=True)
            outcome = _run(each, place)
        outcomes[each.name] = outcome
        verdict = "pass" if _holds(each, outcome) else f"FAIL {outcome['error'] or ''}".strip()
        verdict += " (stored result)" if stored else ""
        print(f"[{number}/{len(wanted)}] {each.name}: {verdict}", flush=True)
        rows = [row for done in wanted[:number] for row in _rows(done, outcomes[done.name])]
        write_whole(folder / "results.md", f"{markdown(_HEADER, rows)}\n".encode())
    return all(_holds(each, outcomes[each.name]) for each in wanted)


def _check_free(folder: Path) -> None:
    is_ours = any((folder / name).is_file() for name in (_MARKER, "outcome.json"))
    if folder.exists() and not is_ours:
        raise UserError(
            f"{folder}: exists and has no results of reproduce.py; choose another --output"
        )


def _outcome_of(reproduction: Reproduction, folder: Path) -> dict[str, Any] | None:
    """Return the stored outcome of the same command, None if there is none or it failed."""
    path = folder / "outcome.json"
    if not path.is_file():
        return None
    outcome: dict[str, Any] = read_json(path)
    measured = _measured(reproduction)
    same = outcome["command"] == reproduction.command
    same &= outcome.get("measured", measured) == measured  # earlier versions did not store it
    complete = len(outcome["values"]) == len(measured)
    return outcome if same and complete and outcome["error"] is None else None


def _measured(reproduction: Reproduction) -> list[list[Any]]:
    """Return what defines the values of a reproduction, besides its command."""
    return [[value.column, dict(value.where), value.statistic] for value in reproduction.values]


def _run(reproduction: Reproduction, folder: Path) -> dict[str, Any]:
    """Run a command, store its outcome and return it."""
    if folder.exists():
        shutil.rmtree(folder)  # of a command that was interrupted or that has changed
    write_whole(folder / _MARKER, f"{reproduction.command}\n".encode())
    start = time.perf_counter()
    values, error = [], None
    try:
        values = reproduction.run(folder)
    except UserError as reason:
        error = str(reason)
    minutes = (time.perf_counter() - start) / 60
    outcome = {
        "command": reproduction.command, "measured": _measured(reproduction), "values": values,
        "minutes": minutes, "error": error,
    }  # fmt: skip
    write_whole(folder / "outcome.json", json_with_digest(outcome).encode())
    return outcome


def _holds(reproduction: Reproduction, outcome: dict[str, Any]) -> bool:
    if outcome["error"] is not None:
        return False
    return all(v.agrees(x) for v, x in zip(reproduction.values, outcome["values"], strict=True))


def _rows(reproduction: Reproduction, outcome: dict[str, Any]) -> Iterator[list[str]]:
    """Yield a row of the page for each value, or one for the command."""
    command = f"`{example(reproduction.program, reproduction.arguments).strip()}`"
    end = [command, f"{outcome['minutes']:.1f}"]
    if outcome["error"] is not None or not reproduction.values:
        result = "pass" if outcome["error"] is None else f"fail: {outcome['error']}"
        yield [reproduction.name, reproduction.source, "", "", "", result, *end]
        return
    for value, measured in zip(reproduction.values, outcome["values"], strict=True):
        result = "pass" if value.agrees(measured) else "fail"
        shown = [value.published, _limits(value), value.text(measured)]
        yield [value.claim, reproduction.source, *shown, result, *end]


def _limits(value: Value) -> str:
    least, largest = map(value.text, value.expected)
    return least if least == largest else f"{least} to {largest}"
