"""Wrong command lines end in one line that names the key and what is allowed."""

import re
import shutil
import time
from pathlib import Path

import pytest
from in_process import assert_one_line, run_command
from wrong_command_lines import KINDS, Case, generate

# What a message says about the allowed values.
ALLOWED = re.compile(
    r"must |only|no such|did you mean|options: |allowed|needs|can't|given twice|several values|"
    r"not a key|is needed|invalid choice|no file matches|not a folder|not the folder|required|"
    r"no runs in|not found|unrecognized|listed twice|has no values|isn't swept|cannot|each job|"
    r"renamed"
)


def check_case(case: Case, folder: Path) -> str | None:
    """Return what is wrong with how a command refuses a case; None if nothing is."""
    start = time.process_time()
    finished = run_command(case.command, *case.arguments)
    seconds = time.process_time() - start
    try:
        assert_one_line(finished, case.named)
        assert ALLOWED.search(finished.err), finished.err
        assert seconds < 2, seconds
        assert list(folder.iterdir()) == [], list(folder.iterdir())
    except AssertionError as error:
        return f"{case}\n    {str(error).splitlines()[0][:300]}\n    {finished.err[-300:]}"
    finally:
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return None


@pytest.mark.parametrize("count", [4, pytest.param(50 * len(KINDS), marks=pytest.mark.faults)])
def test_wrong_command_lines(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    problems = [check_case(case, tmp_path) for case in generate(count, seed=0)]
    assert len(problems) == count
    failures = [problem for problem in problems if problem is not None]
    assert not failures, f"{len(failures)} of {count}\n" + "\n".join(failures)
