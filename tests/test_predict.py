"""`python -m minitf.predict`: the reference's labels, probabilities and vectors, on the terminal and through files."""

import csv
import functools
import json
import re
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from minitf import predict

TINY = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
LABELS = ("bad, so to say", "good", "neutral")
# What a table may do to a text: commas, quotes, line breaks, other scripts, blanks at the ends.
TEXTS = [
    "the film was great !",
    'He said "not so bad, not so good"',
    "two\nlines, and\r\na third",
    "café 中国 🙂🏽",
    "  a  ",
    "great " * 30,
    ",",
    "5",
]


@pytest.fixture
def command(run_command):
    """A function that runs the command as a shell does: returns (status, standard output, standard error)."""
    return functools.partial(run_command, predict.main)


@pytest.fixture
def answer(command):
    """A function that returns the output of a call without an error or warning."""

    def call(*argv: object) -> str:
        status, out, err = command(*argv)
        written = f"written: {argv[argv.index('--output') + 1]} (" if "--output" in argv else ""
        assert status == 0 and err.startswith(written) and err.count("\n") == bool(written)
        return out

    return call


@pytest.fixture
def refusal(command):
    """A function that returns the one line of a call that fails, which prints nothing else."""

    def call(*argv: object) -> str:
        status, out, err = command(*argv)
        assert (status, out) == (2, "")
        (line,) = err.splitlines()
        assert line.startswith("minitf: ")
        return line

    return call


@pytest.fixture
def classifier(write_bert) -> tuple[Path, torch.nn.Module]:
    """Written by `transformers`, without metadata of minitf."""
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {label: i for i, label in enumerate(LABELS)}}
    folder, model = write_bert(transformers.BertForSequenceClassification, **TINY, **names)
    batch = transformers.AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        model.classifier.bias -= model(**batch).logits.mean(dim=0)  # so that not every text gets the same label
    model.save_pretrained(folder)
    return folder, model


def note(folder: Path, **noted: object) -> None:
    """Write the metadata that `finetune` writes beside a model."""
    usual = {"task": "classification", "text": "text", "pair": None, "label": "label", "max_length": 64}
    (folder / "minitf.json").write_text(json.dumps(usual | noted), encoding="utf-8")


