"""Boolean functions: truth tables, networks by hand, and training."""

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import single_spaced
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from mlp_lab.course.claims import boolean_claims as claims
from mlp_lab.data.truth_tables import Boolean
from mlp_lab.errors import UserError
from mlp_lab.figures.unit_counts import parity_units, units_and_steps
from mlp_lab.nn.boolean_functions import input_rows, truth_table, truth_table_network
from mlp_lab.runs.train import train
from mlp_lab.storage.results import Result, Status
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison import boolean_cost as sweep
from mlp_lab.sweeps.comparison import summary
from mlp_lab.sweeps.comparison.comparison import Comparison, find_runs
from mlp_lab.sweeps.comparison.drawing import draw

NAMED: dict[str, Callable[[Sequence[int]], int]] = {
    "parity": lambda row: reduce(operator.xor, row),
    "and": lambda row: reduce(operator.and_, row),
    "or": lambda row: reduce(operator.or_, row),
    "majority": lambda row: sorted(row)[(len(row) - 1) // 2],  # the lower median
}


def outputs(network: torch.nn.Module, bits: int) -> list[float]:
    """Return the outputs of all rows, computed one by one."""
    rows = product((0.0, 1.0), repeat=bits)
    with torch.no_grad():
        return [network(torch.tensor([row])).item() for row in rows]


def units(network: torch.nn.Sequential) -> int:
    return len(network[0].weight) if len(network) > 1 else 0


# --- truth tables -------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(1, 8))
def test_rows_count_upwards(bits: int) -> None:
    assert list(map(tuple, input_rows(bits))) == list(product((0, 1), repeat=bits))


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("bits", range(1, 8))
def test_named_functions(name: str, bits: int) -> None:
    expected = [NAMED[name](row) for row in product((0, 1), repeat=bits)]
    assert truth_table(name, bits).tolist() == expected


@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.sampled_from("01"), min_size=2**n,
                                                   max_size=2**n)))  # fmt: skip
def test_a_function_can_be_written_as_digits(digits: list[str]) -> None:
    bits = len(digits).bit_length() - 1
    assert truth_table("".join(digits), bits).tolist() == list(map(int, digits))


@pytest.mark.parametrize("function", ["", "xor", "011", "01100", "0120", "-110"])
def test_invalid_functions_are_reported(function: str) -> None:
    with pytest.raises(ValueError, match=rf"function={function}: must be .* or 4 digits 0 and 1"):
        truth_table(function, 2)
    with pytest.raises(UserError, match=rf"data.function={function}: must be one of parity, and"):
        data(bits=2, function=function)


# --- by hand ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_all_functions_are_computed_exactly(bits: int) -> None:
    for values in product((0, 1), repeat=2**bits):
        network = truth_table_network(np.array(values))
        assert outputs(network, bits) == list(values)
        assert units(network) == sum(values)


@given(st.integers(4, 6).flatmap(lambda n: st.integers(0, 2 ** (2**n) - 1).map(lambda t: (n, t))))
def test_functions_of_more_bits_are_computed_exactly(case: tuple[int, int]) -> None:
    bits, number = case
    values = [number >> row & 1 for row in range(2**bits)]
    network = truth_table_network(np.array(values))
    assert outputs(network, bits) == values
    assert units(network) == sum(values)


@pytest.mark.parametrize("bits", range(1, 11))
def test_parity_needs_exponentially_many_units(bits: int) -> None:
    assert units(truth_table_network(truth_table("parity", bits))) == 2 ** (bits - 1)


def test_claims_hold_and_could_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    results = list(claims.claims())
    assert [claim.holds for claim in results] == [True] * 4
    [figure] = results[-1].figures.values()
    closed_form, measured = figure().axes[0].lines
    assert closed_form.get_xydata().tolist() == [[n, 2 ** (n - 1)] for n in range(2, 11)]
    assert measured.get_xydata().tolist() == closed_form.get_xydata().tolist()

    def inexact(table: np.ndarray) -> torch.nn.Sequential:
        network = truth_table_network(table)
        with torch.no_grad():
            network[-1].bias += 1e-6
        return network

    monkeypatch.setattr(claims, "truth_table_network", inexact)
    assert [claim.holds for claim in claims.claims()] == [False] * 4


# --- data ---------------------------------------------------------------------------------------


def data(bits: int, function: str) -> Boolean:
    limits = {"train": None, "validation": None}
    return Boolean(bits=bits, function=function, batch_size=99, seed=0, limits=limits)


def test_every_split_has_all_rows() -> None:
    rows = data(2, "0010")
    rows.setup()
    for split in ("train", "validation", "test"):
        x, y = rows.splits[split]
        assert x.tolist() == [[-1, -1], [-1, 1], [1, -1], [1, 1]]
        assert (y.tolist(), y.dtype) == ([0, 0, 1, 0], torch.int64)
    assert (rows.in_features, rows.out_features) == (2, 1)


