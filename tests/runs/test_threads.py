"""The user's settings are kept; defaults are set for missing ones."""

import pytest
import torch
from helpers import set_cores

from mlp_lab.runs import threads
from mlp_lab.runs.environment import restored_environment

VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


@pytest.mark.parametrize(
    ("before", "asked", "after"),
    [
        ({}, None, {"OMP_NUM_THREADS": "2", "GOMP_SPINCOUNT": "10000"}),
        ({}, 5, {"OMP_NUM_THREADS": "5", "GOMP_SPINCOUNT": "10000"}),
        ({"OMP_NUM_THREADS": "7"}, None, {"OMP_NUM_THREADS": "7", "GOMP_SPINCOUNT": "10000"}),
        ({"OMP_NUM_THREADS": "7"}, 1, {"OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "10000"}),
        (
            {"OMP_WAIT_POLICY": "PASSIVE"},
            None,
            {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"},
        ),
        ({"GOMP_SPINCOUNT": "5"}, None, {"OMP_NUM_THREADS": "2", "GOMP_SPINCOUNT": "5"}),
    ],
)
def test_environment(
    before: dict, asked: int | None, after: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    set_cores(monkeypatch, 8)
    with threads.restored_threads(), restored_environment():
        threads.set_threads(asked)
        assert torch.get_num_threads() == int(after["OMP_NUM_THREADS"])
        values = {name: threads.os.environ.get(name) for name in VARIABLES}
    assert {name: value for name, value in values.items() if value is not None} == after


@pytest.mark.parametrize(("cores", "threads_"), [(1, "1"), (2, "1"), (3, "2"), (64, "2")])
def test_the_default_keeps_a_core_free(
    cores: int, threads_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    set_cores(monkeypatch, cores)
    with threads.restored_threads(), restored_environment():
        threads.set_threads(None)
        assert threads.os.environ["OMP_NUM_THREADS"] == threads_


@pytest.mark.parametrize(
    ("count", "load", "hint"), [("2", 0.5, False), ("2", 1.5, True), ("1", 9.0, False)]
)
def test_hint_of_a_busy_machine(
    count: str, load: float, hint: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", count)
    set_cores(monkeypatch, 2)
    monkeypatch.setattr(threads.os, "getloadavg", lambda: (load, 0.0, 0.0))
    assert (threads.busy_hint() is not None) == hint


@pytest.mark.parametrize(
    ("text", "cores"), [("max 100000\n", 64), ("250000 100000\n", 2), ("50000 100000\n", 1)]
)
def test_a_container_may_have_fewer_cores_than_the_machine(
    text: str, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads.Path, "read_text", lambda path: text)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: range(64), raising=False)
    assert threads.cores() == cores
