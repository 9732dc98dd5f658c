"""CSV files: columns, header, quotes, splits, standardization, and mistakes by line."""

import csv
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig
from sklearn.linear_model import LogisticRegression

from mlp_lab.data.csv_file import CSVFile
from mlp_lab.data.split_examples import split_rows
from mlp_lab.errors import UserError
from mlp_lab.runs.train import train

OPTIONS: dict[str, Any] = {
    "batch_size": 10, "seed": 0, "limits": {}, "train_size": None, "target": None,
    "features": None, "kind": "classification", "header": None, "split_seed": 0,
    "stratify": False, "standardize": False, "standardize_targets": False,
}  # fmt: skip

FLOWERS = "length,width,flower\n" + "".join(
    f"{i},{i * i / 10},{'rose' if i % 3 else 'aster'}\n" for i in range(20)
)


def from_file(tmp_path: Path, content: str | bytes, **options: Any) -> CSVFile:
    path = tmp_path / "points.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return CSVFile(path=str(path), **OPTIONS | options)


def tensors(data: CSVFile, split: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets of a split."""
    x, y = data.read(torch.device("cpu"))[split]
    return x.numpy(), y.numpy()


def test_a_file_is_divided_into_splits(tmp_path: Path) -> None:
    data = from_file(tmp_path, FLOWERS)
    assert (data.feature_names, data.class_names) == (("length", "width"), ("aster", "rose"))
    assert (data.in_features, data.out_features, data.target_name) == (2, 1, "flower")
    data.setup()
    assert [len(y) for _, y in data.splits.values()] == [12, 4, 4]
    x, y = (torch.cat(part) for part in zip(*data.splits.values(), strict=True))
    for (length, width), label in zip(x.tolist(), y.tolist(), strict=True):
        assert width == pytest.approx(length**2 / 10)
        assert label == int(length % 3 > 0)
    assert sorted(x[:, 0].tolist()) == list(range(20))
    other = from_file(tmp_path, FLOWERS, split_seed=1)
    assert not np.array_equal(tensors(other)[0], tensors(data)[0])


@given(
    st.lists(st.integers(0, 4), min_size=5, max_size=200).map(np.array), st.integers(0, 2**32 - 1)
)
def test_stratified_splits_have_a_fifth_of_each_class(groups: np.ndarray, seed: int) -> None:
    rows = split_rows(len(groups), seed, groups)
    assert sorted(np.concatenate(list(rows.values()))) == list(range(len(groups)))
    for split in ("validation", "test"):
        assert abs(len(rows[split]) - len(groups) / 5) < 1
        counts = Counter(groups[rows[split]].tolist())
        for group, size in Counter(groups.tolist()).items():
            assert abs(counts[group] - size / 5) < 1
    again = split_rows(len(groups), seed, groups)
    assert all(np.array_equal(rows[split], again[split]) for split in rows)


@given(st.integers(5, 300), st.integers(0, 2**32 - 1))
def test_splits_without_groups_are_disjoint_and_complete(count: int, seed: int) -> None:
    rows = split_rows(count, seed)
    assert sorted(np.concatenate(list(rows.values()))) == list(range(count))
    assert len(rows["validation"]) == len(rows["test"]) == count // 5


def test_inputs_and_targets_are_standardized_by_the_training_examples(tmp_path: Path) -> None:
    numbers = FLOWERS.replace("rose", "7.5").replace("aster", "-2")
    options = {"kind": "regression"}
    plain = from_file(tmp_path, numbers, **options)
    data = from_file(tmp_path, numbers, standardize=True, standardize_targets=True, **options)
    (raw_x, _), of_training = tensors(plain), tensors(data)
    for scaled in of_training:
        np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-6)
        np.testing.assert_allclose(scaled.std(0), 1, rtol=1e-6)
    for split in ("train", "validation", "test"):
        (x, y), (expected_x, expected_y) = tensors(data, split), tensors(plain, split)
        np.testing.assert_allclose(x, (expected_x - raw_x.mean(0)) / raw_x.std(0), atol=1e-6)
        np.testing.assert_allclose(data.features(x), expected_x, atol=1e-5)
        np.testing.assert_allclose(data.from_features(expected_x), x, atol=1e-6)
        np.testing.assert_allclose(data.values(y), expected_y, atol=1e-5)
    # The deviation of a number that is not exact in binary is not exactly 0.
    for value in ("1", "0.1"):
        constant = from_file(tmp_path, f"{value},2,a\n{value},3,b\n" * 50, standardize=True)
        np.testing.assert_allclose(tensors(constant)[0][:, 0], 0, atol=1e-6)


def test_spellings_of_missing_values_are_classes_with_a_warning(tmp_path: Path) -> None:
    data = from_file(tmp_path, "1,2,x\n1.5,3,NA\n" * 5)
    assert data.class_names == ("NA", "x")
    [warning] = [each for each in data.warnings() if "missing value" in each]
    assert warning.endswith("points.csv: 'NA' is a class of x3, not a missing value")


def test_a_named_target_of_a_file_without_header(tmp_path: Path) -> None:
    data = from_file(tmp_path, "0.5,3,7\n1.5,2,8\n" * 5, target="x3")
    assert (data.feature_names, data.target_name) == (("x1", "x2"), "x3")
    assert sum(len(tensors(data, split)[1]) for split in ("train", "validation", "test")) == 10


COLUMNS = "id,height,label,width\n" + "".join(f"{i},{i / 7:.4f},{i % 3},{-i}\n" for i in range(30))


@pytest.mark.parametrize(
    ("options", "names", "target"),
    [
        ({}, ["id", "height", "label"], "width"),
        ({"target": "label"}, ["id", "height", "width"], "label"),
        ({"target": "3", "features": ["width", "2"]}, ["width", "height"], "label"),
        ({"target": "1", "features": ["height"]}, ["height"], "id"),
    ],
)
def test_columns_are_chosen_by_name_or_number(
    options: dict, names: list[str], target: str, tmp_path: Path
) -> None:
    """Compare with the csv module's reading of the columns by name."""
    data = from_file(tmp_path, COLUMNS, kind="regression", header=True, **options)
    assert (list(data.feature_names), data.target_name) == (names, target)
    rows = list(csv.DictReader(COLUMNS.splitlines()))
    expected = sorted([float(row[name]) for name in [*names, target]] for row in rows)
    data.setup()
    splits = [torch.cat([x, y], 1) for x, y in data.splits.values()]
    actual = sorted(torch.cat(splits).tolist())
    np.testing.assert_allclose(actual, expected, rtol=1e-6)
    if target == "label":
        classes = from_file(tmp_path, COLUMNS, header=True, **options)
        assert (classes.class_names, classes.out_features) == (("0", "1", "2"), 3)


@pytest.mark.parametrize(
    ("content", "options", "examples"),
    [
        ("1,2,a\n3,4,b\n" * 5, {"header": False}, 10),
        ("a,b,c\n" + "1,2,x\n3,4,y\n" * 5, {"header": True}, 10),
        ("1,2,x\n" * 3 + "3,4,y\n" * 5, {"header": True}, 7),
        ("2020,2021,kind\n" + "1,2,x\n3,4,y\n" * 5, {"header": True, "target": "kind"}, 10),
        ("1,a,2\n3,b,4\n" * 5, {"target": "2"}, 10),
        ("x,y,a\n" + "1,2,b\n3,4,c\n" * 5, {"target": "a"}, 10),
    ],
)  # fmt: skip
def test_the_header_is_detected_or_given(
    content: str, options: dict, examples: int, tmp_path: Path
) -> None:
    data = from_file(tmp_path, content, **options)
    assert (
        sum(len(tensors(data, split)[1]) for split in ("train", "validation", "test")) == examples
    )


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
    for split in ("train", "validation", "test"):
        for one, other in zip(tensors(data, split), tensors(expected, split), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("train_size", [None, 3])
def test_classes_without_examples_in_a_split_are_warned_about(
    train_size: int | None, tmp_path: Path
) -> None:
    assert not from_file(tmp_path, FLOWERS).warnings()
    data = from_file(tmp_path, "1,2,rare\n" + "1,2,a\n3,4,b\n" * 20, train_size=train_size)
    absent = {
        split: [name for i, name in enumerate(data.class_names) if i not in tensors(data, split)[1]]
        for split in ("train", "validation", "test")
    }
    assert sum("rare" in names for names in absent.values()) >= 2
    warnings = [warning for warning in data.warnings() if "no example" in warning]
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
        (GOOD + "1,2\n", r"line 11: columns: 2, separated by comma; must be 3 as in the"),
        ("1;2;a\n3;b\n", r"line 2: columns: 2, separated by semicolon; must be 3"),
        ("1\t2\ta\n3\t4\n", r"line 2: columns: 2, separated by tab; must be 3"),
        ("1.5 2 a\n3 4 b\n", r"line 1: columns: 1, separated by comma; must be at least 2"),
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
        (GOOD + "\n1,nan,a\n", r"line 12: the value of x2 is missing"),
        (GOOD + "inf,1,a\n", r"line 11: 'inf' is not a finite number"),
        (GOOD + "1e39,1,a\n", r"line 11: '1e39' is not a finite number"),
        (GOOD + ",1,a\n", r"line 11: the value of x1 is missing"),
        ("w,h,label\n" + GOOD + "1,NA,a\n", r"line 12: the value of h is missing"),
        (GOOD + "1,1,\n", r"line 11: the value of x3 is missing"),
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
            CSVFile(path=str(place), **OPTIONS)


def test_train_size_is_at_most_the_number_of_training_rows(tmp_path: Path) -> None:
    assert from_file(tmp_path, FLOWERS, train_size=12)
    with pytest.raises(UserError, match=r"data\.train_size=13: must be at most 12"):
        from_file(tmp_path, FLOWERS, train_size=13)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "colour"}, r"data\.target=colour: no such column in .*points\.csv; must be one"
         r" of length, width, flower, or a number from 1 to 3"),
        ({"target": "4"}, r"data\.target=4: no such column"),
        ({"features": ["height"]}, r"data\.features=height: no such column"),
        ({"features": ["length", "flower"]}, r"data\.features=\[length,flower\]: must be"),
        ({"features": ["1", "length"]}, r"data\.features=\[1,length\]: must be different columns"),
        ({"kind": "regression"}, r"line 2: 'aster' is not a finite number"),
        ({"target": "width"}, r"points\.csv: line 2: 'aster' is not a finite number"),
    ],
)  # fmt: skip
def test_wrong_columns_are_reported(options: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        from_file(tmp_path, FLOWERS, **options)


def test_special_and_large_files_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"pipe: not a file"):
        CSVFile(path=str(tmp_path / "pipe"), **OPTIONS)
    monkeypatch.setattr("mlp_lab.data.csv_reader._MAX_BYTES", 100)
    with pytest.raises(UserError, match=r"points\.csv: has \d+ bytes; must have at most 100"):
        from_file(tmp_path, FLOWERS)


