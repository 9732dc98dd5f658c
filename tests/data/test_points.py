"""Points in the plane: the distributions of the sets, and points from files."""

import math
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlp_lab.data.points import CENTRE, DISTANCE, MARGIN, NORMAL, OFFSET, SETS, SPREAD, Points
from mlp_lab.data.points_file import PointsFile
from mlp_lab.errors import UserError
from mlp_lab.runs.build import build_task

COMMON: dict[str, Any] = {"batch_size": 10, "seed": 0, "limits": {}, "train_size": None}
every_set = pytest.mark.parametrize("name", SETS)
seeds = st.integers(0, 2**32 - 1)


def points(name: str, **options: Any) -> Points:
    given_anyway = {"size": 200, "noise": 0.1, "points_seed": 0}
    return Points(set=name, **COMMON | given_anyway | options)


def training(name: str, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    return points(name, **options).points()["train"]


# --- drawn points -------------------------------------------------------------------------------


@given(seeds, st.integers(2, 300), st.floats(0, 10))
def test_separable_points_are_linearly_separable(seed: int, size: int, noise: float) -> None:
    data = points("separable", size=size, noise=noise, points_seed=seed)
    data.setup()
    for x, y in data.splits.values():
        distance = x.double().numpy() @ NORMAL - OFFSET
        assert ((2 * y.numpy() - 1) * distance).min() > MARGIN - 1e-5


@every_set
@given(seed=seeds, size=st.integers(2, 50), more=st.integers(0, 50))
def test_a_larger_size_adds_points(name: str, seed: int, size: int, more: int) -> None:
    x, y = training(name, size=size, points_seed=seed)
    x_more, y_more = training(name, size=size + more, points_seed=seed)
    assert np.array_equal(x, x_more[:size])
    assert np.array_equal(y, y_more[:size])


@every_set
def test_splits_have_one_distribution_and_no_common_points(name: str) -> None:
    splits = points(name, size=2_000).points()
    assert list(splits) == ["train", "validation", "test"]
    everything = np.concatenate([x for x, _ in splits.values()])
    assert len(np.unique(everything, axis=0)) == 6_000
    for x, y in splits.values():
        assert y.sum() == 1_000
        for label in (0, 1):
            in_split, whole = x[y == label], everything[np.tile(y, 3) == label]
            # Ten standard errors of the mean.
            far = 10 * whole.std(0) / math.sqrt(1_000)
            assert (abs(in_split.mean(0) - whole.mean(0)) < far).all()
    # Nor do they follow each other.
    first, second = splits["train"][0], splits["validation"][0]
    assert abs(np.corrcoef((first - second).T.ravel(), (first + second).T.ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("name", sorted(set(SETS) - {"separable", "outliers"}))
def test_noise_is_normal_with_the_given_standard_deviation(name: str) -> None:
    noisy, _ = training(name, size=5_000, noise=0.3)
    exact, _ = training(name, size=5_000, noise=0)
    noise = noisy - exact
    np.testing.assert_allclose(noise.mean(0), 0, atol=4 * 0.3 / math.sqrt(5_000))
    np.testing.assert_allclose(noise.std(0), 0.3, rtol=4 / math.sqrt(10_000))
    assert (abs(noise) < 0.3).mean() == pytest.approx(0.6827, abs=0.02)


@given(seed=seeds, size=st.integers(10, 50))
def test_every_fifth_point_of_class_1_is_an_outlier(seed: int, size: int) -> None:
    x, y = training("outliers", size=size, points_seed=seed)
    near, _ = training("separable", size=size, points_seed=seed)
    moved = np.abs(x - near).max(1) > 0
    assert np.flatnonzero(moved).tolist() == np.flatnonzero(y)[::5].tolist()
    np.testing.assert_allclose((x - near)[moved] @ NORMAL, DISTANCE, rtol=1e-5)


def test_xor_without_noise_equals_its_truth_table() -> None:
    x, y = training("xor", noise=0)
    rows = {(*map(int, place), int(label)) for place, label in zip(x, y, strict=True)}
    assert rows == {(-1, -1, 0), (-1, 1, 1), (1, -1, 1), (1, 1, 0)}


def test_spirals_turn_one_and_a_half_times() -> None:
    x, y = training("spirals", size=1_000, noise=0)
    radius = np.hypot(*x.T)
    assert radius.min() < 0.3
    assert radius.max() == pytest.approx(2, abs=0.01)
    angle = 3 * math.pi * (radius - 0.2) / 1.8 + math.pi * y
    np.testing.assert_allclose(np.cos(angle), x[:, 0] / radius, atol=1e-9)
    np.testing.assert_allclose(np.sin(angle), x[:, 1] / radius, atol=1e-9)


def test_rings_are_circles() -> None:
    x, y = training("rings", noise=0)
    np.testing.assert_allclose(np.hypot(*x.T), np.where(y == 1, 1.6, 0.8))


def test_moons_are_half_circles() -> None:
    x, y = training("moons", noise=0)
    for label, middle, side in ((0, (-0.5, -0.25), 1), (1, (0.5, 0.25), -1)):
        from_middle = x[y == label] - middle
        np.testing.assert_allclose(np.hypot(*from_middle.T), 1)
        assert (side * from_middle[:, 1] >= -1e-12).all()
        # The end of each lies inside the other.
        assert np.hypot(*(x[y == label] + middle).T).min() < 0.6


def test_overlapping_points_have_the_bayes_error_of_two_gaussians() -> None:
    x, y = training("overlapping", size=100_000, noise=0.4)
    bayes = NormalDist().cdf(-np.linalg.norm(CENTRE) / math.hypot(SPREAD, 0.4))
    error = ((x.sum(1) > 0) != y).mean()
    assert error == pytest.approx(bayes, abs=4 * math.sqrt(bayes / 100_000))
    assert bayes > 0.05


def test_train_size_takes_the_first() -> None:
    whole, part = points("moons"), points("moons", train_size=30)
    for data in (whole, part):
        data.setup()
    for one, other in zip(whole.splits["train"], part.splits["train"], strict=True):
        assert torch.equal(one[:30], other)
    assert torch.equal(whole.splits["test"][0], part.splits["test"][0])
    with pytest.raises(UserError, match=r"data\.train_size=201: must be at most 200"):
        points("moons", train_size=201)


def test_points_depend_on_the_seed_unless_data_seed_is_set(compose: Callable) -> None:
    def drawn(*overrides: str) -> torch.Tensor:
        data, _ = build_task(compose("data=points", *overrides))
        data.setup()
        return data.splits["train"][0]

    assert not torch.equal(drawn("seed=1"), drawn("seed=2"))
    assert torch.equal(drawn("seed=1"), drawn("seed=2", "data.points_seed=1"))


# --- a file -------------------------------------------------------------------------------------

FLOWERS = "length,width,flower\n" + "".join(
    f"{i},{i * i / 10},{'rose' if i % 3 else 'aster'}\n" for i in range(20)
)


def from_file(tmp_path: Path, content: str | bytes, **options: Any) -> PointsFile:
    path = tmp_path / "points.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    common = {"points_seed": 0, "standardize": False}
    return PointsFile(file=str(path), **COMMON | common | options)


def test_a_file_is_divided_into_splits(tmp_path: Path) -> None:
    data = from_file(tmp_path, FLOWERS)
    assert (data.feature_names, data.class_names) == (("length", "width"), ("aster", "rose"))
    assert (data.in_features, data.out_features) == (2, 1)
    data.setup()
    assert [len(y) for _, y in data.splits.values()] == [12, 4, 4]
    x, y = (torch.cat(part) for part in zip(*data.splits.values(), strict=True))
    for (length, width), label in zip(x.tolist(), y.tolist(), strict=True):
        assert width == pytest.approx(length**2 / 10)
        assert label == int(length % 3 > 0)
    assert sorted(x[:, 0].tolist()) == list(range(20))
    other = from_file(tmp_path, FLOWERS, points_seed=1).points()
    assert not np.array_equal(other["train"][0], data.points()["train"][0])


def test_features_are_standardized_by_the_training_examples(tmp_path: Path) -> None:
    plain = from_file(tmp_path, FLOWERS).points()
    data = from_file(tmp_path, FLOWERS, standardize=True)
    for split, (x, _) in data.points().items():
        mean, std = plain["train"][0].mean(0), plain["train"][0].std(0)
        np.testing.assert_allclose(x, (plain[split][0] - mean) / std)
        np.testing.assert_allclose(x * data.std + data.mean, plain[split][0])
    constant = from_file(tmp_path, "1,2,a\n1,3,b\n" * 5, standardize=True)
    assert (constant.points()["train"][0][:, 0] == 0).all()


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("1,2,b\n3,4,a\n" * 5, ("a", "b")),
        ("1,2,10\n3,4,9\n5,6,-1\n" * 5, ("-1", "9", "10")),
        ("1,2,10\n3,4,x\n" * 5, ("10", "x")),
        ("1,2,nan\n3,4,1\n5,6,0\n" * 5, ("0", "1", "nan")),
        ('1;2;"a; b"\n3;4;"1,5"\n' * 5, ("1,5", "a; b")),
        ("1\t2\ta\n3\t4\tb, c; d\n" * 5, ("a", "b, c; d")),
        ('1,2,"a;b;c"\n3,4,b\tc\n' * 5, ("a;b;c", "b\tc")),
        ('"1","2","a"\r"3", "4" ,b\r'.replace(" ,", ",") * 5 + "1,2,b", ("a", "b")),
        ('1,2,5" disk\n3,4,a\n' * 5, ('5" disk', "a")),
        ('\ufeff1,2,"a, b"\r\n\r\n 3 , 4 , c \r\n1e3,-.5,c\r\n5,6,c\r\n7,8,c\r\n', ("a, b", "c")),
    ],
)
def test_labels_may_be_any_text(content: str, names: tuple[str, ...], tmp_path: Path) -> None:
    data = from_file(tmp_path, content)
    assert data.class_names == names
    assert data.out_features == (1 if len(names) == 2 else len(names))
    assert data.feature_names == ("x1", "x2")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_separator_is_detected(separator: str, quote: str, end: str, tmp_path: Path) -> None:
    lines = [line.split(",") for line in FLOWERS.splitlines()]
    quoted = [[f"{quote}{cell}{quote}" for cell in line] for line in lines]
    data = from_file(tmp_path, end.join(map(separator.join, quoted)))  # no final line end
    expected = from_file(tmp_path, FLOWERS)
    assert (data.feature_names, data.class_names) == (("length", "width"), ("aster", "rose"))
    for split, (x, y) in expected.points().items():
        np.testing.assert_array_equal(data.points()[split][0], x)
        np.testing.assert_array_equal(data.points()[split][1], y)


@pytest.mark.parametrize("train_size", [None, 3])
def test_classes_without_examples_in_a_split_are_warned_about(
    train_size: int | None, tmp_path: Path
) -> None:
    assert not from_file(tmp_path, FLOWERS).warnings()
    data = from_file(tmp_path, "1,2,rare\n" + "1,2,a\n3,4,b\n" * 20, train_size=train_size)
    absent = {
        split: [name for i, name in enumerate(data.class_names) if i not in y[:size].tolist()]
        for size, (split, (_, y)) in zip(
            (train_size, None, None), data.points().items(), strict=True
        )
    }
    assert sum("rare" in names for names in absent.values()) >= 2
    warnings = data.warnings()
    assert len(warnings) == sum(map(bool, absent.values()))
    for split, names in absent.items():
        text = f"points.csv: no example of the split {split} has the label {', '.join(names)};"
        assert any(text in warning for warning in warnings) == bool(names)


GOOD = "1,2,a\n3,4,b\n" * 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"points\.csv: examples: 0; must be at least 5"),
        ("x,y,label\n", r"points\.csv: examples: 0; must be at least 5"),
        ("1,2,a\n3,4,b\n", r"points\.csv: examples: 2; must be at least 5"),
        ("1,2,a\n" * 5, r"points\.csv: all examples have the label 'a'; must be two or more"),
        (GOOD + "1,2\n", r"line 11: columns: 2, separated by comma; must be 3: two features and a"),
        ("1;2;a\n3;b\n", r"line 2: columns: 2, separated by semicolon; must be 3"),
        ("1\t2\ta\n3\t4\n", r"line 2: columns: 2, separated by tab; must be 3"),
        ("1.5 2 a\n3 4 b\n", r"line 1: columns: 1, separated by comma; must be 3"),
        ("1,5;2,0;a\n3,0;4,0;b\n", r"line 2: '3,0' is not a finite number \(decimal comma\?\)"),
        ("1;2,0;a\n3,0;4,0;b\n", r"line 1: '2,0' is not a finite number \(decimal comma\?\)"),
        (GOOD + "1_0,2,a\n", r"line 11: '1_0' is not a finite number"),
        (GOOD + '1,2,"a\n' + GOOD, r"line 11: a quote is not closed"),
        (GOOD + '1,2,"a\n' + GOOD + '1,2,b"\n', r"line 11: a quote is not closed"),
        ('1,2,"a\n', r"line 1: a quote is not closed"),
        ('1;2;"a\n3;4;b\n', r"line 1: a quote is not closed"),
        (GOOD + '1,"2"0,a\n', r"line 11: ',' expected after '\"'"),
        ("x,x,label\n" + GOOD, r"line 1: the names of the columns must differ: x, x, label"),
        ("x,y,x\n" + GOOD, r"line 1: the names of the columns must differ"),
        (",,a\n" + GOOD, r"line 1: the name of a column is missing"),
        (GOOD.replace("a", "0").replace("b", "0.0"), r"labels '0' and '0.0' are the same number"),
        ("1,2,1\n3,4,1e0\n5,6,2\n" * 5, r"labels '1' and '1e0' are the same number"),
        (GOOD + "1;2;a\n", r"line 11: columns: 1, separated by comma; must be 3"),
        ("a\n" + GOOD, r"line 1: columns: 1, separated by comma; must be 3"),
        (GOOD + "1,zwei,a\n", r"line 11: 'zwei' is not a finite number"),
        ("1,zwei,a\n" + GOOD, r"line 1: 'zwei' is not a finite number"),
        (GOOD + "x,y,label\n", r"line 11: 'x' is not a finite number"),
        (GOOD + "\n1,nan,a\n", r"line 12: 'nan' is not a finite number"),
        (GOOD + "inf,1,a\n", r"line 11: 'inf' is not a finite number"),
        (GOOD + "1e39,1,a\n", r"line 11: '1e39' is not a finite number"),
        (GOOD + ",1,a\n", r"line 11: '' is not a finite number"),
        (GOOD + "1,1,\n", r"line 11: the label is missing"),
        (GOOD.encode() + b"1,1,\xff\n", r"points\.csv: line 11: not a text file in UTF-8"),
        (GOOD.encode("utf-16"), r"points\.csv: line 1: not a text file in UTF-8"),
        ("PNG\0\0\0", r"points\.csv: line 1: columns: 1"),
        ('1,2,"' + "a" * 200_000, r"points\.csv: line 1: field larger than field limit"),
    ],
)  # fmt: skip
def test_an_invalid_file_is_reported_in_one_line(
    content: str | bytes, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message) as raised:
        from_file(tmp_path, content)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    for place, message in ((tmp_path / "none.csv", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UserError, match=f"{place}: {message}"):
            PointsFile(file=str(place), standardize=True, points_seed=0, **COMMON)


def test_train_size_is_at_most_the_number_of_training_rows(tmp_path: Path) -> None:
    assert from_file(tmp_path, FLOWERS, train_size=12)
    with pytest.raises(UserError, match=r"data\.train_size=13: must be at most 12"):
        from_file(tmp_path, FLOWERS, train_size=13)
