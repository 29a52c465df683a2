"""The inputs of `benchmarks.golden`: small tables, and tiny BERT models with random weights.

Everything is written from fixed seeds, so the files are the same on every run. minitf is not used.
"""

import csv
import json
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

THINGS = {"food": ("soup", "bread", "fish"), "room": ("bed", "door", "window"), "film": ("plot", "actor", "scene")}
GOOD = ("good", "great", "lovely", "bright")
BAD = ("bad", "awful", "dull", "broken")
DEGREES = ("", "very", "so", "not at all")
OPENINGS = ("the", "we thought the", "in the end their", "Again the", "to be honest, this")
ENDINGS = (".", "!", ", again.", " - as expected.", "")
FILLER = ("we", "came", "back", "on", "a", "rainy", "day", "and", "waited", "for", "an", "hour", ",")

OTHER_WORDS = """
was what un ##ed ##ly ##s ##ing thought end honest expected their this to be , . ! ? - | 0 1 2 3
""".split()  # noqa: SIM905 (a list of words is easier read as words)
LETTERS = "abcdefghijklmnopqrstuvwxyz"

TRAIN_ROWS, TEST_ROWS = 60, 16

# Texts for `predict` on the command line, with its other arguments.
TEXTS = ("the soup was very good.", "We thought the door was broken!", "an unexpected ending 中")
ARGUMENTS = {
    "reviews": TEXTS,
    "classes": TEXTS,
    "label-sets": TEXTS,
    "pairs": (*TEXTS, "--pair", "the bread was dull."),
    "tags": TEXTS,
    "questions": ("what was good ?", "what was dull ?", "--pair", "the soup was good . their bed was dull ."),
    "long": (*TEXTS, "we came back on a rainy day and waited for an hour , the soup was good . " * 4),
}  # fmt: skip

Row = tuple[str, ...]


def write_tables(folder: Path) -> None:
    """For each kind of table: training rows, test rows, and rows without labels for `predict`."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_rows(folder, "reviews", ".csv", ("text", "label"), _review)
    _write_rows(folder, "classes", ".csv", ("text", "label"), _topic)
    _write_rows(folder, "label-sets", ".csv", ("text", "label"), _label_set)
    _write_rows(folder, "pairs", ".tsv", ("first", "second", "score"), _pair)
    _write_rows(folder, "long", ".csv", ("text", "label"), _long)
    for part, rows in _parts("tags", _tagged):
        (folder / f"tags-{part}.conll").write_text(_columns(rows, tags=part != "input"), encoding="utf-8")
    for part, rows in _parts("questions", _paragraph):
        content = _squad(rows, part, answers=part != "input")
        (folder / f"questions-{part}.json").write_text(json.dumps(content), encoding="utf-8")


def write_models(folder: Path) -> None:
    """`tiny`, a BERT without a head, and `masked-lm`, one with a masked-LM head."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    config = transformers.BertConfig(
        vocab_size=len(vocabulary()),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=64,
    )
    _write_model(transformers.BertModel(config), folder / "tiny", seed=0)
    _write_model(transformers.BertForMaskedLM(config), folder / "masked-lm", seed=1)


def vocabulary() -> list[str]:
    """The special tokens, most words of the tables, and single letters for all other words."""
    sentences = [*OPENINGS, *ENDINGS, *DEGREES, *GOOD, *BAD[:2], *FILLER, *THINGS]
    words = [word.strip(",.!").lower() for sentence in sentences for word in sentence.split()]
    words += [thing for things in THINGS.values() for thing in things[:2]]
    pieces = [*words, *OTHER_WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(filter(None, pieces))]


