"""The report as a page: complete, escaped, without network access, with at most one script, which its policy names."""

import base64
import copy
import hashlib
import html
import re
from html.parser import HTMLParser

import pytest

from minitf.fine_tuning.pages import comparison
from minitf.fine_tuning.pages.comparison import Entry
from minitf.fine_tuning.pages.curves import ONE_EPOCH, score_range
from minitf.fine_tuning.pages.markup import file_name
from minitf.fine_tuning.pages.report import page
from tests.support.reports_to_show import content, steps

HOSTILE = '<script>alert("1")</script>&\'"'
CONTENT = {
    "title": f"title {HOSTILE}",
    "task": f"task {HOSTILE}",
    "command": f"command {HOSTILE}",
    "arguments": {"lr": 1e-3, "valid": None, "model": f"model {HOSTILE}", f"name {HOSTILE}": f"value {HOSTILE}"},
    "versions": {"minitf": f"version {HOSTILE}"},
    "data": {
        name: {"path": f"path {HOSTILE}", "rows": 1234, "sha256": "0" * 64} for name in ("train", "valid", "data")
    },
    "epochs": [{"epoch": 1, "train_loss": 0.5, "seconds": 1.0, "valid": {"loss": 0.25, "macro_f1": 0.75, "words": 9}}],
    "epoch_scores": [{f"score {HOSTILE}": 0.125}],
    "best_epoch": 1,
    "seconds": 65.0,
    "finished": "2026-11-28T22:47:03+00:00",
    "machine": {"device": "cpu", "cpu": f"cpu {HOSTILE}", "cores": 2, "threads": 1, "system": f"system {HOSTILE}"},
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
        self.inside: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.inside.append(tag)
        self.attributes += attrs

    def handle_data(self, data) -> None:
        if not self.inside or self.inside[-1] not in ("style", "script"):
            self.text += data

    def handle_endtag(self, tag) -> None:
        self.inside.append(f"/{tag}")


def classes(n):
    """The metrics of `n` classes: a confusion matrix up to 60, else a list."""
    scores = [{"label": f"c{i:04}", "precision": 0.1, "recall": 0.2, "f1": i / n, "support": i} for i in range(n)]
    if n > 60:
        return {"classes": scores, "confusions": [{"true": "c0002", "predicted": "c0001", "count": 1}] * 100}
    return {"classes": scores, "confusion": [[int(i == j) for j in range(n)] for i in range(n)]}


def test_everything_is_shown_as_text() -> None:
    reader = Reader(page(CONTENT))
    words = ("task", "command", "name", "value", "version", "path", "label", "score", "baseline", "text", "pair",
             "true", "said", "model", "data", "parameters", "cpu", "system")  # fmt: skip
    for word in words:
        assert f"{word} {HOSTILE}" in reader.text, word
    assert "script" not in reader.tags
    assert not [name for name, _ in reader.attributes if name.startswith("on")]


@pytest.mark.parametrize("n", [2, 20, 60, 61, 1000])
def test_the_policy_names_exactly_what_the_page_has(n: int) -> None:
    """Its style and, if a table can be sorted, its script, by their digests; nothing else."""
    text = page(CONTENT | {"valid": classes(n)})
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    allowed = {"default-src": ["'none'"]}
    for kind, tag in (("style-src", "style"), ("script-src", "script")):
        found = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digests = [f"'sha256-{base64.b64encode(hashlib.sha256(c.encode()).digest()).decode()}'" for c in found]
        assert len(found) == (n > 10 or tag == "style")
        allowed |= {kind: digests} if digests else {}
    assert {part.split()[0]: part.split()[1:] for part in policy.split("; ")} == allowed


def test_nothing_is_fetched() -> None:
    text = page(CONTENT | {"valid": classes(61)})
    reader = Reader(text)
    assert [v for name, v in reader.attributes if name in ("src", "href", "style") and not v.startswith("#")] == []
    assert "http" not in text.replace("http-equiv", "")
    assert "url(" not in text


def test_headings_and_numbers() -> None:
    text = Reader(page(CONTENT)).text
    for part in ("Training", "Scores by class", "Confusion matrix", "Worst mistakes", "Trained parameters",
                 "Reproduce this run", "All settings", "validation macro F1", "0.7500", "0.1250", "1 of 9",
                 "The model did not learn", "2026-11-28 22:47 UTC", "1 min 5 s", "2 cores, 1 thread"):  # fmt: skip
        assert part in text, part


def test_counts_are_integers() -> None:
    text = Reader(page(CONTENT)).text
    assert "1,234 rows" in text
    assert "1234.0" not in text
    assert "9.0000" not in text


def test_an_evaluation() -> None:
    """The page of `evaluate` has no training and no settings."""
    names = ("title", "task", "command", "versions", "scores", "baseline", "mistakes", "mistaken")
    content = {name: CONTENT[name] for name in names} | {"test": CONTENT["valid"]}
    content["data"] = {"data": CONTENT["data"]["data"]}
    text = Reader(page(content)).text
    assert f"title {HOSTILE}" in text
    assert "Reproduce this evaluation" in text
    assert "Training" not in text
    assert "All settings" not in text


def test_a_report_without_the_newer_keys() -> None:
    old = {name: value for name, value in CONTENT.items() if name not in ("finished", "machine", "details")}
    assert "Scores by class" in page(old)


def test_above_sixty_classes_nothing_grows_with_their_square() -> None:
    sizes = [len(page(CONTENT | {"valid": classes(n)})) for n in (100, 400, 700)]
    assert sizes[2] - sizes[1] == pytest.approx(sizes[1] - sizes[0], rel=0.05)
    assert len(page(CONTENT | {"valid": classes(20_000)})) < 600_000


def test_zeros_in_the_confusion_matrix_are_hidden() -> None:
    text = page(CONTENT | {"valid": classes(3)})
    matrix = text[
        text.index('<table class="confusion">') : text.index("</table>", text.index('<table class="confusion">'))
    ]
    assert matrix.count("<td></td>") == 6
    assert matrix.count("1<small>100 %</small>") == 3


def test_ten_thousand_steps_make_a_small_page() -> None:
    steps = [{"step": n + 1, "epoch": 1, "loss": 1.0 + n % 7, "lr": 1e-5} for n in range(10_000)]
    few, many = len(page(CONTENT, steps[:150])), len(page(CONTENT, steps))
    assert many < few + 10_000
    assert "steps 1 to 66: mean loss" in page(CONTENT, steps)
    assert "step 150: loss" in page(CONTENT, steps[:150])


def test_epochs_and_steps_that_do_not_match() -> None:
    """A damaged metrics.jsonl has lost steps, and numbers that are not finite are null in report.json."""
    epochs = [{"epoch": n, "train_loss": None, "seconds": 1.0, "valid": {"loss": None}} for n in (1, 2)]
    report = CONTENT | {"epochs": epochs, "epoch_scores": [{"F1": None}] * 2, "scores": {"F1": None}}
    for records in ([], [{"step": 7, "epoch": 2, "loss": 1.0, "lr": 0.0}]):
        assert "nan" not in page(report, records).lower().replace("nance", "")


def test_scores_by_group_have_an_interval_as_numbers_and_as_a_bar() -> None:
    groups = [
        {"name": f"group {HOSTILE}", "count": 1200, "score": 0.5, "low": 0.25, "high": 0.75},
        {"name": "single", "count": 1, "score": 1.0, "low": None, "high": None},
    ]
    text = page(CONTENT | {"slices": {"column": f"kind {HOSTILE}", "metric": "accuracy", "total": 9, "groups": groups}})
    shown = Reader(text).text
    for part in (f"Scores by kind {HOSTILE}", f"group {HOSTILE}", "1,200", "0.2500 to 0.7500", "2 largest of 9"):
        assert part in shown, part
    assert text.count('class="interval"') == 2
    assert text.count('<line x1="42.0"') == 1


@pytest.mark.parametrize(
    ("path", "model", "expected"),
    [
        ("/data/stars.csv", "all-MiniLM-L6-v2", "stars.csv: fine-tuned all-MiniLM-L6-v2"),
        ("built-in reviews/train", "models/tiny", "reviews: fine-tuned tiny"),
    ],
)
def test_titles_name_the_table_and_the_model(path: str, model: str, expected: str) -> None:
    content = CONTENT | {"data": {"train": {"path": path, "rows": 3, "sha256": ""}, "valid": CONTENT["data"]["valid"]}}
    assert f"<title>{expected}</title>" in page(content | {"arguments": {"model": model}})


def test_intervals_of_scores_that_are_no_share_are_those_of_the_report() -> None:
    content = CONTENT | {"task": "tagging", "scores": {"F1": 0.5, "recall": 0.5}, "intervals": {"F1": [0.25, 0.75]}}
    assert "F1 0.5000 95 %: 0.2500 to 0.7500 recall 0.5000 Finished" in " ".join(
        re.sub("<[^>]*>", " ", page(content)).split()
    )


def test_an_unknown_interval_is_not_shown() -> None:
    text = page(CONTENT | {"task": "tagging", "scores": {"F1": 0.5}, "intervals": {"F1": [None, None]}})
    assert "95 %" not in text


def test_the_calibration_says_what_each_side_of_the_line_means() -> None:
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page(content("2 classes"))))
    assert "Above the line the model is right more often than its probability says: it is underconfident." in shown
    assert "Below the line it is right less often: it is overconfident." in shown