def write_table(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("text",)) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def read_answers(path: Path) -> tuple[list[str], list[str], torch.Tensor]:
    """Return the texts, labels and probabilities of a CSV that --output wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["text", "label", *(f"p_{label}" for label in LABELS)]
    return (
        [row[0] for row in rows],
        [row[1] for row in rows],
        torch.tensor([[float(x) for x in row[2:]] for row in rows]),
    )


def reference_probabilities(folder: Path, texts: list[str], pairs: list[str] | None = None, max_length: int = 64):
    """Return the probabilities of the pipeline of `transformers`, in the order of LABELS."""
    pipe = transformers.pipeline("text-classification", model=str(folder), device="cpu")
    inputs = texts if pairs is None else [{"text": t, "text_pair": p} for t, p in zip(texts, pairs, strict=True)]
    answers = pipe(inputs, top_k=None, truncation=True, max_length=max_length)
    return torch.tensor([[{a["label"]: a["score"] for a in one}[label] for label in LABELS] for one in answers])


# Labels and probabilities ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("math", ["kernels", "equations"])
def test_predictions_are_those_of_the_pipeline_of_transformers(answer, classifier, tmp_path: Path, math: str) -> None:
    folder, _ = classifier
    answer(folder, *TEXTS, "--output", tmp_path / "out.csv", "--math", math)
    texts, labels, ours = read_answers(tmp_path / "out.csv")
    theirs = reference_probabilities(folder, TEXTS)
    assert texts == TEXTS
    assert (ours - theirs).abs().max() <= 1e-5
    assert labels == [LABELS[i] for i in theirs.argmax(dim=-1).tolist()]
    assert len(set(labels)) > 1
    assert (ours.sum(dim=-1) - 1.0).abs().max() <= 2e-6


def test_on_the_terminal(answer, classifier) -> None:
    """The text, and on the next line the label and the probabilities, the largest first."""
    folder, _ = classifier
    texts = ["the film was great !", "awful", "café 🙂"]
    theirs = reference_probabilities(folder, texts)
    lines = answer(folder, *texts).splitlines()
    assert lines[::2] == texts
    for line, p in zip(lines[1::2], theirs, strict=True):
        assert line.startswith(f"  {LABELS[p.argmax()]}  (")
        assert [float(x) for x in re.findall(r"\d\.\d{4}", line)] == pytest.approx(sorted(p.tolist())[::-1], abs=1e-4)


def test_the_three_likeliest_labels_are_printed_or_all(answer, write_bert) -> None:
    names = {i: f"class {i}" for i in range(5)}
    folder, _ = write_bert(transformers.BertForSequenceClassification, id2label=names, num_labels=5)
    three, every = answer(folder, "awful").splitlines()[1], answer(folder, "awful", "--all").splitlines()[1]
    shown, listed = (re.findall(r"(class \d) (0\.\d{4})", line) for line in (three, every))
    assert len(listed) == 5 and listed == sorted(listed, key=lambda pair: -float(pair[1]))
    assert shown == listed[:3]
    assert three.endswith(", …)") and every.endswith(listed[4][1] + ")")


def test_a_text_of_two_lines_stays_on_one(answer, classifier) -> None:
    """On the terminal a text is one line, and its prediction another one."""
    assert answer(classifier[0], "two\nlines", "one").splitlines()[::2] == ["two lines", "one"]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_the_batch_size_changes_nothing(answer, classifier, tmp_path: Path, size: int) -> None:
    """Padding has no effect, and the order is that of the texts."""
    answer(classifier[0], *TEXTS, "--output", tmp_path / "out.csv", "--batch-size", size)
    texts, _, ours = read_answers(tmp_path / "out.csv")
    assert texts == TEXTS
    assert (ours - reference_probabilities(classifier[0], TEXTS)).abs().max() <= 1e-5


def test_pairs(answer, classifier, tmp_path: Path) -> None:
    """One --pair for all texts; in a table a column."""
    folder, _ = classifier
    firsts, seconds = ["the film was great !", "bad", "so"], ["not so", "we loved it , not", "the room , the food"]
    theirs = reference_probabilities(folder, firsts, seconds)
    table = write_table(tmp_path / "in.csv", list(zip(firsts, seconds, strict=True)), ("one", "two"))
    answer(
        folder, "--input", table, "--text", "one", "--pair", "two", "--batch-size", 2, "--output", tmp_path / "out.csv"
    )
    assert (read_answers(tmp_path / "out.csv")[2] - theirs).abs().max() <= 1e-5
    answer(folder, *firsts, "--pair", seconds[0], "--output", tmp_path / "out.csv")
    same = reference_probabilities(folder, firsts, [seconds[0]] * 3)
    assert (read_answers(tmp_path / "out.csv")[2] - same).abs().max() <= 1e-5
    assert (same - reference_probabilities(folder, firsts)).abs().max() > 1e-3  # the second text matters


def test_flags_may_stand_anywhere(answer, classifier) -> None:
    folder = str(classifier[0])
    printed = answer(folder, "great", "bad", "--batch-size", 1)
    assert answer("--batch-size", 1, folder, "great", "bad") == printed
    assert answer(folder, "--batch-size", 1, "great", "bad") == printed
    assert answer(folder, "great", "--batch-size", 1, "bad") == printed
    assert answer(folder, "--", "-great").startswith("-great\n")


def test_length_as_in_training(command, classifier, tmp_path: Path) -> None:
    """A long text is cut as in training, with a warning; --max-length replaces that length."""
    folder, _ = classifier
    long = ["the film was great " + "bad " * 40]
    note(folder, max_length=9)
    warning = "minitf: warning: 1 of 1 texts are longer than --max-length 9 tokens and were cut\n"
    for flags, length, said in (([], 9, warning), (["--max-length", 20], 20, "")):
        status, _, err = command(folder, *long, *flags, "--output", tmp_path / "out.csv")
        assert (status, err) == (0, f"{said}written: {tmp_path / 'out.csv'} ({len(long)} predictions)\n")
        theirs = reference_probabilities(folder, long, max_length=length)
        assert (read_answers(tmp_path / "out.csv")[2] - theirs).abs().max() <= 1e-5
    assert (theirs - reference_probabilities(folder, long, max_length=9)).abs().max() > 1e-4


@pytest.mark.parametrize("stated", [None, 200])
def test_length_that_a_folder_states(command, write_bert, tmp_path: Path, stated: int | None) -> None:
    """Without a run's metadata: model_max_length, else the positions of the model, as the pipeline does."""
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {label: i for i, label in enumerate(LABELS)}}
    sizes = TINY | {"max_position_embeddings": 300}
    folder, _ = write_bert(transformers.BertForSequenceClassification, **sizes, **names)
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": stated} if stated else {}))
    texts = ["great " * 150, "bad " * 290 + "great " * 20, "so so"]
    status, _, err = command(folder, *texts, "--output", tmp_path / "out.csv")
    assert status == 0
    warning = f"minitf: warning: 1 of 3 texts are longer than --max-length {stated or 300} tokens and were cut"
    assert err.splitlines() == [warning, f"written: {tmp_path / 'out.csv'} (3 predictions)"]
    theirs = reference_probabilities(folder, texts, max_length=stated or 300)
    assert (read_answers(tmp_path / "out.csv")[2] - theirs).abs().max() <= 1e-5


