"""Checkpoint files that try to run code, to write elsewhere, or to use up the memory."""

import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

Write = Callable[[Path, str], None]  # writes a file whose code would run a shell command


class _Call:
    """An object that calls a function when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._reduced = (function, arguments)

    def __reduce__(self) -> Any:
        return self._reduced


def _python(shell: str) -> str:
    return f"__import__('os').system({shell!r})"


def _zipped(*contents: Any) -> Write:
    """Return a function that saves the objects that functions return for a shell command."""
    [content] = contents

    def write(path: Path, shell: str) -> None:
        torch.save(content(shell), path)

    return write


def _zipped_pickle(opcodes: Callable[[bytes], bytes], name: str = "archive/data.pkl") -> Write:
    """Return a function that writes an archive with a pickle of given opcodes."""

    def write(path: Path, shell: str) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, opcodes(shell.encode()))
            archive.writestr("archive/version", "3\n")
            archive.writestr("archive/byteorder", "little")

    return write


def _legacy(path: Path, shell: str) -> None:
    content = {"state_dict": _Call(os.system, shell)}
    torch.save(content, path, _use_new_zipfile_serialization=False)


def _plain_pickle(protocol: int) -> Write:
    return lambda path, shell: path.write_bytes(
        pickle.dumps({"state_dict": _Call(os.system, shell)}, protocol)
    )


def _tar(path: Path, shell: str) -> None:
    with tarfile.open(path, "w") as archive:
        for name in ("pickle", "sys_info", "storages", "tensors", "../../harmed"):
            content = pickle.dumps(_Call(os.system, shell))
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def _torchscript(path: Path, shell: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"state_dict": {}}))
        archive.writestr("archive/constants.pkl", pickle.dumps(_Call(os.system, shell)))
        archive.writestr("archive/version", "3\n")


def _outside(path: Path, shell: str) -> None:
    torch.save({"state_dict": {}}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../harmed", b"")


def _compressed(path: Path, shell: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**7))


def _overlapping(path: Path, shell: str) -> None:
    """Write an archive in which a hundred entries share the bytes of one."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data/0", bytes(10**5))
        first = archive.infolist()[0]
        for number in range(1, 100):
            entry = zipfile.ZipInfo(f"archive/data/{number}")
            for key in ("header_offset", "CRC", "compress_size", "file_size"):
                setattr(entry, key, getattr(first, key))
            archive.filelist.append(entry)
            archive.NameToInfo[entry.filename] = entry


def _string(text: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text


HOSTILE: dict[str, Write] = {
    "os.system": _zipped(lambda shell: {"state_dict": _Call(os.system, shell)}),
    "builtins.eval": _zipped(lambda shell: {"state_dict": _Call(eval, _python(shell))}),
    "builtins.exec": _zipped(lambda shell: {"state_dict": _Call(exec, _python(shell))}),
    "nested": _zipped(
        lambda shell: {"state_dict": {"w": torch.zeros(3)}, "x": [{"y": _Call(os.system, shell)}]}
    ),
    "torch.load": _zipped(lambda shell: {"state_dict": _Call(torch.load, shell)}),
    "getattr": _zipped(lambda shell: {"state_dict": _Call(getattr, _Call(eval, "1"), shell)}),
    "key of a dictionary": _zipped(lambda shell: {_Call(os.system, shell): 1, "state_dict": {}}),
    "global": _zipped_pickle(lambda shell: b"\x80\x02cos\nsystem\n" + _string(shell) + b"\x85R."),
    "inst": _zipped_pickle(lambda shell: b"\x80\x02(" + _string(shell) + b"ios\nsystem\n."),
    "obj": _zipped_pickle(lambda shell: b"\x80\x02(cos\nsystem\n" + _string(shell) + b"o."),
    "stack global": _zipped_pickle(
        lambda shell: (
            b"\x80\x04" + _string(b"os") + _string(b"system") + b"\x93" + _string(shell) + b"\x85R."
        )
    ),
    "dotted name": _zipped_pickle(
        lambda shell: (
            b"\x80\x04"
            + _string(b"torch")
            + _string(b"os.system")
            + b"\x93"
            + _string(shell)
            + b"\x85R."
        )
    ),
    "extension": _zipped_pickle(lambda shell: b"\x80\x02\x82\x01" + _string(shell) + b"\x85R."),
    "state of an object": _zipped_pickle(
        lambda shell: b"\x80\x02cos\nsystem\n}X\x01\x00\x00\x00a" + _string(shell) + b"sb."
    ),
    "pickle without end": _zipped_pickle(lambda shell: b"\x80\x02}"),
    "huge pickle": _zipped_pickle(lambda shell: b"\x80\x04\x8d" + b"\xff" * 7 + b"\x0fx."),
    "deep pickle": _zipped_pickle(lambda shell: b"\x80\x02" + b"]" * 10**5 + b"a" * 10**5 + b"."),
    "legacy": _legacy,
    "plain pickle 0": _plain_pickle(0),
    "plain pickle 4": _plain_pickle(4),
    "tar": _tar,
    "TorchScript": _torchscript,
    "name outside": _outside,
    "compressed": _compressed,
    "overlapping": _overlapping,
}