def charts_of(epochs: int, n: int) -> list[str]:
    report = copy.deepcopy(content("2 classes"))
    report["epochs"], report["epoch_scores"] = report["epochs"][:epochs], report["epoch_scores"][:epochs]
    report["best_epoch"] = 1
    return re.findall(r"<figcaption>(.*?)</figcaption>", page(report, steps(n)).split("part-calibration")[-2])


def test_a_curve_with_a_single_point_is_left_out() -> None:
    three = ["Loss", "Validation scores", "Learning rate"]
    assert [name for name in charts_of(3, 9) if name in three] == three
    assert [name for name in charts_of(1, 9) if name in three] == ["Loss", "Learning rate"]
    assert [name for name in charts_of(3, 0) if name in three] == ["Loss", "Validation scores"]
    for n in (0, 1):
        assert [name for name in charts_of(1, n) if name in three] == []
    assert ONE_EPOCH in page(CONTENT) and ONE_EPOCH not in page(content("2 classes"))


def test_a_comparison_of_runs_with_one_epoch_says_why_it_has_no_curves() -> None:
    entries = [Entry("a", (CONTENT,), ("",)), Entry("b", (CONTENT,), ("",))]
    assert ONE_EPOCH in comparison.page(entries)
    assert "<figure>" not in comparison.page(entries)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.7001, 0.7002], (0.65015, 0.75015)),
        ([1.0, 1.0], (0.9, 1.0)),
        ([0.0, 0.0], (0.0, 1.0)),
        ([0.2, 0.7], (0.15, 0.75)),
        ([200.0, 200.1], (190.05, 210.05)),
    ],
)
def test_noise_does_not_fill_the_axis_of_a_score(scores: list[float], expected: tuple[float, float]) -> None:
    assert score_range(scores) == pytest.approx(expected, abs=0.01)


def test_a_long_path_is_shown_by_its_name() -> None:
    path = "/home/someone/projects/reviews/data/2026/november/<b>.csv"
    assert file_name(path) == f'<bdi title="{html.escape(path)}">…/&lt;b&gt;.csv</bdi>'
    assert file_name(path.replace("/", "\\")).endswith(">…/&lt;b&gt;.csv</bdi>")
    assert file_name("data/train.csv") == "<bdi>data/train.csv</bdi>"
    long = "built-in " + "x" * 60
    assert file_name(long) == f"<bdi>{long}</bdi>"
    report = content("2 classes")
    report["data"]["train"]["path"] = path
    for shown in (page(report), comparison.page([Entry("a", (report,), ("",))])):
        assert file_name(path) in shown