def _write_model(model: Any, folder: Path, seed: int) -> None:
    """The model with random weights, and its vocabulary."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64) * 0.2)
            if name.endswith("LayerNorm.weight"):
                p += 1.0
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true, "model_max_length": 64}', encoding="utf-8")


# Tables ---------------------------------------------------------------------------------------------------------------


def _parts(name: str, make: Callable[[random.Random, int], Any]) -> Iterable[tuple[str, list[Any]]]:
    """The parts of a table, each with random rows of its own."""
    for part, n in (("train", TRAIN_ROWS), ("test", TEST_ROWS), ("input", TEST_ROWS)):
        draw = random.Random(f"{name} {part}")
        yield part, [make(draw, i) for i in range(n)]


def _write_rows(folder: Path, name: str, suffix: str, header: Row, make: Callable[[random.Random, int], Row]) -> None:
    """A CSV or TSV table; the last column is the label, which the rows for `predict` do not have."""
    for part, rows in _parts(name, make):
        rows = [header, *rows] if part != "input" else [row[:-1] for row in (header, *rows)]
        with (folder / f"{name}-{part}{suffix}").open("w", encoding="utf-8", newline="") as file:
            if suffix == ".tsv":
                file.writelines("\t".join(row) + "\n" for row in rows)
            else:
                csv.writer(file).writerows(rows)


def _sentence(draw: random.Random, thing: str, adjective: str) -> str:
    words = (draw.choice(OPENINGS), thing, "was", draw.choice(DEGREES), adjective)
    return " ".join(filter(None, words)) + draw.choice(ENDINGS)


def _any_thing(draw: random.Random) -> str:
    return draw.choice(THINGS[draw.choice(sorted(THINGS))])


def _review(draw: random.Random, i: int) -> Row:
    words, label = ((GOOD, "positive"), (BAD, "negative"))[i % 2]
    return _sentence(draw, _any_thing(draw), draw.choice(words)), label


def _topic(draw: random.Random, i: int) -> Row:
    """Three classes of different sizes."""
    label = ("food", "room", "food", "film", "food", "room")[i % 6]
    return _sentence(draw, draw.choice(THINGS[label]), draw.choice(GOOD + BAD)), label


def _label_set(draw: random.Random, i: int) -> Row:
    """Labels in the form a|b; some rows have none."""
    labels = (("food",), ("room",), ("food", "room"), ("film",), ("film", "food"), ())[i % 6]
    sentences = [_sentence(draw, draw.choice(THINGS[label]), draw.choice(GOOD + BAD)) for label in labels]
    return " ".join(sentences) or " ".join(draw.sample(FILLER, 7)), "|".join(labels)


def _pair(draw: random.Random, i: int) -> Row:
    """Two texts and a number: how many of three parts they share."""
    first = [_any_thing(draw), draw.choice(DEGREES), draw.choice(GOOD + BAD)]
    second = [_any_thing(draw), draw.choice(DEGREES), draw.choice(GOOD + BAD)]
    second[: i % 4] = first[: i % 4]
    texts = [" ".join(filter(None, ("the", thing, "was", *rest))) for thing, *rest in (first, second)]
    return *texts, str(sum(a == b for a, b in zip(first, second, strict=True)) + 0.5)


def _long(draw: random.Random, i: int) -> Row:
    """20 to 60 words; one sentence among them decides the label."""
    text, label = _review(draw, i)
    before, after = ([draw.choice(FILLER) for _ in range(draw.randint(8, 25))] for _ in range(2))
    return " ".join([*before, text, *after]), label


def _tagged(draw: random.Random, i: int) -> list[tuple[str, str]]:
    """Words and their tags; every third sentence has an entity of two words, every fifth is long."""
    kind = sorted(THINGS)[i % 3]
    words = [(word, "O") for word in draw.choice(OPENINGS).split()]
    words += [(draw.choice(THINGS[kind]), f"B-{kind}")]
    words += [(draw.choice(THINGS[kind]), f"I-{kind}")] if i % 3 == 0 else []
    words += [("was", "O"), (draw.choice(GOOD + BAD), "O")]
    words += [(draw.choice(FILLER), "O") for _ in range(24 * (i % 5 == 0))]
    return [*words, (".", "O")]


def _columns(sentences: Sequence[list[tuple[str, str]]], tags: bool) -> str:
    lines = []
    for sentence in sentences:
        lines += [*(f"{word}\t{tag}" if tags else word for word, tag in sentence), ""]
    return "\n".join(lines) + "\n"


def _paragraph(draw: random.Random, i: int) -> tuple[str, str, str, int]:
    """A context, a question, its answer and the position of the answer."""
    good, bad = draw.choice(GOOD), draw.choice(BAD)
    things = draw.sample([thing for kind in sorted(THINGS) for thing in THINGS[kind]], 2)
    filler = " ".join(draw.choice(FILLER) for _ in range(draw.randint(5, 25)))
    context = f"their {things[0]} was {good} . {filler} . the {things[1]} was {bad} ."
    answer = things[i % 2]
    return context, f"what was {(good, bad)[i % 2]} ?", answer, context.index(f"{answer} was")


def _squad(rows: Sequence[tuple[str, str, str, int]], part: str, answers: bool) -> dict[str, object]:
    paragraphs = []
    for i, (context, question, answer, start) in enumerate(rows):
        entry: dict[str, object] = {"id": f"{part}-{i}", "question": question}
        if answers:
            entry["answers"] = [{"text": answer, "answer_start": start}]
        paragraphs.append({"context": context, "qas": [entry]})
    return {"version": "1.1", "data": [{"title": part, "paragraphs": paragraphs}]}
