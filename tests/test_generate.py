"""The command `generate` and `minitf.generator`: what they write, what the checkpoint decides, and what is refused."""

import csv
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

import minitf
from minitf import generate
from minitf.errors import InputError
from minitf.fine_tuning.generation_settings import GenerationSettings, choose_strategy, new_tokens
from minitf.generation.batch import Prompt
from minitf.generation.batch import generate as generate_outputs
from minitf.generation.rules import Rules
from minitf.transformer import DecoderConfig, DecoderModel
from minitf.transformer.base_config import GENERATION_KEYS
from tests.support.transformer_models import GENERATED_FROM as TEXTS
from tests.support.transformer_models import WITH_CHARACTERS, write_with_characters


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Callable[..., Path]:
    """A function that writes a small model that generates text."""

    def write(kind: str = "marian", generation: dict[str, Any] | None = None, **changes: Any) -> Path:
        return write_with_characters(tmp_path_factory.mktemp(kind), kind, generation, **changes)

    return write


@pytest.fixture(scope="module")
def marian(written) -> Path:
    return written()


@pytest.fixture(scope="module")
def gpt2(written) -> Path:
    return written("gpt2")


def of_reference(folder: Path, texts: list[str], n: int = 1, **settings: Any) -> list[str]:
    """What the reference generates with the model and the tokenizer of a folder."""
    cls = transformers.AutoModelForSeq2SeqLM
    if json.loads((folder / "config.json").read_text())["model_type"] == "gpt2":
        cls = transformers.AutoModelForCausalLM
    model, tokenizer = cls.from_pretrained(folder).eval(), transformers.AutoTokenizer.from_pretrained(folder)
    side = "right" if model.config.is_encoder_decoder else "left"
    batch = tokenizer(texts, padding=True, padding_side=side, return_tensors="pt", return_token_type_ids=False)
    ids = model.generate(**batch, num_return_sequences=n, **settings)
    skipped = 1 if model.config.is_encoder_decoder else batch["input_ids"].shape[1]
    return [tokenizer.decode(row[skipped:], skip_special_tokens=True) for row in ids]


@pytest.mark.parametrize("kind", WITH_CHARACTERS)
def test_the_texts_are_those_of_the_reference(written, kind):
    folder = written(kind)
    generator = minitf.generator(folder, device="cpu")
    for ours, theirs in (
        ({}, {}),
        ({"beams": 4, "n_best": 3, "early_stopping": True}, {"num_beams": 4, "n": 3, "early_stopping": True}),
        (
            {"beams": 2, "length_penalty": 0.6, "early_stopping": "never"},
            {"num_beams": 2, "length_penalty": 0.6, "early_stopping": "never"},
        ),
    ):
        found = [record["text"] for record in generator(TEXTS, max_new_tokens=7, **ours)]
        assert found == of_reference(folder, TEXTS, max_new_tokens=7, **theirs)


def test_the_defaults_are_those_of_the_checkpoint(written):
    stated = {
        "num_beams": 3,
        "length_penalty": 0.5,
        "max_length": 9,
        "bad_words_ids": [[0], [5]],
        "forced_eos_token_id": 1,
    }
    folder = written(generation=stated)
    records = minitf.generator(folder, device="cpu")(TEXTS)
    assert [record["text"] for record in records] == of_reference(folder, TEXTS)
    assert all(len(record["token_ids"]) <= 8 for record in records)
    greedy = minitf.generator(folder, device="cpu")(TEXTS, beams=1, max_new_tokens=5)
    assert [record["text"] for record in greedy] == of_reference(folder, TEXTS, num_beams=1, max_new_tokens=5)


def test_a_record(marian):
    (record,) = minitf.generator(marian, device="cpu")(["a"], max_new_tokens=4)
    assert list(record) == ["source", "rank", "text", "token_ids", "score", "ended"]
    assert (record["source"], record["rank"], record["ended"]) == ("a", 1, len(record["token_ids"]) < 4)
    assert record["score"] < 0