def test_vectors_pooled_as_the_folder_states(answer, refusal, classifier) -> None:
    folder, _ = classifier
    model = transformers.AutoModel.from_pretrained(folder)
    batch = transformers.AutoTokenizer.from_pretrained(folder)(["great film"], return_tensors="pt")
    with torch.no_grad():
        X = model(**batch).last_hidden_state[0]
    (folder / "1_Pooling").mkdir()
    for mode, expected in (("mean_tokens", X.mean(dim=0)), ("cls_token", X[0])):
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{mode}": True}))
        vector = torch.tensor(json.loads(answer(folder, "great film", "--embed"))["vector"])
        assert (vector - expected / expected.norm()).abs().max() < 1e-5
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_max_tokens": True}))
    assert "the pooling max_tokens is not supported" in refusal(folder, "great film", "--embed")


@pytest.mark.parametrize("flags", [[], ["--embed"]])
def test_an_output_that_is_not_finite(refusal, classifier, flags: list[str]) -> None:
    """Finite weights that are too large: no NaN is printed as a probability."""
    folder, _ = classifier
    tensors = load_file(folder / "model.safetensors")
    for name in ("bert.embeddings.LayerNorm.weight", "bert.encoder.layer.0.attention.self.query.weight"):
        tensors[name] = torch.full_like(tensors[name], 3e38)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    assert "the model's output is NaN or infinite" in refusal(folder, "great", *flags)


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_table_in_a_table_out(answer, classifier, tmp_path: Path, ending: str) -> None:
    """Every character of a text is preserved; other columns are ignored, and no label is needed."""
    table = tmp_path / f"in.{ending}"
    if ending == "csv":
        write_table(table, [(str(i), text) for i, text in enumerate(TEXTS)], ("id", "text"))
    else:
        table.write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in enumerate(TEXTS)))
    assert answer(classifier[0], "--input", table, "--output", tmp_path / "out.csv") == ""
    texts, _, ours = read_answers(tmp_path / "out.csv")
    assert texts == TEXTS
    assert (ours - reference_probabilities(classifier[0], TEXTS)).abs().max() <= 1e-5


def test_a_tab_separated_table(answer, classifier, tmp_path: Path) -> None:
    table = tmp_path / "in.tsv"
    table.write_text('sentence\tlabel\nHe said "good"\tgood\nbad, bad\tgood\n', encoding="utf-8")
    answer(classifier[0], "--input", table, "--output", tmp_path / "out.csv")
    assert read_answers(tmp_path / "out.csv")[0] == ['He said "good"', "bad, bad"]


def test_what_was_written_can_be_read_again(answer, classifier, tmp_path: Path) -> None:
    answer(classifier[0], *TEXTS, "--output", tmp_path / "one.csv")
    answer(classifier[0], "--input", tmp_path / "one.csv", "--text", "text", "--output", tmp_path / "two.csv")
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_columns_as_in_training(answer, refusal, classifier, tmp_path: Path) -> None:
    """The text column of training is used without being named; a table without it is an error."""
    folder, _ = classifier
    note(folder, text="remark")
    table = write_table(tmp_path / "in.csv", [("bad", "great")], ("text", "remark"))
    assert answer(folder, "--input", table).startswith("great\n")
    assert answer(folder, "--input", table, "--text", "text").startswith("bad\n")
    other = write_table(tmp_path / "other.csv", [("bad",)])
    assert "'remark'" in refusal(folder, "--input", other)


