"""Images of TensorBoard's pages, made with Chromium without a window."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlp_lab.errors import UserError, first_line

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

#: Pages of TensorBoard that are saved: curves, figures, settings of runs, all values.
PAGES = ("custom_scalars", "images", "hparams", "timeseries")
_SECONDS = 120  # TensorBoard and Chromium start slowly on a busy machine
_PAUSE = 6.0  # a page is complete when it does not change for this time
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--window-size=1500,1300",
    "--hide-scrollbars",
)
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


@contextmanager
def headless_chromium() -> "Iterator[Chrome]":
    """Start Chromium without a window, and end it after the context.

    Raises UserError if Chromium, its driver or selenium is not installed, or if it does not start.
    """
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    try:
        from selenium import webdriver
        from selenium.common.exceptions import WebDriverException
    except ImportError:
        raise UserError("selenium: not installed; pip install -e '.[screenshots]'") from None
    if chromium is None or driver is None:
        raise UserError("screenshots need chromium and chromedriver; both must be installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in _FLAGS:
        options.add_argument(flag)
    try:
        browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    except WebDriverException as error:  # such as a driver of another version
        raise UserError(f"chromium: {first_line(error)}") from error
    try:
        yield browser
    finally:
        browser.quit()


def open_page(browser: "Chrome", address: str, page: str) -> None:
    """Open a page of TensorBoard.

    Args:
        browser: browser that shows it.
        address: address of TensorBoard, with or without a page.
        page: name of the page: ``hparams``.
    """
    browser.get("about:blank")  # another page of the same address would not be loaded
    browser.get(f"{address.partition('#')[0]}#{page}")


def page_texts(browser: "Chrome") -> list[str]:
    """Return all texts of the open page."""
    return list(browser.execute_script(_TEXTS))


def save_screenshots(address: str, folder: Path) -> None:
    """Write an image of each page to ``<folder>/<page>.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    with headless_chromium() as browser:
        for page in PAGES:
            open_page(browser, address, page)
            (folder / f"{page}.png").write_bytes(_complete_page(browser))


def _complete_page(browser: "Chrome") -> bytes:
    """Return an image of the open page as it is when it no longer changes."""
    end, before = time.monotonic() + _SECONDS, b""
    while (image := browser.get_screenshot_as_png()) != before and time.monotonic() < end:
        before = image
        time.sleep(_PAUSE)
    return image