def test_numbers_as_labels_suggest_regression(tmp_path: Path) -> None:
    numbers = "".join(f"{i},{i / 3}\n" for i in range(20))
    with pytest.raises(UserError, match=r"labels: 20 of 20 .* at most 10 \(data\.kind=regression"):
        from_file(tmp_path, numbers)


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """``table(targets_of)``: write a CSV file of 300 examples with three features."""

    def write(targets_of: Callable[[np.ndarray], np.ndarray]) -> Path:
        x = np.random.default_rng(0).normal([5, -3, 0], [1, 10, 0.1], (300, 3))
        path = tmp_path / "table.csv"
        lines = [",".join(map(repr, row)) for row in np.c_[x, targets_of(x)].tolist()]
        path.write_text("a,b,c,target\n" + "\n".join(lines))
        return path

    return write


LINEAR = [
    "network=mlp", "network.depth=0", "callbacks=none", "logger=none", "data=csv",
    "trainer.accelerator=cpu", "trainer.precision=64-true", "trainer.max_epochs=300",
    "trainer.check_val_every_n_epoch=100",
    "data.batch_size=1000", "optimizer=sgd", "select.metric=loss",
]  # fmt: skip


def test_linear_regression_reaches_the_least_squares_solution(
    table: Callable[..., Path], compose: Callable[..., DictConfig], tmp_path: Path
) -> None:
    noise = np.random.default_rng(1).normal(0, 20, 300)
    path = table(lambda x: 1000 + x @ [30, 2, 400] + noise)
    overrides = [*LINEAR, "task=regression", "data.kind=regression", f"data.path='{path}'"]
    cfg = compose(*overrides, "optimizer.lr=0.5", f"logs='{tmp_path}'")
    result = train(cfg)
    data = CSVFile(path=str(path), **OPTIONS | {"kind": "regression"})
    (x, y), (test_x, test_y) = tensors(data), tensors(data, "test")
    solution, *_ = np.linalg.lstsq(np.c_[x, np.ones(len(x))], y, rcond=None)
    errors = np.c_[test_x, np.ones(len(test_x))] @ solution - test_y
    assert result.last is not None
    # Targets are measured in standard deviations of the training targets.
    expected = ((errors / y.std()) ** 2).mean()
    assert result.evaluations[0].metrics["squared_error"] == pytest.approx(
        expected.mean(), rel=0.05
    )
    residual = np.c_[x, np.ones(len(x))] @ solution - y
    trained = result.last["squared_error/train"]
    assert trained == pytest.approx(((residual / y.std()) ** 2).mean(), rel=1e-4)


def test_logistic_regression_agrees_with_scikit_learn(
    table: Callable[..., Path], compose: Callable[..., DictConfig], tmp_path: Path
) -> None:
    random = np.random.default_rng(1).logistic(0, 1, 300)
    path = table(lambda x: ((x - [5, -3, 0]) / [1, 10, 0.1] @ [2, -1, 1] + random > 0).astype(int))
    cfg = compose(
        *LINEAR, "task=classification", f"data.path='{path}'", "data.stratify=true",
        "optimizer.lr=2", f"logs='{tmp_path}'",
    )  # fmt: skip
    result = train(cfg)
    data = CSVFile(path=str(path), **OPTIONS | {"stratify": True, "standardize": True})
    x, y = tensors(data)
    model = LogisticRegression(C=np.inf, tol=1e-8).fit(x, y)
    p = model.predict_proba(x)[range(len(y)), y]
    assert result.last is not None
    assert result.last["loss/train"] == pytest.approx(-np.log(p).mean(), rel=1e-4)
