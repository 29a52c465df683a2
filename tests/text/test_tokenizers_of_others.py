"""Tokenizers as people have them: the older files give the reference's ids; hostile ones end in one line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import transformers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as FastTokenizer

from minitf.errors import CheckpointError, InputError
from minitf.text.tokenizer import Tokenizer
from minitf.text.tokenizer_limits import check_expression
from tests.support.tiny import VOCABULARY, write_vocabulary

ROOT = Path(__file__).parents[2]
TEXTS = ["The film was good, never bad.", "  two  spaces ", "Great<e1> [NEW] food", "", "café 中国"]


@pytest.fixture
def folder(tmp_path):
    write_vocabulary(tmp_path)
    return tmp_path


def ids(folder):
    return [tokens.ids for tokens in Tokenizer.from_folder(folder).encode(TEXTS, max_length=64)]


def reference_ids(reference):
    return reference(TEXTS, truncation=True, max_length=64)["input_ids"]


# --- vocab.txt


@pytest.mark.parametrize("ending", ["\n", "\n\n", "\n\n\n", "\r\n\r\n", ""])
def test_empty_lines_at_the_end(folder, ending):
    path = folder / "vocab.txt"
    plain = ids(folder)
    path.write_bytes(path.read_bytes().rstrip(b"\n") + ending.encode())
    assert ids(folder) == plain
    assert Tokenizer.from_folder(folder).highest_id == len(VOCABULARY) - 1


def test_an_empty_line_before_the_end_keeps_its_id(folder):
    lines = (folder / "vocab.txt").read_text().splitlines()
    (folder / "vocab.txt").write_text("\n".join([*lines[:6], "", *lines[6:]]) + "\n")
    assert Tokenizer.from_folder(folder).highest_id == len(VOCABULARY)


def test_a_byte_order_mark(folder):
    plain = ids(folder)
    for name in ("vocab.txt", "tokenizer_config.json"):
        (folder / name).write_bytes(b"\xef\xbb\xbf" + (folder / name).read_bytes())
    assert ids(folder) == plain


def test_utf_16_is_named(folder):
    (folder / "vocab.txt").write_text((folder / "vocab.txt").read_text(), encoding="utf-16")
    with pytest.raises(CheckpointError, match=r"vocab\.txt: its text is UTF-16; save it as UTF-8"):
        Tokenizer.from_folder(folder)


# --- added tokens


@pytest.mark.parametrize("settings", [{}, {"additional_special_tokens": ["<e1>"]}])
def test_added_tokens(folder, settings):
    (folder / "added_tokens.json").write_text(json.dumps({"[NEW]": len(VOCABULARY) + 1, "<e1>": len(VOCABULARY)}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True} | settings))
    tokenizer = Tokenizer.from_folder(folder)
    assert tokenizer.highest_id == len(VOCABULARY) + 1
    assert ids(folder) == reference_ids(transformers.BertTokenizer.from_pretrained(folder))
    assert tokenizer.tokens(tokenizer.encode([TEXTS[2]])[0].ids)[2] == "<e1>"


def test_added_tokens_of_the_settings(folder):
    token = {"content": "<e1>", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    listed = {str(len(VOCABULARY)): token | {"special": True}}
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True, "added_tokens_decoder": listed}))
    assert ids(folder) == reference_ids(transformers.BertTokenizer.from_pretrained(folder))


@pytest.mark.parametrize("added", [{"<e1>": 3}, {"<e1>": 10**6}, {"film": 3}, {"<e1>": "3"}, {"": 70}, {"<e1>": -1}])
def test_added_tokens_that_do_not_fit(folder, added):
    (folder / "added_tokens.json").write_text(json.dumps(added))
    with pytest.raises(CheckpointError, match=r"do not belong together|must map tokens to ids"):
        Tokenizer.from_folder(folder)


# --- vocab.json and merges.txt

LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())
MERGES = [("f", "i"), ("l", "m"), ("fi", "lm"), ("Ġ", "film"), ("o", "o"), ("oo", "d")]


def write_roberta(folder, extra=()):
    words = ["<s>", "<pad>", "</s>", "<unk>", *LETTERS, *("".join(pair) for pair in MERGES), "<mask>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    merges = ["#version: 0.2", *(" ".join(pair) for pair in MERGES), *extra]
    (folder / "merges.txt").write_text("\n".join(merges) + "\n")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "RobertaTokenizer"}')
    return folder


def test_vocab_json_and_merges(tmp_path):
    reference = transformers.RobertaTokenizer.from_pretrained(write_roberta(tmp_path))
    assert ids(tmp_path) == reference_ids(reference)
    tokenizer = Tokenizer.from_folder(tmp_path)
    # As in the official tokenizer.json; transformers 5 keeps the space before <mask> when it reads these files.
    assert tokenizer.encode(["a <mask> film"])[0].ids == tokenizer.encode(["a<mask> film"])[0].ids
    tokenizer.save(tmp_path, 64)
    assert (tmp_path / "tokenizer.json").is_file() and ids(tmp_path) == reference_ids(reference)


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda f: (f / "merges.txt").unlink(), "has vocab.json, but no merges.txt"),
        (lambda f: (f / "vocab.json").unlink(), "has merges.txt, but no vocab.json"),
        (lambda f: (f / "merges.txt").write_text("a b\nabc\n"), "merges.txt:2: must be two tokens"),
        (lambda f: (f / "merges.txt").write_text("zz zz\n"), "do not belong together"),
        (lambda f: (f / "vocab.json").write_text('{"a": 1, "b": 1}'), "the same id"),
        (lambda f: (f / "vocab.json").write_text('{"a": -1}'), "must map"),
        (lambda f: (f / "vocab.json").write_text('{"a": 1}'), "has no <s>"),
    ],
)
def test_broken_vocab_json(tmp_path, break_it, said):
    break_it(write_roberta(tmp_path))
    with pytest.raises(CheckpointError, match=said):
        Tokenizer.from_folder(tmp_path)


@pytest.mark.parametrize("name", ["sentencepiece.bpe.model", "spiece.model"])
def test_sentencepiece_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"\n\x0e")
    with pytest.raises(CheckpointError, match=f"has {name}, a file of SentencePiece"):
        Tokenizer.from_folder(tmp_path)


# --- a tokenizer that minitf does not have


@pytest.mark.parametrize("file", ["tokenizer_config.json", "config.json"])
@pytest.mark.parametrize("name", ["BertJapaneseTokenizer", "PhobertTokenizer", "AlbertTokenizer", "MyTokenizerFast"])
def test_a_class_that_minitf_does_not_have(folder, file, name):
    (folder / file).write_text(json.dumps({"tokenizer_class": name}))
    with pytest.raises(CheckpointError, match=f"its tokenizer is {name.removesuffix('Fast')}, which minitf does not"):
        Tokenizer.from_folder(folder)


@pytest.mark.parametrize("setting", [{"word_tokenizer_type": "mecab"}, {"subword_tokenizer_type": "character"}])
def test_words_that_another_program_splits(folder, setting):
    (folder / "tokenizer_config.json").write_text(json.dumps(setting))
    with pytest.raises(CheckpointError, match=f"its tokenizer is {next(iter(setting))}"):
        Tokenizer.from_folder(folder)


# --- a hostile tokenizer.json


def write_json(folder, change):
    vocabulary = {word: i for i, word in enumerate(VOCABULARY)}
    fast = FastTokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    fast.normalizer, fast.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    fast.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    fast.decoder = decoders.WordPiece()
    fast.add_special_tokens([AddedToken(word, special=True) for word in VOCABULARY[:5]])
    content = json.loads(fast.to_str())
    change(content)
    (folder / "tokenizer.json").write_text(json.dumps(content))
    return folder


def sequence(kind, *parts):
    return lambda t: t.update({kind: {"type": "Sequence", f"{kind.removesuffix('r')}rs".replace("_", ""): list(parts)}})


def replace(old, new):
    return {"type": "Replace", "pattern": {"String": old}, "content": new}


def splits(expression):
    split = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}
    return lambda t: t.update(pre_tokenizer=split)


def special(content, **ids):
    pieces = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    pair = [*pieces, {"Sequence": {"id": "B", "type_id": 1}}]
    tokens = {"[CLS]": {"id": "[CLS]", "ids": [content], "tokens": ["[CLS]"]}}
    return {"type": "TemplateProcessing", "single": pieces, "pair": pair, "special_tokens": tokens}


def unigram(*pieces):
    scores = [["[UNK]", 0.0], *[[piece, -1.0] for piece in pieces]]
    return lambda t: t.update(model={"type": "Unigram", "unk_id": 0, "vocab": scores})


HOSTILE = {
    "doubles forty times": (sequence("normalizer", *[replace("o", "oo")] * 40), "times as long"),
    "doubles a letter of no trial": (sequence("normalizer", *[replace("q", "qq")] * 40), "times as long"),
    "one long replacement": (lambda t: t.update(normalizer=replace("q", "q" * 10**6)), "times as long|larger"),
    "an expression that matches nothing": (
        lambda t: t.update(normalizer={"type": "Replace", "pattern": {"Regex": "x*"}, "content": "y" * 1000}),
        "times as long",
    ),
    "bytes of bytes": (sequence("normalizer", *[{"type": "ByteLevel"}] * 20), "times as long"),
    "many parts": (sequence("normalizer", *[{"type": "NFC"}] * 1000), "larger"),
    "a decoder that doubles": (sequence("decoder", *[replace("o", "oo")] * 40), "times as long"),
    "an exponential expression": (splits("(b|bb)+$"), "exponential"),
    "an exponential replacement": (
        lambda t: t.update(normalizer={"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": ""}),
        "exponential",
    ),
    "an id outside of the table": (lambda t: t.update(post_processor=special(10**6)), "adds the id 1000000"),
    "one long piece": (unigram("a" * 10**6), "longest piece has 1,000,000 bytes"),
    "one long piece of a model without a type": (
        lambda t: (unigram("a" * 10**6)(t), t["model"].pop("type")),
        "longest piece has 1,000,000 bytes",
    ),
    "long pieces": (unigram(*[f"{i}" + "é" * 490 for i in range(18_000)]), "all have 17,"),
    "long words": (lambda t: t["model"].update(max_input_chars_per_word=10**9), "max_input_chars_per_word"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_tokenizer_out_of_proportion(tmp_path, what):
    change, said = HOSTILE[what]
    begin = time.monotonic()
    with pytest.raises(CheckpointError, match=rf"tokenizer\.json: .*({said})") as caught:
        Tokenizer.from_folder(write_json(tmp_path, change))
    assert "\n" not in str(caught.value) and time.monotonic() - begin < 20


def test_the_sound_one(tmp_path):
    tokenizer = Tokenizer.from_folder(write_json(tmp_path, lambda t: None))
    assert tokenizer.encode(["good film"])[0].ids[0] == 2 and tokenizer.words([2]) == ["[CLS]"]


HARMLESS = [" {2,}", r"\s+", r"'s|'t| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)", r"(?i:'s|'t)?", r"\d{1,3}(?=(?:\d{3})*\b)"]
HARMLESS += [
    r"[^\r\n\p{L}\p{N}]?\p{L}+|\s*[\r\n]+",
    r"[[:alpha:]&&[^x]]+",
    r"(?<=a)b",
    r"(?P<name>a)b",
    "^",
    "a|b|c" * 9,
]
DANGEROUS = ["(a+)+$", "(b|bb)+$", "(?:a*)*b", "(?>a|ab)*c", r"(a)\1", "a?" * 30, "(a|a)" * 30, "(a|b){9}", "(?x)a +"]


@pytest.mark.parametrize("expression", HARMLESS)
def test_a_harmless_expression(expression):
    check_expression(expression)


@pytest.mark.parametrize("expression", DANGEROUS)
def test_a_dangerous_expression(expression):
    with pytest.raises(ValueError, match="exponential"):
        check_expression(expression)


def test_the_text_on_which_the_library_fails_is_named(tmp_path):
    """An expression that is slow on some texts, and passes the check."""
    tokenizer = Tokenizer.from_folder(write_json(tmp_path, splits("b*b*b*b*b*b*b*b*$")))
    assert tokenizer.encode(["good"])
    with pytest.raises(InputError, match="the tokenizer fails on text 2, 'bbbb"):
        tokenizer.encode(["good", "b" * 150 + "x"])


SLOW = """
import sys
from pathlib import Path
from minitf.text import tokenizer_limits
if sys.argv[2] == "limit":
    tokenizer_limits.SECONDS = 0.5
from minitf.text.tokenizer import Tokenizer
tokenizer = Tokenizer.from_folder(Path(sys.argv[1]))
print("ready", flush=True)
try:
    tokenizer.encode(["b " * 2_000_000])
except BaseException as error:
    print(type(error).__name__, str(error)[:40])
"""


@pytest.mark.parametrize("how", ["limit", "Ctrl-C"])
def test_a_slow_text_ends(tmp_path, how):
    folder = write_json(tmp_path, splits(r"\s*b\s*b\s*$"))
    command = [sys.executable, "-c", SLOW.replace("CHARACTERS", ""), str(folder), how]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    if how == "limit":
        command[2] = SLOW.replace("SECONDS = 0.5", "SECONDS, tokenizer_limits.CHARACTERS_PER_SECOND = 0.5, 1e9")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as process:
        assert process.stdout.readline() == "ready\n"
        if how == "Ctrl-C":
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
    assert re.match("InputError the tokenizer needed more than" if how == "limit" else "KeyboardInterrupt", said)
