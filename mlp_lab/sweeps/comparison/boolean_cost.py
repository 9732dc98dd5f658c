"""How many units and steps a Boolean function needs, found by a sweep over bits and widths."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from mlp_lab.figures import unit_counts
from mlp_lab.sweeps.comparison.comparison import Comparison, Group, Job

_KEYS = {"data.bits", "network.width"}


@dataclass(frozen=True)
class Need:
    """What networks need that compute a function of ``bits`` bits without an error.

    Attributes:
        by_hand: hidden units of the network that is constructed from the truth table
            (``mlp_lab.nn.boolean_functions.truth_table_network``).
        fewest: hidden units with which a job reached error 0; None: no job did.
        reliable: hidden units with which the jobs of all seeds did; None: with no width.
        steps: of the optimizer until the end of the epoch that did, median over the seeds, with
            ``reliable`` units.
        widest: the largest width that was tried.
        steps_widest: as ``steps``, with ``widest`` units.
    """

    bits: int
    by_hand: int
    fewest: int | None
    reliable: int | None
    steps: float | None
    widest: int
    steps_widest: float | None


def needs(comparison: Comparison) -> list[Need]:
    """By bits, ascending; nothing where a sweep isn't one over bits and widths alone."""
    if {key for key in comparison.swept if key != "seed"} != _KEYS:
        return []
    by_bits: dict[int, list[Group]] = defaultdict(list)
    for group in comparison.groups():
        by_bits[group.settings["data.bits"]].append(group)
    return [_need(bits, groups) for bits, groups in sorted(by_bits.items())]


def tables(comparison: Comparison) -> list[tuple[list[str], list[list[str]]]]:
    """Header and rows of the table of ``needs``, if there are any."""
    found = needs(comparison)
    header = ["bits", "units by hand", "fewest units: a seed", "all seeds", "steps then"]
    header += [f"steps with {found[0].widest}"] if found else []
    rows = [[n.bits, n.by_hand, n.fewest, n.reliable, n.steps, n.steps_widest] for n in found]
    told = [["-" if cell is None else f"{cell:g}" for cell in row] for row in rows]
    return [(header, told)] if found else []


def draw(comparison: Comparison) -> dict[str, Figure]:
    """The figure of ``needs``, if there are any."""
    found = needs(comparison)
    if not found:
        return {}
    function = comparison.jobs[0].run.config.data.function

    def costs(name: str) -> list[unit_counts.Cost]:
        return [(n.bits, getattr(n, name)) for n in found if getattr(n, name) is not None]

    units = {
        f"{function} by hand: a unit for each true row": costs("by_hand"),
        "trained, all seeds": costs("reliable"),
        "trained, the luckiest seed": costs("fewest"),
    }
    steps = {
        "with the fewest units that all seeds solve it with": costs("steps"),
        f"with {found[0].widest} units": costs("steps_widest"),
    }
    return {"units_and_steps": unit_counts.units_and_steps(units, steps)}


def _need(bits: int, groups: Sequence[Group]) -> Need:
    from mlp_lab.nn.boolean_functions import (
        truth_table,  # which loads torch; other comparisons do without
    )

    function = groups[0].jobs[0].run.config.data.function
    steps = {g.settings["network.width"]: [_steps(job) for job in g.jobs] for g in groups}
    medians = {width: _median(own) for width, own in steps.items()}
    some = [width for width, own in steps.items() if any(s is not None for s in own)]
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


def _steps(job: Job) -> float | None:
    """Until the end of the first epoch after which no row was wrong; None if there is none."""
    return next((row["step"] for row in job.history if row.get("error/validation") == 0), None)


def _median(steps: Sequence[float | None]) -> float | None:
    """None if one of the jobs never got there."""
    known = [s for s in steps if s is not None]
    return statistics.median(known) if len(known) == len(steps) else None