def test_one_text_is_printed_as_it_grows(run_command, marian, gpt2, monkeypatch):
    pieces: list[str] = []
    for folder in (marian, gpt2):
        pieces.clear()
        monkeypatch.setattr(generate, "print", lambda text="", **settings: pieces.append(text), raising=False)
        status, _, err = run_command(generate.main, folder, TEXTS[0], "--max-new-tokens", 9)
        (record,) = minitf.generator(folder, device="cpu")([TEXTS[0]], max_new_tokens=9)
        assert status == 0
        assert "".join(pieces) == record["text"]
        assert len(pieces) > 3
        assert ("did not end" in err) is not record["ended"]


def test_half_of_a_character_waits_for_the_rest(capsys):
    generate.print_stream(["a", "a\ufffd", "a\ufffd\ufffd", "a中", "a中 b"])
    generate.print_stream(["x y", "z"])
    generate.print_stream(["a\ufffd"])
    assert capsys.readouterr().out == "a中 b\nx y\nz\na\ufffd\n"


def test_several_texts_and_n_best(run_command, marian):
    records = minitf.generator(marian, device="cpu")(TEXTS, beams=3, n_best=2, max_new_tokens=5)
    status, out, _ = run_command(
        generate.main, marian, *TEXTS, "--beams", 3, "--n-best", 2, "--max-new-tokens", 5, "--batch-size", 3
    )
    assert status == 0
    lines = out.split("\n")
    assert lines[0] == TEXTS[0]
    assert lines[1].startswith(f"  {records[0]['score']:8.4f}")
    status, out, _ = run_command(generate.main, marian, "a", "12 June 2004", "--max-new-tokens", 5)
    assert out.split("\n")[:2:2] == ["a"]


