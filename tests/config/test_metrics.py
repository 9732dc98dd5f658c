import math

import pytest

from mlp_lab.config.metrics import (
    METRICS,
    best_row,
    get_metric,
    metric_against,
    metric_order,
    percent,
)
from mlp_lab.tasks.classification import Classifier
from mlp_lab.tasks.regression import Regression


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("error", 0.01234, "1.23 %"), ("error/validation", 1.0, "100.00 %"),
        ("loss", 0.01234, "0.0123"), ("loss/train", 123456.0, "1.235e+05"), ("loss", None, "-"),
    ],
)  # fmt: skip
def test_numbers(name: str, value: float | None, text: str) -> None:
    assert get_metric(name).text(value) == text


def test_percent() -> None:
    assert percent(1 / 3) == "33.33 %"


def test_each_metric_of_a_task_is_in_the_table() -> None:
    names = {"loss", "psnr", "ssim", *Classifier.metrics, *Regression.metrics}
    assert names <= METRICS.keys()
    assert all(name == metric.name for name, metric in METRICS.items())


def test_metrics_are_ordered_as_in_the_table_and_then_by_name() -> None:
    keys = ["b", "psnr/train", "a", "error/train", "loss/validation", "loss/train"]
    expected = ["loss/train", "loss/validation", "error/train", "psnr/train", "a", "b"]
    assert sorted(keys, key=metric_order) == expected


def test_labels_have_the_unit_and_unknown_metrics_are_plain_numbers() -> None:
    assert [get_metric(name).label for name in ("psnr/test", "loss", "foo")] == [
        "psnr (dB)",
        "loss",
        "foo",
    ]
    assert get_metric("error").short_text(0.1234) == "12.3%"
    assert get_metric("foo").short_text(0.1234) == "0.123"


def test_a_metric_against_an_opponent_has_the_properties_of_the_metric() -> None:
    name = metric_against("wins", "gnubg")
    assert (name, get_metric(f"{name}/test").label) == ("wins_vs_gnubg", name)
    assert get_metric(name).text(0.5) == "50.00 %"
    assert get_metric(name).direction == "max"
    keys = ["plies/test", f"{name}/test", "wins/test", "points/test"]
    assert sorted(keys, key=metric_order) == ["points/test", "wins/test", keys[1], "plies/test"]


@pytest.mark.parametrize(("mode", "epoch"), [("min", 2), ("max", 1)])
def test_the_best_row_is_the_first_among_equals(mode: str, epoch: int) -> None:
    values = {1: 3.0, 2: 1.0, 3: 1.0, 4: 3.0}
    rows = [{"epoch": float(epoch), "a": value} for epoch, value in values.items()]
    assert best_row([{"epoch": 0.0}, *rows], "a", mode) == rows[epoch - 1]
    assert best_row(rows, "b", mode) is None


@pytest.mark.parametrize(("mode", "epoch"), [("min", 2), ("max", 3)])
def test_the_best_row_may_be_infinite_but_not_nan(mode: str, epoch: int) -> None:
    rows = [{"a": value} for value in (math.nan, -math.inf, math.inf, 1.0)]
    assert best_row(rows, "a", mode) is rows[epoch - 1]
    assert best_row(rows[:1], "a", mode) is None