# --- trained ------------------------------------------------------------------------------------


@pytest.mark.parametrize("overrides", [[], ["data.bits=2", "data.function=0110"]])
def test_training_stops_at_error_zero(
    overrides: list[str], compose: Callable, tmp_path: Path
) -> None:
    common = ["experiment=parity", "trainer.accelerator=cpu", f"logs='{tmp_path}'"]
    result = train(compose(*common, *overrides))
    errors = [row["error/validation"] for row in RunFolder(result.folder).history]
    assert errors[-1] == 0 < min(errors[:-1], default=1)
    assert result.best is not None
    assert result.best["epoch"] == result.epochs == len(errors) < 100
    assert result.steps == 10 * result.epochs
    assert result.evaluations[0].metrics["error"] == 0


def test_a_linear_model_does_not_fit_xor(compose: Callable, tmp_path: Path) -> None:
    common = ["experiment=parity", "trainer.accelerator=cpu", f"logs='{tmp_path}'"]
    few = ["data.bits=2", "network.depth=0", "trainer.max_epochs=20", "callbacks=none"]
    result = train(compose(*common, *few))
    # Every line has at least one of the four rows wrong.
    assert min(row["error/validation"] for row in RunFolder(result.folder).history) >= 0.25


# --- units and steps ----------------------------------------------------------------------------


@pytest.fixture
def swept(compose: Callable, tmp_path: Path) -> Callable[..., Comparison]:
    """``swept({(bits, width, seed): epoch of the first error 0, or None})``."""

    def make(solved: dict[tuple[int, int, int], int | None], *common: str) -> Comparison:
        plain = OmegaConf.to_container(compose("experiment=parity", *common))
        for (bits, width, seed), first in solved.items():
            run = RunFolder.create(str(tmp_path), "parity")
            cfg = OmegaConf.create(plain)
            cfg.data.bits, cfg.network.width, cfg.seed = bits, width, seed
            run.write_start(cfg, [])
            errors = [0.5 if first is None or epoch < first else 0.0 for epoch in range(1, 6)]
            columns = ["epoch", "step", "error/validation", "error/train"]
            cells = [[i, 10.0 * i, error, error] for i, error in enumerate(errors, 1)]
            run.write_history(columns, [dict(zip(columns, c, strict=True)) for c in cells])
            run.write_result(Result(str(run.folder), Status.FINISHED))
        return Comparison(find_runs([str(tmp_path)]), "error")

    return make


SOLVED = {
    (2, 2, 0): 3, (2, 2, 1): None, (2, 8, 0): 1, (2, 8, 1): 4,
    (3, 2, 0): None, (3, 2, 1): None, (3, 8, 0): 5, (3, 8, 1): None,
}  # fmt: skip


def test_needs_are_the_fewest_units_for_one_seed_and_for_all_seeds(swept: Callable) -> None:
    comparison = swept(SOLVED)
    assert sweep.needs(comparison) == [
        sweep.Need(2, 2, fewest=2, reliable=8, steps=25, widest=8, steps_widest=25),
        sweep.Need(3, 4, fewest=8, reliable=None, steps=None, widest=8, steps_widest=None),
    ]
    [(header, rows)] = sweep.tables(comparison)
    assert [len(row) for row in rows] == [len(header)] * 2
    assert rows == [["2", "2", "2", "8", "25", "25"], ["3", "4", "8", "-", "-", "-"]]
    assert "| 3 | 4 | 8 | - | - | - |" in single_spaced(summary.as_markdown(comparison))
    units, steps = draw(comparison)["units_and_steps"]().axes
    drawn = [line.get_xydata().tolist() for line in (*units.lines, *steps.lines)]
    assert drawn == [[[2, 2], [3, 4]], [[2, 8]], [[2, 2], [3, 8]], [[2, 25]], [[2, 25]]]


def test_needs_of_parity_are_compared_with_the_constructed_network(swept: Callable) -> None:
    results = sweep.needs(swept(SOLVED, "data.function=and"))
    assert [need.by_hand for need in results] == [1, 1]


def test_other_sweeps_have_no_needs(swept: Callable) -> None:
    comparison = swept({(2, 2, 0): 1, (2, 4, 0): 1})
    assert (sweep.needs(comparison), sweep.tables(comparison), sweep.draw(comparison)) == (
        [], [], {},
    )  # fmt: skip


def test_figures_show_all_needs() -> None:
    panel = parity_units([2, 3, 4], [2, 4, 9]).axes[0]
    assert [line.get_ydata().tolist() for line in panel.lines] == [[2, 4, 8], [2, 4, 9]]
    units, steps = units_and_steps({"a": [(2, 4), (3, 8)], "b": [(2, 5)]}, {"c": []}).axes
    drawn = {line.get_label(): line.get_xydata().tolist() for line in units.lines}
    assert drawn == {"a": [[2, 4], [3, 8]], "b": [[2, 5]]}
    assert len(steps.lines) == 0
