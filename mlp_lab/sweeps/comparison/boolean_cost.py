"""The units and steps that a Boolean function needs, from a sweep over bits and widths."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from mlp_lab.figures import unit_counts
from mlp_lab.figures.rendering import Draw
from mlp_lab.sweeps.comparison.compared_run import REPEATED, ComparedRun
from mlp_lab.sweeps.comparison.comparison import Comparison, Table
from mlp_lab.sweeps.comparison.run_group import RunGroup

_KEYS = {"data.bits", "network.width"}


@dataclass(frozen=True)
class Need:
    """What networks need to compute a function of several bits without an error.

    Attributes:
        bits: number of inputs.
        by_hand: hidden units of the network that is constructed from the truth table
            (``mlp_lab.nn.boolean_functions.truth_table_network``).
        fewest: smallest width with which a run reached error 0; None: no run did.
        reliable: smallest width with which the runs of all seeds did; None: no width.
        steps: optimizer steps until the end of the first epoch with error 0, median over the seeds,
            with ``reliable`` units.
        widest: largest width of the sweep.
        steps_widest: the same as ``steps``, with ``widest`` units.
    """

    bits: int
    by_hand: int
    fewest: int | None
    reliable: int | None
    steps: float | None
    widest: int
    steps_widest: float | None


def needs(comparison: Comparison) -> list[Need]:
    """Return the needs by ascending bits; none unless exactly bits and widths were swept."""
    if {key for key in comparison.swept if key not in REPEATED} != _KEYS:
        return []
    by_bits: dict[int, list[RunGroup]] = defaultdict(list)
    for group in comparison.groups():
        by_bits[group.settings["data.bits"]].append(group)
    return [_need(bits, groups) for bits, groups in sorted(by_bits.items())]


def tables(comparison: Comparison) -> list[Table]:
    """Return header and rows of the table of ``needs``, if there are any."""
    rows = needs(comparison)
    if not rows:
        return []
    header = ["bits", "units by hand", "fewest units: a seed", "all seeds", "steps then"]
    header.append(f"steps with {rows[0].widest}")
    cells = [[n.bits, n.by_hand, n.fewest, n.reliable, n.steps, n.steps_widest] for n in rows]
    return [(header, [["-" if cell is None else f"{cell:g}" for cell in row] for row in cells])]


def draw(comparison: Comparison) -> dict[str, Draw]:
    """Return the function that draws the figure of ``needs``, if there are any."""
    rows = needs(comparison)
    if not rows:
        return {}
    function = comparison.jobs[0].config["data.function"]

    def costs(name: str) -> list[unit_counts.Cost]:
        return [(n.bits, getattr(n, name)) for n in rows if getattr(n, name) is not None]

    units = {
        f"{function} by hand: one unit for each true row": costs("by_hand"),
        "trained, all seeds": costs("reliable"),
        "trained, best seed": costs("fewest"),
    }
    steps = {
        "with the fewest units that suffice for all seeds": costs("steps"),
        f"with {rows[0].widest} units": costs("steps_widest"),
    }
    return {"units_and_steps": partial(unit_counts.units_and_steps, units, steps)}


def _need(bits: int, groups: Sequence[RunGroup]) -> Need:
    from mlp_lab.nn.boolean_functions import (
        truth_table,  # imports torch, which other comparisons do not need
    )

    function = groups[0].jobs[0].config["data.function"]
    steps = {g.settings["network.width"]: [_steps(run) for run in g.jobs] for g in groups}
    medians = {width: _median(each) for width, each in steps.items()}
    some = [width for width, each in steps.items() if any(s is not None for s in each)]
    every = [width for width, median in medians.items() if median is not None]
    reliable, widest = min(every, default=None), max(steps)
    return Need(
        bits,
        int(truth_table(function, bits).sum()),
        min(some, default=None),
        reliable,
        None if reliable is None else medians[reliable],
        widest,
        medians[widest],
    )


def _steps(run: ComparedRun) -> float | None:
    """Return the steps until the end of the first epoch with error 0; None if there is none."""
    return next((row["step"] for row in run.history if row.get("error/validation") == 0), None)


def _median(steps: Sequence[float | None]) -> float | None:
    """Return the median; None if one of the runs never reached error 0."""
    known = [s for s in steps if s is not None]
    return statistics.median(known) if len(known) == len(steps) else None
