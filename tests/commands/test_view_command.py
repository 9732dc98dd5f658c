"""``scripts/view.py``: TensorBoard in a browser shows the runs."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from mlp_lab.config.compose import CONFIG_FOLDER
from mlp_lab.runs.train import train
from mlp_lab.sweeps.comparison.answer import compare

_SECONDS = 120  # TensorBoard and Chromium start slowly on a busy machine
# All texts of the page in their order. TensorBoard's elements have shadow roots.
_TEXTS = """
const texts = [];
const collect = (node) => {
  if (node.shadowRoot) collect(node.shadowRoot);
  for (const child of node.childNodes) {
    const text = child.nodeType === Node.TEXT_NODE ? child.textContent.trim() : "";
    if (text) texts.push(text);
    if (!["SCRIPT", "STYLE", "TEMPLATE"].includes(child.nodeName)) collect(child);
  }
};
collect(document.body);
return texts;
"""


@pytest.fixture
def browser() -> Iterator[WebDriver]:
    """Chromium without a window."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        if os.environ.get("MLP_LAB_BROWSER"):
            pytest.fail("MLP_LAB_BROWSER is set, but chromium or chromedriver is not installed")
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield browser
    browser.quit()


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
        browser.get("about:blank")
        browser.get(f"{address.partition('#')[0]}#{page}")
        wait = WebDriverWait(browser, _SECONDS)
        wait.until(lambda _: expected <= set(browser.execute_script(_TEXTS)), f"{expected}")
        return browser.execute_script(_TEXTS)

    assert address.endswith("#custom_scalars")
    runs = {"width=2", "width=3"}
    texts_of("custom_scalars", runs | {"training and validation", "loss", "error"})
    texts_of("hparams", runs | {"network.width", "best epoch: loss/train"})
    groups = ["all_runs", "error", "loss", "~best"]
    texts = texts_of("timeseries", {*runs, *groups})
    shown = list(dict.fromkeys(text for text in texts if text in groups))
    assert shown == groups
    assert not [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]
