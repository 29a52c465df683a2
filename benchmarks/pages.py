"""Measure the page of `attend` in Chromium: size, time to the first view and to switch heads; compared with bertviz.

    python -m benchmarks.pages

Both draw the same random maps of 12 × 12 heads. Each page is opened from the disk, several times, in a new tab without
a network. First view: from the start of navigation to the frame after the first lines. Switch: from the key press to
the end of the frame with the next head, by the page's own clock. bertviz is installed into its own environment
(--bertviz, made by the first run). Its pages load three scripts from the network: they are opened once without a
network, then with these three scripts, and nothing else, served from the disk.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import pages_bertviz, record
from tests.support import browser

PAGE = record.ROOT / "docs" / "results.md"
MARKS = ("<!-- pages table -->", "<!-- /pages table -->")
VIEWS = ("head_view", "model_view")
BERTVIZ_REPEATS = 3  # its pages take up to 40 seconds
TIMEOUT = 120  # seconds to draw a page of bertviz; three times as long to write it
LIMITS = {128: {"size": 4_000_000, "first": 1000}, 512: {"size": 55_000_000, "first": 3000}}
SWITCH = 50

# Records, by the page's own clock, the first frame in which the expression THERE holds.
WATCH = """
  const look = () => {
    if (THERE) requestAnimationFrame(() => { window.firstView = performance.now(); });
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
"""
OURS = "performance.getEntriesByName('first view').length"
THEIRS = "document.querySelector('svg line, svg image, svg rect')"

# For each key: the milliseconds from the key press to the end of the next frame.
SWITCHES = """async ([keys, pause]) => {
  const found = [];
  for (const key of keys) {
    const start = performance.now();
    document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    await new Promise((done) => requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = done;
      channel.port2.postMessage(0);
    }));
    found.push(performance.now() - start);
    await new Promise((done) => setTimeout(done, pause));
  }
  return found;
}"""
ALL_DRAWN = "[...document.querySelectorAll('.cell')].every((cell) => cell.dataset.drawn)"


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    p.add_argument("--repeats", type=int, default=7)
    p.add_argument("--tokens", type=int, nargs="+", default=[128, 512])
    p.add_argument("--bertviz", type=Path, default=record.ROOT / ".venv-bertviz", metavar="FOLDER")
    p.add_argument("--without-bertviz", action="store_true")
    p.add_argument(
        "--output", type=Path, metavar="FOLDER", help="folder of the record; leaves docs/results.md unchanged"
    )
    return p


def main() -> None:
    arguments = parser().parse_args()
    content = record.surroundings() | {"repeats": arguments.repeats, "load_before": os.getloadavg()[0], "tokens": {}}
    python = None if arguments.without_bertviz else prepare(arguments.bertviz)
    with tempfile.TemporaryDirectory() as name, browser.started() as chromium:
        content["chromium"] = chromium.version
        for S in arguments.tokens:
            maps = random_maps(S)
            found: dict[str, Any] = {"minitf": ours(chromium, Path(name), maps, arguments.repeats)}
            print(S, found, flush=True)
            if python is not None:
                np.savez(Path(name) / "maps.npz", A=maps.A, tokens=np.array(maps.tokens))
                scripts, fewer = (
                    pages_bertviz.scripts(arguments.bertviz),
                    min(arguments.repeats, BERTVIZ_REPEATS),
                )
                for view in VIEWS:
                    found[f"bertviz {view}"] = theirs(chromium, Path(name), python, scripts, view, fewer)
                    print(S, view, found[f"bertviz {view}"], flush=True)
            content["tokens"][str(S)] = found
    content["within_limits"] = within(content["tokens"])
    print(table(content))
    print(f"written: {record.write('pages', content, arguments.output or record.RESULTS)}")
    if arguments.output is None:
        publish(content)


def prepare(folder: Path) -> Path:
    return pages_bertviz.prepare(folder.resolve(), record.ROOT / "constraints.txt")


def random_maps(S: int, L: int = 12, H: int = 12) -> Any:
    """Make maps with peaks, as real ones have: softmax of normal numbers with a larger diagonal and first key."""
    from minitf.attention_maps.maps import AttentionMaps

    rng = np.random.default_rng(0)
    A = np.empty((L, H, S, S), dtype=np.float32)
    for layer, h in np.ndindex(L, H):
        scores = rng.normal(size=(S, S)) * 2 + 4 * np.eye(S, k=-(h % 3)) + 3 * (np.arange(S) == 0)
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        A[layer, h] = powers / powers.sum(axis=-1, keepdims=True)
    tokens = ("[CLS]", *(f"word{i}" for i in range(1, S - 1)), "[SEP]")
    special = tuple(token.startswith("[") for token in tokens)
    return AttentionMaps("random", " ".join(tokens[1:-1]), None, tokens, (0,) * S, special, A, (), ())


def ours(chromium: Any, folder: Path, maps: Any, repeats: int) -> dict[str, Any]:
    from minitf.attention_maps import page

    path = folder / "minitf.html"
    page.save(page.html(maps), path)
    first, switches, layers, grids = [], [], [], []
    for _ in range(repeats):
        tab = Tab(chromium, path, OURS)
        first.append(tab.first_view(30))
        browser.wait(tab.page, "document.readyState === 'complete'")
        tab.page.wait_for_timeout(500)
        switches += tab.page.evaluate(SWITCHES, [["ArrowRight"] * 11 + ["ArrowLeft"] * 11, 120])
        layers += tab.page.evaluate(SWITCHES, [["ArrowDown"] * 11, 120])
        start = tab.page.evaluate("performance.now()")
        tab.page.keyboard.press("2")
        browser.wait(tab.page, ALL_DRAWN)
        grids.append(tab.page.evaluate("performance.now()") - start)
        assert tab.failures == [], tab.failures
        tab.close()
    return {
        "size": path.stat().st_size,
        "first_view_ms": spread(first),
        "head_switch_ms": spread(switches),
        "layer_switch_ms": spread(layers),
        "all_heads_ms": spread(grids),
    }


def theirs(
    chromium: Any, folder: Path, python: Path, scripts: dict[str, bytes], view: str, repeats: int
) -> dict[str, Any]:
    """Measure bertviz's page, without a network and with its scripts served."""
    path = folder / "bertviz.html"
    path.unlink(missing_ok=True)
    command = [str(python), str(Path(pages_bertviz.__file__)), str(folder / "maps.npz"), str(path), view]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=3 * TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return {"fails": f"its page was not written within {3 * TIMEOUT} s"}
    if done.returncode:
        return {"fails": "its page could not be written: " + (done.stderr.strip().splitlines() or ["killed"])[-1]}
    found: dict[str, Any] = {"size": path.stat().st_size}
    offline = Tab(chromium, path, THEIRS)
    drawn = offline.first_view(10)
    found["offline"] = "drawn" if drawn is not None else "nothing drawn: " + "; ".join(offline.failures[:2])
    offline.close()
    first = []
    for _ in range(repeats):
        tab = Tab(chromium, path, THEIRS, scripts)
        value = tab.first_view(TIMEOUT)
        failures = tab.failures
        tab.close()
        if value is None:
            errors = "; ".join(failures[:2]) or "no error"
            return found | {"fails": f"nothing drawn within {TIMEOUT} s, with its scripts ({errors})"}
        first.append(value)
    return found | {"first_view_ms": spread(first)}


