"""A real Chromium for tests and measurements: offline, and every request, message and error of a page is kept."""

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
    """The path of an installed Chromium. Raises RuntimeError, which says what to install."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise RuntimeError(
        f"the tests marked `browser` need Chromium: apt-get install chromium (there is no {', '.join(NAMES)})"
    )


@contextmanager
def started() -> Iterator[Any]:
    """A browser, closed at the end. Raises RuntimeError if the package that drives it is not installed."""
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


def wait(page: Any, there: str, patience: float = 30.0) -> None:
    """Until the expression holds. Asked from outside: the policy of the page lets nobody evaluate text inside it.

    Raises TimeoutError.
    """
    end = time.monotonic() + patience
    while not page.evaluate(there):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {patience:g} s: {there}")
        page.wait_for_timeout(20)


class Visit:
    """A page opened from the disk with the network off. `requests` and `complaints` are all that it made."""

    def __init__(self, browser: Any, path: Path, fragment: str = "", scheme: str = "light", **context: Any):
        size = {"width": 1280, "height": 900}
        self.context = browser.new_context(offline=True, color_scheme=scheme, **{"viewport": size} | context)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self._hear(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.url = path.resolve().as_uri()
        self.page.goto(self.url + (f"#{fragment}" if fragment else ""))
        self.settle()

    def _hear(self, said: str) -> None:
        # Chromium's advice to whoever reads a canvas often, which is these tests.
        if "willReadFrequently" not in said:
            self.complaints.append(said)

    def settle(self) -> None:
        """Wait until what is shown is drawn."""
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
        """What is drawn, as a picture in text: equal only if every dot is."""
        picture: str = self.page.evaluate("(name) => document.querySelector(name).toDataURL()", canvas)
        return picture

    def dot(self, canvas: str, x: float, y: float) -> tuple[int, ...]:
        """The colour of the dot at a place given in the page's pixels from the canvas's corner."""
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
