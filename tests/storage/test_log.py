"""Logging of a run to its log file, and the restored logging state afterwards."""

import errno
import logging
import threading
from pathlib import Path

import pytest

from mlp_lab.storage.log import console

log = logging.getLogger("mlp_lab.anywhere")


def state() -> tuple[object, ...]:
    logger = logging.getLogger("mlp_lab")
    logger_state = (logger.handlers, logger.level, logger.propagate)
    return *logger_state, logging.raiseExceptions, threading.excepthook


def fail_in_a_thread(fault: Exception) -> None:
    def fail() -> None:
        raise fault

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


def test_an_inner_console_restores_the_outer_one(tmp_path: Path) -> None:
    before = state()
    with console(tmp_path / "outer.log", terminal=False):
        outer = state()
        for name in ("first.log", "second.log"):
            with console(tmp_path / name, terminal=False):
                log.info("of %s", name)
            assert state() == outer
        log.info("of the outer one")
    assert state() == before
    texts = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {name: text.partition(",")[2][4:].strip() for name, text in texts.items()} == {
        "outer.log": "of the outer one", "first.log": "of first.log", "second.log": "of second.log",
    }  # fmt: skip


def test_a_full_disk_in_a_thread_is_silent_between_inner_consoles(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)  # not pytest's hook
    full = OSError(errno.ENOSPC, "No space left on device")
    with console():
        with console():
            pass
        fail_in_a_thread(full)
        assert capsys.readouterr().err == ""
        fail_in_a_thread(ValueError("a fault of the program"))
        assert "a fault of the program" in capsys.readouterr().err
    fail_in_a_thread(full)
    assert "No space left on device" in capsys.readouterr().err