class Tab:
    """A page in a new tab without a network; requests for `scripts` are answered from the disk."""

    def __init__(self, chromium: Any, path: Path, there: str, scripts: dict[str, bytes] | None = None):
        self.context = chromium.new_context(viewport={"width": 1280, "height": 900})
        self.page = self.context.new_page()
        self.failures: list[str] = []
        self.page.on("pageerror", lambda error: self.failures.append(str(error).splitlines()[0][:160]))
        self.page.on("requestfailed", lambda request: self.failures.append(f"cannot fetch {request.url}"))
        self.page.on("crash", lambda _: self.failures.append("the tab crashed"))

        def answer(route: Any) -> None:
            body = next((b for end, b in (scripts or {}).items() if route.request.url.endswith(end)), None)
            if body is None:
                route.abort("internetdisconnected")
            else:
                route.fulfill(body=body, content_type="text/javascript")

        self.page.route(lambda url: not url.startswith("file:"), answer)
        self.page.add_init_script(WATCH.replace("THERE", there))
        self.url = path.as_uri()

    def first_view(self, timeout: float) -> float | None:
        """Return the milliseconds from the start of navigation, by the page's own clock; None if nothing was drawn."""
        try:
            self.page.goto(self.url, wait_until="commit", timeout=timeout * 1000)
            browser.wait(self.page, "window.firstView", timeout)
            found: float = self.page.evaluate("window.firstView")
        except Exception as error:
            self.failures.append(str(error).splitlines()[0][:160])
            return None
        return found

    def close(self) -> None:
        self.context.close()


def spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "median": round(statistics.median(ordered), 1),
        "least": round(ordered[0], 1),
        "p95": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 1),
        "most": round(ordered[-1], 1),
        "n": len(ordered),
    }


def within(tokens: dict[str, Any]) -> bool:
    """Return whether every limit is kept."""
    kept = []
    for S, found in tokens.items():
        limits, mine = LIMITS.get(int(S)), found["minitf"]
        if limits:
            kept += [mine["size"] <= limits["size"], mine["first_view_ms"]["median"] <= limits["first"]]
            kept.append(mine["head_switch_ms"]["median"] < SWITCH)
    return all(kept)


def table(content: dict[str, Any]) -> str:
    """Format the results for docs/results.md."""
    setting = (
        f"`{content['command']}`, commit {content['commit'][:7]}, {content['date']}; Chromium {content['chromium']}"
        f" without a graphics card, {content['cores']} cores ({content['cpu']}), {content['repeats']} openings each"
        f" (bertviz: {min(content['repeats'], BERTVIZ_REPEATS)});"
        " medians, the 95th percentile in brackets."
    )
    lines = [
        setting,
        "",
        "| 12 × 12 heads | file | first view | next head | next layer | all heads drawn |",
        "|---|---|---|---|---|---|",
    ]
    notes = []
    for S, found in content["tokens"].items():
        for who, measured in found.items():
            cells = [f"{measured['size'] / 1e6:.1f} MB" if "size" in measured else "–"]
            for name in ("first_view_ms", "head_switch_ms", "layer_switch_ms", "all_heads_ms"):
                value = measured.get(name)
                cells.append(f"{value['median']:.0f} ms ({value['p95']:.0f})" if value else "–")
            lines.append(f"| {S} tokens, {who} | " + " | ".join(cells) + " |")
            if "fails" in measured:
                notes.append(f"- {who} at {S} tokens fails: {measured['fails']}.")
            if measured.get("offline", "drawn") != "drawn":
                notes.append(f"- {who} at {S} tokens, without a network: {measured['offline']}.")
    return "\n".join(lines + (["", *notes] if notes else []))


def publish(content: dict[str, Any]) -> None:
    """Replace the table between the marks in docs/results.md. Raises ValueError if the marks are missing."""
    before, start, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not start or not end:
        raise ValueError(f"{PAGE} has no {MARKS[0]} … {MARKS[1]}")
    PAGE.write_text(f"{before}{start}\n{table(content)}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
