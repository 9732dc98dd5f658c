"""``scripts/view.py``: TensorBoard in a browser shows the runs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from mlp_lab.commands.screenshots import (
    PAGES,
    headless_chromium,
    open_page,
    page_texts,
    save_screenshots,
)
from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.runs.train import train
from mlp_lab.sweeps.comparison.answer import compare

_SECONDS = 120  # TensorBoard and Chromium start slowly on a busy machine


@pytest.fixture
def browser() -> Iterator[WebDriver]:
    """Chromium without a window."""
    if not all(map(shutil.which, ("chromium", "chromedriver"))):
        if os.environ.get("MLP_LAB_BROWSER"):
            pytest.fail("MLP_LAB_BROWSER is set, but chromium or chromedriver is not installed")
        pytest.skip("chromium and chromedriver are not installed")
    with headless_chromium() as browser:
        yield browser


@pytest.fixture
def address(tmp_path: Path, compose: Callable) -> Iterator[str]:
    """Address of the command that shows a sweep of two runs."""
    common = ["experiment=points_mlp", "callbacks=none", "trainer.max_epochs=3", "data.size=20"]
    for width in (2, 3):
        overrides = [*common, f"network.width={width}"]
        train(compose(*overrides), overrides, tmp_path / f"logs/{width}")
    compare([str(tmp_path / "logs")])
    script = CONFIG_FOLDER.parent / "scripts/view.py"
    command = [sys.executable, str(script), str(tmp_path / "logs")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("2 runs: http://127.0.0.1:")
        yield line.split()[2]
        process.send_signal(signal.SIGINT)
        assert process.wait(_SECONDS) == 130


@pytest.mark.slow
def test_a_port_in_use_is_one_line(address: str, tmp_path: Path) -> None:
    port = address.partition("#")[0].rstrip("/").rpartition(":")[2]
    script = CONFIG_FOLDER.parent / "scripts/view.py"
    command = [sys.executable, str(script), str(tmp_path / "logs"), "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"mlp_lab: --port {port}: TensorBoard could not bind")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_pages(browser: WebDriver, address: str) -> None:
    def texts_of(page: str, expected: set[str]) -> list[str]:
        """Return the texts of a page, when it shows those expected."""
        open_page(browser, address, page)
        wait = WebDriverWait(browser, _SECONDS)
        wait.until(lambda _: expected <= set(page_texts(browser)), f"{expected}")
        return page_texts(browser)

    assert address.endswith("#custom_scalars")
    runs = {"width=2", "width=3"}
    texts_of("custom_scalars", runs | {"training and validation", "loss", "error"})
    texts_of("hparams", runs | {"network.width", "best epoch: loss/train"})
    groups = ["all_runs", "error", "loss", "~best"]
    texts = texts_of("timeseries", {*runs, *groups})
    shown = list(dict.fromkeys(text for text in texts if text in groups))
    assert shown == groups
    assert not [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]


@pytest.mark.slow
def test_images_are_served(address: str) -> None:
    plugin = f"{address.partition('#')[0]}data/plugin/images"

    def answer(request: str) -> Any:
        with urllib.request.urlopen(f"{plugin}/{request}") as content:
            return json.load(content)

    end = time.monotonic() + _SECONDS
    while not (tags := answer("tags")) and time.monotonic() < end:
        time.sleep(1)
    assert tags
    for run, names in tags.items():
        for tag in names:
            query = urllib.parse.urlencode({"run": run, "tag": tag, "sample": 0})
            assert answer(f"images?{query}"), tag


@pytest.mark.slow
@pytest.mark.usefixtures("browser")  # skips the test if there is none
def test_screenshots(address: str, tmp_path: Path) -> None:
    save_screenshots(address, tmp_path / "pages")
    for page in PAGES:
        with Image.open(tmp_path / f"pages/{page}.png") as image:
            # A page that is empty or not yet loaded has few colours.
            assert len(image.convert("RGB").getcolors(1 << 24) or []) > 100
