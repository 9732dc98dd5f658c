"""The answer of a comparison: a table, files, figures, and the choice."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mlp_lab import figures
from mlp_lab.console import table
from mlp_lab.files import csv_text, write_png, write_whole
from mlp_lab.runs import metrics_of
from mlp_lab.sweeps.comparison import Comparison, Interval, Job

_METRICS = ("loss/train", "loss/validation", "error/train", "error/validation")


def columns(comparison: Comparison) -> list[str]:
    """Swept keys first, then what came out."""
    metrics = dict.fromkeys(key for job in comparison.jobs for key in job.best or {} if "/" in key)
    known = [key for key in _METRICS if key in metrics]
    others = [key for key in metrics if key not in _METRICS]
    return [*comparison.swept, "epochs", "best epoch", *known, *others, "seconds", "status"]


def rows(comparison: Comparison) -> list[list[Any]]:
    """A row a job, best first, under ``columns``; None where there is nothing to tell."""
    return [[_cell(job, column) for column in columns(comparison)] for job in comparison.jobs]


def as_text(comparison: Comparison) -> str:
    """The table for a terminal, what holds over seeds, and the choice."""
    return _told(comparison, table)


def as_markdown(comparison: Comparison) -> str:
    """The same as ``as_text``, in Markdown."""
    return _told(comparison, _markdown) + "\n"


def as_csv(comparison: Comparison) -> str:
    """The table with all digits, and each run's folder."""
    folders = [job.run.folder for job in comparison.jobs]
    cells = [[*row, folder] for row, folder in zip(rows(comparison), folders, strict=True)]
    return csv_text([[*columns(comparison), "folder"], *cells])


def choice(comparison: Comparison) -> str:
    """Which job and epoch are the best on validation data, and what they reach."""
    job = comparison.chosen
    if job.best is None:
        return "no job has finished an epoch"
    reached = ", ".join(
        f"{key.replace('/', ' ')} {_shown(key, value)}"
        for key, value in sorted(job.best.items())
        if "/" in key
    )
    lines = [
        f"chosen by validation {comparison.metric}: {job.label}, epoch {int(job.best['epoch'])}"
    ]
    lines.append(f"it reaches: {reached}")
    tested = [e for e in job.run.result.get("evaluations", []) if e["split"] == "test"]
    if tested:
        metrics = metrics_of(tested[0]).items()
        told = ", ".join(f"test {name} {_shown(name, value)}" for name, value in metrics)
        lines.append(f"its test, once, for epoch {tested[0]['epoch']}: {told}")
    lines.append(f"its folder: {job.run.folder}")
    return "\n".join(lines)


def draw(comparison: Comparison) -> dict[str, Figure]:
    """The figures that fit what was swept, by name."""
    chosen = comparison.chosen
    mark = None if chosen.best is None else (chosen.label, int(chosen.best["epoch"]))
    histories = {job.label: job.history for job in comparison.jobs}
    drawn = {"error_curves": figures.error_curves(histories, comparison.metric, mark)}
    done = [job for job in comparison.jobs if job.best is not None]
    keys = [key for key in comparison.swept if key != "seed"]
    results = [job.best[comparison.key] for job in done if job.best is not None]
    for key in keys:
        values = [_axis_value(job.settings[key]) for job in done]
        name = f"{comparison.metric}_against_{key}"
        drawn[name] = figures.metric_against(values, results, key, comparison.metric)
    if len(keys) == 2:
        drawn["heat_map"] = _heat_map(done, results, (keys[0], keys[1]), comparison.metric)
    return drawn


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write ``summary.csv``, ``summary.md`` and ``figures/*.png``; return their paths."""
    texts = {"summary.csv": as_csv(comparison), "summary.md": as_markdown(comparison)}
    for name, text in texts.items():
        write_whole(folder / name, text.encode())
    pictures = draw(comparison)
    for name, figure in pictures.items():
        write_png(folder / "figures" / f"{name}.png", figure)
    return [
        *(folder / name for name in texts),
        *(folder / "figures" / f"{n}.png" for n in pictures),
    ]


def _told(
    comparison: Comparison, render: Callable[[Sequence[str], Sequence[Sequence[str]]], str]
) -> str:
    """All tables, each by ``render(header, rows)``, and the choice."""
    header = columns(comparison)
    shown = [[_shown(c, v) for c, v in zip(header, row, strict=True)] for row in rows(comparison)]
    tables = [(header, shown)]
    if seeds := _seed_rows(comparison):
        tables.append(seeds)
    return "\n\n".join([*(render(*each) for each in tables), choice(comparison)])


def _cell(job: Job, column: str) -> Any:
    if column in job.settings:
        return job.settings[column]
    own = {
        "epochs": len(job.history),
        "best epoch": None if job.best is None else int(job.best["epoch"]),
        "seconds": job.seconds,
        "status": job.status,
    }
    return own[column] if column in own else (job.best or {}).get(column)


def _seed_rows(comparison: Comparison) -> tuple[list[str], list[list[str]]] | None:
    """Header and rows of the table over seeds; None where no seed was swept."""
    if "seed" not in comparison.swept:
        return None
    keys = [key for key in comparison.swept if key != "seed"]
    name = comparison.key

    def cells(settings: dict[str, Any], i: Interval) -> list[str]:
        spread = [_shown(name, v) if math.isfinite(v) else "-" for v in (i.std, i.half_width)]
        return [*(str(settings[k]) for k in keys), str(i.n), _shown(name, i.mean), *spread]

    header = [*keys, "seeds", f"mean {name}", "± sd", "± 95 % interval"]
    return header, [cells(settings, interval) for settings, interval in comparison.over_seeds()]


def _heat_map(jobs: list[Job], results: list[float], keys: tuple[str, str], metric: str) -> Figure:
    """Means over all jobs of each pair of values."""
    axes = [
        list(dict.fromkeys(sorted((_axis_value(j.settings[k]) for j in jobs), key=_order)))
        for k in keys
    ]
    cells: dict[tuple[int, int], list[float]] = {}
    for job, result in zip(jobs, results, strict=True):
        place = tuple(
            axis.index(_axis_value(job.settings[k])) for axis, k in zip(axes, keys, strict=True)
        )
        cells.setdefault((place[0], place[1]), []).append(result)
    values = np.full((len(axes[0]), len(axes[1])), np.nan)
    for place, found in cells.items():
        values[place] = np.mean(found)
    names = [[str(value) for value in axis] for axis in axes]
    return figures.heat_map(names[0], names[1], values, keys, metric)


def _axis_value(value: Any) -> float | str:
    return value if type(value) in {int, float} else str(value)


def _order(value: float | str) -> tuple[bool, float, str]:
    return (True, 0.0, value) if isinstance(value, str) else (False, value, "")


def _shown(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if column.startswith("error"):
        return f"{100 * value:.2f} %"
    if "/" in column or column == "loss":
        return f"{value:.4f}" if abs(value) < 1000 else f"{value:.3g}"
    return f"{value:.1f}" if column == "seconds" else str(value)


def _markdown(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in cells)])
