"""The list of special tables and figures: those that only some comparisons have.

To add one: a function from arrays to a figure, a module with ``draw`` or ``tables`` that calls it,
and an entry in ``SPECIAL``.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mlp_lab.figures.rendering import Draw
from mlp_lab.sweeps.comparison import (
    best_of_problems,
    boolean_cost,
    encoding_table,
    layer_curves,
    network_sizes,
    playing_strength,
    reconstructions,
)
from mlp_lab.sweeps.comparison.comparison import Comparison, Table


@dataclass(frozen=True)
class Special:
    """The tables and figures on one topic.

    Attributes:
        draw: returns functions that draw figures, by name; none for a comparison that does not
            concern the topic.
        tables: returns tables; none for a comparison that does not concern the topic.
    """

    draw: Callable[[Comparison], dict[str, Draw]] = lambda _: {}
    tables: Callable[[Comparison], list[Table]] = lambda _: []


SPECIAL = (
    Special(tables=best_of_problems.tables),
    Special(draw=layer_curves.draw),
    Special(draw=network_sizes.draw),
    Special(draw=boolean_cost.draw, tables=boolean_cost.tables),
    Special(tables=encoding_table.tables),
    Special(draw=reconstructions.draw),
    Special(draw=playing_strength.draw),
)
