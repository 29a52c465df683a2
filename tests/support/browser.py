"""Chromium for tests and measurements: without a network, recording every request, message and error of a page."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--no-sandbox",  # as root, in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find() -> str:
    """Return the path of an installed Chromium. Raises RuntimeError, with what to install, if there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise RuntimeError(
        f"the tests marked `browser` need Chromium: apt-get install chromium (none of {', '.join(NAMES)} is installed)"
    )


@contextmanager
def started() -> Iterator[Any]:
    """Start a browser and close it at the end. Raises RuntimeError if playwright is not installed."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise RuntimeError(
            'the tests marked `browser` need playwright: pip install -c constraints.txt -e ".[browser]"'
        ) from None
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find(), headless=True, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def wait(page: Any, condition: str, timeout: float = 30.0) -> None:
    """Wait until a JavaScript expression is true. Evaluated from outside, because the page's policy forbids `eval`.

    Raises TimeoutError.
    """
    end = time.monotonic() + timeout
    while not page.evaluate(condition):
        if time.monotonic() > end:
            raise TimeoutError(f"not true within {timeout:g} s: {condition}")
        page.wait_for_timeout(20)


class Visit:
    """A page opened from the disk without a network. Records its `requests`, and its messages and errors."""

    def __init__(self, browser: Any, path: Path, fragment: str = "", scheme: str = "light", **context: Any):
        size = {"width": 1280, "height": 900}
        self.context = browser.new_context(offline=True, color_scheme=scheme, **{"viewport": size} | context)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.messages: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self._record(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.url = path.resolve().as_uri()
        self.page.goto(self.url + (f"#{fragment}" if fragment else ""))
        self.settle()

    def _record(self, message: str) -> None:
        # Chromium's advice for pages that read a canvas often, as these tests do.
        if "willReadFrequently" not in message:
            self.messages.append(message)

    def settle(self) -> None:
        """Wait until the page is drawn."""
        wait(self.page, "document.body.getAttribute('aria-busy') === 'false'")
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def click(self, where: str) -> None:
        self.page.click(where)
        self.settle()

    def hover(self, where: str, **more: Any) -> None:
        self.page.hover(where, **more)
        self.settle()

    def pixels(self, canvas: str) -> str:
        """Return the picture on a canvas as a data URL: equal only if every pixel is."""
        picture: str = self.page.evaluate("(name) => document.querySelector(name).toDataURL()", canvas)
        return picture

    def dot(self, canvas: str, x: float, y: float) -> tuple[int, ...]:
        """Return the colour at a position on a canvas, in the page's pixels."""
        return tuple(
            self.page.evaluate(
                """([name, x, y]) => {
                  const canvas = document.querySelector(name), dots = canvas.width / canvas.clientWidth;
                  return [...canvas.getContext("2d").getImageData(x * dots, y * dots, 1, 1).data];
                }""",
                [canvas, x, y],
            )
        )

    def text(self, where: str) -> str:
        found: str = self.page.inner_text(where)
        return found

    def close(self) -> None:
        self.context.close()
