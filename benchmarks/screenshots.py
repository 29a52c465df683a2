"""Make the pictures of every view of the page, light and dark, in docs/attention/.

    python -m benchmarks.screenshots --classifier runs/reviews-1/best --masked-lm FOLDER --dates runs/dates/best

`--classifier` is the model that the README's first command trains, `--masked-lm` any checkpoint with a masked-LM head
(`python -m benchmarks.little_masked_lm FOLDER` trains one), `--dates` the encoder-decoder that
`python -m minitf.finetune --train dates --task seq2seq --from-scratch --output runs/dates` trains. Of a model that is
left out there are no pictures.
"""

import argparse
import dataclasses
import io
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import record
from tests.support import browser

FOLDER = record.ROOT / "docs" / "attention"
TEXT = "The soup was cold, but I have been back four times since."
PAIR = "Unbelievably, nobody minds."
LONG = (
    "We had booked a table for eight and arrived late, all of us soaked, and nobody at the door so much as blinked. "
    "The menu was short, which I like, and the waiter knew it by heart, which I like even more. My mother asked for "
    "the fish without its sauce and got it with two; my brother, who never eats dessert, ate mine. It was loud, it "
    "was warm, the bread kept coming, and when the lights went out for a minute the cook walked through the room with "
    "a candle and a joke. I would not call it a good restaurant. I would call it the only one in town that I miss."
)
DATE = "3 March 2024"
MAX_SIZE = 200_000  # bytes of a picture


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m benchmarks.screenshots", description=__doc__)
    p.add_argument("--classifier", metavar="DIR")
    p.add_argument("--masked-lm", metavar="DIR")
    p.add_argument("--dates", metavar="DIR")
    p.add_argument("--output", type=Path, default=FOLDER)
    return p


def main() -> None:
    arguments = parser().parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, browser.started() as chromium:
        pages = write_pages(Path(name), arguments)
        for shot, (which, fragment, point, height) in SHOTS.items():
            if which not in pages:
                continue
            for scheme in ("light", "dark"):
                at = browser.Visit(chromium, pages[which], fragment, scheme, **screen(shot, height))
                browser.wait(at.page, "[...document.querySelectorAll('.cell')].every((cell) => cell.dataset.drawn)")
                if point:
                    at.hover(point)
                picture = small(at.page.screenshot())
                at.close()
                path = arguments.output / f"{shot}-{scheme}.png"
                assert len(picture) < MAX_SIZE, f"{path.name}: {len(picture)} bytes"
                path.write_bytes(picture)
                print(f"{path.name}  {len(picture):,} bytes")


# Name -> the page, the fragment of its address (none: as the page opens), the element under the mouse, the height.
SHOTS = {
    "head": ("classified", "view=head&layer=2&head=5", "#queries .token:nth-child(12)", 950),
    "words": ("pair", "show=a&layer=2&head=8&merge=true&hide=true&sentences=ab&threshold=0.005", "", 920),
    "long": ("long", "layer=3&head=9", "#keys .token:nth-child(12)", 920),
    "grid": ("pair", "view=grid&show=a&threshold=0", "", 860),
    "query-key": ("pair", "view=product&show=a&layer=2&head=9&query=4", "", 1210),
    "difference": ("pair", "view=grid&show=difference&threshold=0.01", "", 860),
    "compared": ("pair", "", "", 920),
    "attribution": ("classified", "", "#sentence mark:nth-of-type(4)", 860),
    "attribution-phone": ("classified", "", "", 844),
    "head-phone": ("pair", "", "", 844),
    "lens": ("lens", "view=lens", "#lens tbody tr:nth-child(5) td:last-child", 760),
    "alignment": ("dates", "", "#queries .token:nth-child(7)", 860),
    "alignment-attribution": ("dates", "view=attribution&target=6", "", 940),
}


def screen(shot: str, height: int) -> dict[str, Any]:
    phone = shot.endswith("-phone")
    return {"viewport": {"width": 390 if phone else 1200, "height": height}, "has_touch": phone, "is_mobile": phone}


def write_pages(folder: Path, arguments: argparse.Namespace) -> dict[str, Path]:
    from minitf.attention_maps import attribution, page, sequences, source_attribution
    from minitf.attention_maps.collect import collect
    from minitf.attention_maps.lens import read_layers
    from minitf.attention_maps.model import open_model

    def opened(source: str, name: str) -> Any:
        return dataclasses.replace(open_model(source), name=name)

    texts = {}
    if arguments.classifier:
        tuned, before = (
            opened(arguments.classifier, "MiniLM, fine-tuned"),
            opened("all-MiniLM-L6-v2", "all-MiniLM-L6-v2"),
        )
        texts["pair"] = page.html(collect(tuned, TEXT, PAIR, query_key=True), collect(before, TEXT, PAIR))
        texts["classified"] = page.html(collect(tuned, TEXT), attribution=attribution.attribute(tuned, TEXT))
        texts["long"] = page.html(collect(before, LONG, max_length=128))
    if arguments.masked_lm:
        reader, hidden = opened(arguments.masked_lm, "a masked language model"), TEXT.replace("cold", "[MASK]")
        texts["lens"] = page.html(collect(reader, hidden), lens=read_layers(reader, hidden))
    if arguments.dates:
        writer = opened(arguments.dates, "dates, trained from scratch")
        text = sequences.read(writer, DATE)
        scores = source_attribution.attribute(writer, text)
        texts["dates"] = page.html(sequences.collect(writer, text), attribution=scores)
    for name, text in texts.items():
        page.save(text, folder / f"{name}.html")
    return {name: folder / f"{name}.html" for name in texts}


def small(picture: bytes) -> bytes:
    """Reduce the picture to 256 colours, which changes only the edges of letters."""
    from PIL import Image

    out = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256).save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    main()