def test_a_table(run_command, marian, here):
    with (here / "in.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["text"], *[[text] for text in TEXTS]])
    flags = ("--input", "in.csv", "--max-new-tokens", 6, "--device", "cpu")
    records = minitf.generator(marian, device="cpu")(TEXTS, max_new_tokens=6)
    assert run_command(generate.main, marian, *flags, "--output", "out.jsonl", "--batch-size", 2)[0] == 0
    lines = [json.loads(line) for line in (here / "out.jsonl").read_text().splitlines()]
    assert [line["token_ids"] for line in lines] == [record["token_ids"] for record in records]
    assert run_command(generate.main, marian, *flags, "--output", "out.csv", "--spreadsheet-safe")[0] == 0
    with (here / "out.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["source", "rank", "text", "score", "ended"]
    assert [row[0] for row in rows] == TEXTS
    assert [row[4] for row in rows] == [str(record["ended"]).lower() for record in records]


def test_samples_do_not_depend_on_the_batch(marian):
    generator, small = (minitf.generator(marian, device="cpu", batch_size=size) for size in (16, 1))
    sampling = {"sample": True, "top_k": 20, "top_p": 0.9, "temperature": 1.3, "n_best": 3, "max_new_tokens": 6}
    found = generator(TEXTS, seed=4, **sampling)
    assert len(found) == 12
    assert [record["token_ids"] for record in small(TEXTS, seed=4, **sampling)] == [r["token_ids"] for r in found]
    assert [record["token_ids"] for record in generator(TEXTS, seed=5, **sampling)] != [r["token_ids"] for r in found]
    assert all(a["score"] >= b["score"] for a, b in itertools.pairwise(found) if b["rank"] > 1)


def test_an_output_that_does_not_end_stops_at_its_limit_and_says_so(run_command, written, here):
    folder = written(generation={"suppress_tokens": [1]})
    status, _, err = run_command(generate.main, folder, *TEXTS, "--max-new-tokens", 4)
    assert (status, err) == (
        0,
        "minitf: 4 of 4 outputs did not end before the limit: --max-new-tokens, or the positions of the model\n",
    )
    records = minitf.generator(folder, device="cpu")(TEXTS)
    assert {len(record["token_ids"]) for record in records} == {40}  # the model's positions
    folder = written("gpt2", generation={"suppress_tokens": [1]})
    records = minitf.generator(folder, device="cpu")(TEXTS)
    assert [len(record["token_ids"]) for record in records] == [41 - len(text) for text in TEXTS]


def test_long_texts_are_cut_on_request(run_command, marian, gpt2):
    long = "a" * 30 + "7" * 30
    for folder, cut in ((marian, "a" * 19), (gpt2, "7" * 20)):
        flags = ("--max-new-tokens", 5)
        status, _, err = run_command(generate.main, folder, long, *flags)
        assert status == 2
        assert "positions: shorten it, or cut it with --max-length 40" in err
        status, out, err = run_command(generate.main, folder, long, "--max-length", 20, *flags)
        assert (status, "1 of 1 texts are longer than --max-length 20" in err) == (0, True)
        assert out == run_command(generate.main, folder, cut, *flags)[1]


def test_texts_longer_than_in_training(run_command, written):
    folder = written()
    (folder / "minitf.json").write_text('{"task": "seq2seq", "max_length": 5}')
    status, _, err = run_command(generate.main, folder, *TEXTS, "--max-new-tokens", 2)
    assert (status, "3 of 4 texts are longer than the 5 tokens with which the model was trained" in err) == (0, True)
    assert run_command(generate.main, folder, "a" * 41)[0] == 2
    status, _, err = run_command(generate.main, folder, *TEXTS, "--max-length", 5, "--max-new-tokens", 2)
    assert (status, "3 of 4 texts are longer than --max-length 5 tokens and were cut" in err) == (0, True)
    assert "trained" not in err


REFUSED = {
    "no text": ((), "give either texts or --input FILE"),
    "an empty text": (("", "a"), "text 1 is empty"),
    "a text of spaces": (("a", "  "), "text 2 is empty"),
    "no number": (("a", "--beams", "x"), "must be a whole number"),
    "no beams": (("a", "--beams", "0"), "at least 1"),
    "an infinite penalty": (("a", "--length-penalty", "inf"), "--length-penalty: must be a number"),
    "temperature 0": (("a", "--sample", "--temperature", "0"), "--temperature: must be a number above 0"),
    "top-p": (("a", "--sample", "--top-p", "1.5"), "--top-p: must be a number"),
    "top-k": (("a", "--sample", "--top-k", "0"), "--top-k: must be a whole number"),
    "no new tokens": (("a", "--max-new-tokens", "0"), "--max-new-tokens: must be a whole number"),
    "more tokens than positions": (("a", "--max-new-tokens", "41"), "--max-new-tokens 41: the model has only 40 pos"),
    "a longer text than positions": (("a", "--max-length", "41"), "--max-length 41: the model has only 40 positions"),
    "a word for early stopping": (("a", "--early-stopping", "maybe"), "invalid choice"),
    "two strategies": (("a", "--sample", "--beams", "2"), "--sample and --beams 2: choose one"),
    "temperature of a greedy search": (("a", "--temperature", "2"), "--temperature is for sampling: give --sample too"),
    "more outputs than beams": (
        ("a", "--beams", "2", "--n-best", "3"),
        "--n-best 3: give --beams 3 or more, or --sample",
    ),
    "n-best of greedy": (("a", "--n-best", "2"), "--n-best 2: give --beams 2"),
    "a column without a table": (("a", "--text", "t"), "names a column of --input FILE"),
    "a table that is not there": (("--input", "none.csv"), "none.csv"),
    "hidden-act": (("a", "--hidden-act", "relu"), "--hidden-act relu"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input(run_command, marian, here, name):
    flags, message = REFUSED[name]
    status, out, err = run_command(generate.main, marian, *flags)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_models_that_cannot_generate(run_command, written, write_bert, tmp_path):
    status, _, err = run_command(generate.main, write_bert()[0], "a")
    assert (status, err.count("\n")) == (2, 1)
    assert "cannot generate text, because it is an encoder (bert)" in err
    for stated, message in (
        ({"repetition_penalty": 1.3}, "repetition_penalty = 1.3 in its generation config is not supported"),
        ({"num_beams": 5000}, "its generation config is invalid: beams must be"),
        ({"bad_words_ids": [[100000]]}, "bad_words_ids must be token ids below"),
        ({"decoder_start_token_id": 100000}, "decoder_start_token_id must be token ids below"),
        ({"eos_token_id": True}, "eos_token_id must be token ids below"),
        ({"pad_token_id": -1}, "pad_token_id must be token ids below"),
        ({"max_length": "many"}, "its generation config is invalid: max_length must be a whole number"),
    ):
        folder = written()
        content = json.loads((folder / "generation_config.json").read_text())
        (folder / "generation_config.json").write_text(json.dumps(content | stated))
        status, _, err = run_command(generate.main, folder, "a")
        assert (status, err.count("\n")) == (2, 1)
        assert message in err
        assert str(folder) in err


def test_a_vocabulary_without_an_end_token(run_command, written):
    folder = written()
    for name in ("config.json", "generation_config.json"):
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(content | {"eos_token_id": None}))
    status, _, err = run_command(generate.main, folder, "a")
    assert (status, err.count("\n")) == (2, 1)
    assert "has no end token (eos_token_id)" in err


def test_a_vocabulary_of_another_model(run_command, written):
    folder = written(vocab_size=20)
    status, _, err = run_command(generate.main, folder, "a")
    assert (status, err.count("\n")) == (2, 1)
    assert "they do not belong together" in err


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"beam": 3}, "there is no setting 'beam' \\(did you mean 'beams'\\?\\)"),
        ({"beams": 2.5}, "`beams` must be a whole number"),
        ({"early_stopping": "often"}, "`early_stopping` must be one of"),
        ({"sample": 1}, "`sample` must be True or False"),
        ({"top_p": float("nan"), "sample": True}, "`top_p` must be a number"),
    ],
)
def test_invalid_settings_in_python(marian, wrong, message):
    with pytest.raises(InputError, match=message):
        minitf.generator(marian, device="cpu")(["a"], **wrong)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.text(max_size=3) | st.just(10**30),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=2), values, max_size=2),
    max_leaves=4,
)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.dictionaries(st.sampled_from(GENERATION_KEYS), JSON, max_size=4))
def test_any_generation_config_is_read_or_refused(stated):
    config = DecoderConfig(vocab_size=30, n_embd=4, n_layer=1, n_head=1, eos_token_id=1, generation=stated)
    try:
        rules = Rules.of(config)
        strategy = choose_strategy(GenerationSettings(), config.generation)
        limit = new_tokens(GenerationSettings(max_new_tokens=3), config.generation, 2, 10)
        assert new_tokens(GenerationSettings(), config.generation, 2, 10) > 0
        prompt = Prompt([5, 6], limit)
        (best,) = generate_outputs(DecoderModel(config).eval(), [prompt], rules, strategy, 1)
    except InputError:
        return
    assert 1 <= len(best[0].token_ids) <= 3


def test_a_reader_that_leaves(marian):
    words = [sys.executable, "-m", "minitf.generate", str(marian), *TEXTS, "--max-new-tokens", "3"]
    environment = os.environ | {"PYTHONPATH": str(Path(generate.__file__).parents[1])}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        process.stdout.close()
        assert (process.wait(), b"Traceback" in process.stderr.read()) == (141, False)


def test_texts_in_python(marian):
    generator = minitf.generator(marian, device="cpu")
    assert generator([]) == []
    for texts in ("a", [1], [None]):
        with pytest.raises(InputError, match="give a list of texts"):
            generator(texts)


def test_equations_and_kernels_generate_the_same(marian):
    found = [minitf.generator(marian, math=math, device="cpu")(TEXTS, beams=2) for math in ("equations", "kernels")]
    assert [record["token_ids"] for record in found[0]] == [record["token_ids"] for record in found[1]]


def test_a_math_of_ones_own_that_is_wrong(run_command, marian, here):
    (here / "mine.py").write_text("import torch\ndef softmax(x, dim=-1):\n    return x * torch.nan\n")
    status, _, err = run_command(generate.main, marian, "a", "--math", "mine.py")
    assert (status, err.count("\n")) == (2, 1)
    assert "NaN or infinite" in err