def test_without_output_predictions_for_a_table_are_printed(answer, classifier, tmp_path: Path) -> None:
    table = write_table(tmp_path / "in.csv", [("great",), ("bad",)])
    assert answer(classifier[0], "--input", table).splitlines()[::2] == ["great", "bad"]


# Sentence vectors -----------------------------------------------------------------------------------------------------


def pooled_by_hand(folder: Path, text: str) -> torch.Tensor:
    """Return the mean of the reference's last hidden states of one text, without padding; of length 1."""
    model = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    batch = transformers.AutoTokenizer.from_pretrained(folder)(
        text, truncation=True, max_length=64, return_tensors="pt"
    )
    with torch.no_grad():
        states = model(**batch).last_hidden_state[0]  # [S, D]
    total = [sum(states[s, d].item() for s in range(len(states))) for d in range(states.shape[1])]
    mean = torch.tensor(total) / len(states)
    return mean / mean.square().sum().sqrt()


@pytest.mark.parametrize("with_head", [False, True])
def test_sentence_vectors(answer, write_bert, tmp_path: Path, with_head: bool) -> None:
    """From any BERT, fine-tuned or not: one JSON line per text, in order; vectors of length 1."""
    cls = transformers.BertForSequenceClassification if with_head else transformers.BertModel
    folder, _ = write_bert(cls, **TINY)
    out = answer(folder, *TEXTS, "--embed", "--batch-size", 3)
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["text"] for record in records] == TEXTS
    for record in records:
        vector = torch.tensor(record["vector"])
        assert vector.norm().item() == pytest.approx(1.0, abs=1e-6)
        assert (vector - pooled_by_hand(folder, record["text"])).abs().max() <= 1e-5


def test_sentence_vectors_into_a_file(answer, write_bert, tmp_path: Path) -> None:
    folder, _ = write_bert(**TINY)
    table = write_table(tmp_path / "in.csv", [(text,) for text in TEXTS])
    assert answer(folder, "--embed", "--input", table, "--output", tmp_path / "out.jsonl") == ""
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [record["text"] for record in records] == TEXTS
    assert len(records[0]["vector"]) == 16


def test_sentence_vectors_of_a_model_for_pairs_need_none(answer, classifier) -> None:
    note(classifier[0], pair="second")
    assert json.loads(answer(classifier[0], "great", "--embed"))["text"] == "great"


# Bad input ------------------------------------------------------------------------------------------------------------


def test_a_model_without_classifier(refusal, write_bert) -> None:
    """Its predictions would be random: the error says what to do."""
    folder, _ = write_bert(**TINY)
    line = refusal(folder, "great")
    assert str(folder) in line
    assert "classifier" in line
    assert "fine-tune it first" in line


@pytest.mark.parametrize("argv", [[], ["great", "--input", "table.csv"]])
def test_neither_or_both(refusal, classifier, argv: list[str]) -> None:
    assert "either texts or --input" in refusal(classifier[0], *argv)


@pytest.mark.parametrize("embed", [[], ["--embed"]])
@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_an_empty_text(refusal, classifier, text: str, embed: list[str]) -> None:
    assert "text 2 is empty" in refusal(classifier[0], "great", text, "bad", *embed)


@pytest.mark.parametrize("pair", ["", " "])
def test_an_empty_second_text(refusal, classifier, pair: str) -> None:
    assert "--pair" in refusal(classifier[0], "great", "--pair", pair)


def test_an_empty_text_in_a_table(refusal, classifier, tmp_path: Path) -> None:
    """The error names the row, as in finetune; nothing is written."""
    table = write_table(tmp_path / "in.csv", [("great", "1"), (" ", "2"), ("bad", "3")], ("text", "id"))
    line = refusal(classifier[0], "--input", table, "--output", tmp_path / "out.csv")
    assert f"{table}:3" in line
    assert "empty" in line
    assert not (tmp_path / "out.csv").exists()


