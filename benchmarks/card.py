"""Make docs/card.png, the picture of 1200 × 630 pixels that other sites show beside a link to the project.

    python -m benchmarks.card

It shows the pictures of the README: the shaded sentence, and the differences of 297 tensors.
"""

from benchmarks import record
from benchmarks.screenshots import small
from tests.support import browser

DOCS = record.ROOT / "docs"
PAGE = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; width: 1200px; height: 630px; overflow: hidden; background: #f6f6f2; color: #1c1e21;
  font: 30px/1.3 system-ui, sans-serif; }
h1 { font-size: 76px; margin: 34px 56px 0; } p { margin: 6px 56px 24px; }
div { display: flex; gap: 24px; margin: 0 56px; align-items: flex-start; }
img { border: 1px solid #d9dce1; border-radius: 10px; background: #fff; }
.page { width: 560px; height: 362px; object-fit: cover; object-position: top; } .plot { width: 500px; }
small { display: block; margin: 12px 0 0; font-size: 22px; color: #5c6370; }
</style><h1>minitf</h1>
<p>A Transformer written by hand: every equation is one short function,<br>every tensor equals that of the reference.
</p>
<div><img class="page" src="attention/attribution-light.png">
<span><img class="plot" src="validate/float64.png"><small>297 tensors: forward pass, gradients, and weights after five
steps of AdamW differ by rounding error</small></span></div>"""


def main() -> None:
    source = DOCS / "card.html"
    source.write_text(PAGE, encoding="utf-8")
    try:
        with browser.started() as chromium:
            page = chromium.new_page(viewport={"width": 1200, "height": 630})
            page.goto(source.as_uri())
            page.wait_for_load_state("networkidle")
            (DOCS / "card.png").write_bytes(small(page.screenshot()))
    finally:
        source.unlink()


if __name__ == "__main__":
    main()
