"""The report as a page: complete, escaped, without scripts and without network access."""

from html.parser import HTMLParser

from minitf.fine_tuning import report_html

HOSTILE = '<script>alert("1")</script>&\'"'
CONTENT = {
    "title": f"title {HOSTILE}",
    "task": f"task {HOSTILE}",
    "command": f"command {HOSTILE}",
    "arguments": {"lr": 1e-3, "valid": None, f"name {HOSTILE}": f"value {HOSTILE}"},
    "versions": {"minitf": f"version {HOSTILE}"},
    "data": {"train": {"path": f"path {HOSTILE}", "rows": 3, "sha256": "0" * 64}},
    "epochs": [{"epoch": 1, "train_loss": 0.5, "seconds": 1.0, "valid": {"loss": 0.25, "macro_f1": 0.75}}],
    "best_epoch": 1,
    "valid": {
        "classes": [{"label": f"label {HOSTILE}", "precision": 0.1, "recall": 0.2, "f1": 0.3, "support": 4}],
        "confusion": [[7]],
    },
    "scores": {f"score {HOSTILE}": 0.125},
    "baseline": f"baseline {HOSTILE}",
    "learned": False,
    "mistakes": [
        {
            "row": 2,
            "text": f"text {HOSTILE}",
            "pair": f"pair {HOSTILE}",
            "true": f"true {HOSTILE}",
            "said": f"said {HOSTILE}",
            "loss": 1.5,
        }
    ],
    "mistaken": 9,
    "details": {name: f"{name} {HOSTILE}" for name in ("model", "data", "parameters")},
}


class Reader(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data) -> None:
        self.text += data


def test_everything_is_shown_as_text() -> None:
    reader = Reader(report_html.page(CONTENT, b"png"))
    words = ("title", "task", "command", "name", "value", "version", "path", "label", "score", "baseline", "text",
             "pair", "true", "said", "model", "data", "parameters")  # fmt: skip
    for word in words:
        assert f"{word} {HOSTILE}" in reader.text, word
    assert "script" not in reader.tags
    assert not [name for name, _ in reader.attributes if name.startswith("on")]


def test_no_network_and_no_script() -> None:
    page = report_html.page(CONTENT, b"png")
    reader = Reader(page)
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in [value for _, value in reader.attributes]
    sources = [value for name, value in reader.attributes if name in ("src", "href")]
    assert len(sources) == 1 and sources[0].startswith("data:image/png;base64,")
    assert "http" not in page.replace("http-equiv", "")


def test_headings_and_numbers() -> None:
    text = Reader(report_html.page(CONTENT)).text
    for part in ("Training", "Scores by class", "Confusion matrix", "Worst mistakes", "Trained parameters",
                 "Reproduce this run", "All settings", "valid macro f1", "0.7500", "0.1250", "1 of 9",
                 "The model did not learn"):  # fmt: skip
        assert part in text, part


def test_an_evaluation() -> None:
    """The page of `evaluate` has no training and no settings."""
    names = ("title", "task", "command", "versions", "data", "scores", "baseline", "mistakes", "mistaken")
    content = {name: CONTENT[name] for name in names} | {"test": CONTENT["valid"]}
    text = Reader(report_html.page(content)).text
    assert "Reproduce this evaluation" in text
    assert "Training" not in text
    assert "All settings" not in text