def test_a_model_for_pairs_needs_the_second_text(refusal, classifier) -> None:
    note(classifier[0], text="claim", pair="evidence")
    line = refusal(classifier[0], "great")
    assert "claim, evidence" in line
    assert "--pair" in line


def test_columns_are_for_tables(refusal, classifier) -> None:
    """--text beside texts would be ignored silently."""
    assert "--text" in refusal(classifier[0], "great", "--text", "remark")


def test_a_text_that_is_no_unicode(refusal, classifier) -> None:
    """Bytes on the command line that are not UTF-8."""
    assert "text 1" in refusal(classifier[0], "caf\udce9")


def test_metadata_that_cannot_be_read(refusal, classifier) -> None:
    (classifier[0] / "minitf.json").write_text("{")
    line = refusal(classifier[0], "great")
    assert "minitf.json" in line


@pytest.mark.parametrize("length", [0, 2, 65, 1000])
def test_an_impossible_length(refusal, classifier, length: int) -> None:
    line = refusal(classifier[0], "great", "--max-length", length)
    assert "max-length" in line or "max_length" in line
    assert str(length) in line


def test_output_into_a_folder_that_is_not_there(refusal, classifier, tmp_path: Path) -> None:
    path = tmp_path / "absent" / "out.csv"
    assert f"{path}: cannot be written" in refusal(classifier[0], "great", "--output", path)


def test_output_onto_the_table_that_is_read(refusal, classifier, tmp_path: Path) -> None:
    """The table would be lost."""
    table = write_table(tmp_path / "in.csv", [("great",), ("bad",)])
    before = table.read_bytes()
    assert str(table) in refusal(classifier[0], "--input", table, "--output", table)
    assert table.read_bytes() == before


# Hostile texts and tables ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_carriage_returns_and_other_line_ends(answer, classifier, tmp_path: Path, ending: str) -> None:
    """A row per text, whatever is in it; what was written is read again, and written again to the same bytes."""
    texts = ["good\rfilm", "two\r\nlines", "a\ttab", '"quoted', "a\u2028b\x85c", "=1+1", "last"]
    table = tmp_path / "in.jsonl"
    table.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    one, two = tmp_path / f"one.{ending}", tmp_path / f"two.{ending}"
    answer(classifier[0], "--input", table, "--output", one)
    answer(classifier[0], "--input", one, "--output", two)
    assert one.read_bytes() == two.read_bytes()
    if ending == "csv":
        assert read_answers(one)[0] == texts
    elif ending == "jsonl":
        records = [json.loads(line) for line in one.read_text(encoding="utf-8").splitlines()]
        assert [record["text"] for record in records] == texts
        assert set(records[0]) == {"text", "label", "probabilities"}
    else:
        rows = one.read_text(encoding="utf-8").split("\n")
        assert rows[0].split("\t") == ["text", "label", *(f"p_{label}" for label in LABELS)]
        assert [row.split("\t")[0] for row in rows[1:-1]] == [
            "good film", "two  lines", "a tab", ' "quoted', "a\u2028b\x85c", "=1+1", "last",
        ]  # fmt: skip


def test_texts_that_a_spreadsheet_reads_as_formulas(answer, classifier, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    texts = ["=HYPERLINK(1)", "+1", "-bad", "@x", "good = bad"]
    answer(classifier[0], "--output", out, "--", *texts)
    assert read_answers(out)[0] == texts
    answer(classifier[0], "--output", out, "--spreadsheet-safe", "--", *texts)
    assert read_answers(out)[0] == ["'=HYPERLINK(1)", "+1", "'-bad", "'@x", "good = bad"]


@pytest.mark.parametrize("flags", [[], ["--output", "out.jsonl"], ["--output", "out.csv", "--embed"]])
def test_spreadsheet_safe_without_a_table(refusal, classifier, here: Path, flags: list[str]) -> None:
    assert "--spreadsheet-safe" in refusal(classifier[0], "great", "--spreadsheet-safe", *flags)


def test_spreadsheet_safe_for_tags(refusal, write_bert, here: Path) -> None:
    folder, _ = write_bert(transformers.BertForTokenClassification, **TINY)
    assert "--spreadsheet-safe" in refusal(folder, "great", "--spreadsheet-safe", "--output", "out.csv")
