"""The tables of a comparison in a terminal."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.storage.sweep_folder import SweepFolder
from mlp_lab.sweeps.comparison import summary
from mlp_lab.sweeps.comparison.comparison import Comparison, find_runs
from mlp_lab.sweeps.comparison.printed_tables import limited, run_names


def printed(comparison: Comparison) -> list[list[str]]:
    """Return the cells of the first table; no cell has spaces."""
    table = summary.as_text(comparison).partition("\n\n")[0]
    assert max(map(len, table.splitlines())) <= 100
    return [line.split() for line in table.splitlines()]


def test_a_table_fits_and_the_csv_has_all_columns(make_run: Callable, tmp_path: Path) -> None:
    keys = {
        "optimizer.lr": 0.0123456789,
        "optimizer.weight_decay": 0.00123456,
        "network.width": 100,
    }
    for i in range(3):
        overrides = [f"{key}={value * (i + 1)}" for key, value in keys.items()]
        make_run([1.0 + i, 2.0], *overrides, parameters=10**i)
    comparison = Comparison(find_runs([str(tmp_path)]))
    header, *rows = printed(comparison)
    assert header[:3] == ["run", "width", "lr"]
    assert "loss/validation" in header
    assert "loss/train" not in header[:4]
    assert [row[0] for row in rows] == [job.run.folder.name for job in comparison.jobs]
    columns = next(csv.reader(io.StringIO(summary.as_csv(comparison))))
    assert {*keys, "parameters", "epochs", "error/train", "seconds", "status", "folder"} <= set(
        columns
    )


def test_many_rows_are_summarized(make_run: Callable, tmp_path: Path) -> None:
    for i in range(45):
        make_run([1.0 + i], f"optimizer.lr={0.1 + i}")
    comparison = Comparison(find_runs([str(tmp_path)]))
    _, *rows = summary.as_text(comparison).partition("\n\n")[0].splitlines()
    assert len(rows) == 41
    assert rows[-1].strip() == "and 5 more rows, see summary.csv"
    assert [row.split()[1] for row in rows[:3]] == ["0.1", "1.1", "2.1"]
    assert len(summary.as_csv(comparison).splitlines()) == 46


def test_each_problem_has_rows_if_there_are_many(make_run: Callable, tmp_path: Path) -> None:
    for i in range(21):
        for data_set in ("xor", "moons"):
            make_run(
                [float(i)],
                "experiment=points_mlp",
                f"data.set={data_set}",
                f"network.width={i + 1}",
            )
    text = summary.as_text(Comparison(find_runs([str(tmp_path)]))).partition("\n\n")[0]
    assert [text.count(f" {name} ") for name in ("xor", "moons")] == [20, 20]


@pytest.mark.parametrize("rows", [0, 39, 40, 41, 100])
def test_other_tables_are_cut(rows: int) -> None:
    (_, shown), note = limited((["a"], [["1"]] * rows))
    assert len(shown) == min(rows, 40)
    assert note == ([] if rows <= 40 else [f"  and {rows - 40} more rows, see summary.csv"])


def test_jobs_of_a_sweep_are_named_by_their_number(make_run: Callable, tmp_path: Path) -> None:
    sweep = SweepFolder.create(str(tmp_path), "made_up", ["seed=0,1"], ["seed"])
    folders = [
        make_run([1.0], f"seed={i}").rename(sweep.folder / f"{i}_seed={i}") for i in range(2)
    ]
    alone = make_run([1.0], "seed=2")
    jobs = Comparison([RunFolder(folder) for folder in folders]).jobs
    assert sorted(run_names(jobs)) == ["0", "1"]
    jobs = Comparison([RunFolder(folder) for folder in [*folders, alone]]).jobs
    names = {f"sweeps/{sweep.folder.name}/0", f"sweeps/{sweep.folder.name}/1", alone.name}
    assert set(run_names(jobs)) == names
