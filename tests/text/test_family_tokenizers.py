"""RoBERTa's byte-level BPE, XLM-RoBERTa's Unigram and DistilBERT's WordPiece: ids of the reference's own tokenizers.

Small ones, trained here and saved by `transformers`, so that the files are as it writes them.
"""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as FastTokenizer

from minitf.errors import CheckpointError, InputError
from minitf.text import long_texts
from minitf.text.long_texts import LongText
from minitf.text.tokenizer import Tokenizer
from tests.support.tiny import VOCABULARY, write_vocabulary

PROPERTY = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
CORPUS = [
    "The quick brown fox jumps over the lazy dog; naïve café, 1,234 times!",
    "Don't re-enter: e-mail me@home.org, or else…",
    "我喜欢这本书。本当にありがとう 감사합니다",
    "Ein größerer Straßenbahnhof für Übermüdete 😀 film 👍🏽",
] * 20
NASTY = [
    "",
    " ",
    "  two  spaces  ",
    "The quick brown fox",
    "the <mask> fox",
    "the<mask>fox <mask> ",
    "<s> a </s> b <pad> <unk> [MASK] [CLS]",
    "naïve cafe\u0301 ﬁne Ⅷ ½",
    "😀👍🏽 👨\u200d👩\u200d👧",
    "我喜欢 this ありがとう",
    "tabs\tand\nnewlines\r\n\u00a0\u3000\u2028end",
    "zero\x00 bell\x07 soft\u00adhyphen\u200b\ufeff\ufffd",
    "a" * 300,
    "▁ Ġ ## ##ing ▁the Ġthe",
    "İstanbul ΣΊΣΥΦΟΣ straße",
    "hello " * 100,
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.lists(
    st.sampled_from([*" ".join(CORPUS[:4]).split(), " ", "  ", "<mask>", "</s>", "\n", "é", "😀"]), max_size=10
).map("".join)


def roberta(folder):
    fast = FastTokenizer(models.BPE())
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True, special=True)],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    fast.train_from_iterator(CORPUS, trainer)
    fast.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    return saved(fast, transformers.RobertaTokenizer, folder)


def xlm_roberta(folder):
    fast = FastTokenizer(models.Unigram())
    fast.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    fast.pre_tokenizer = pre_tokenizers.Metaspace()
    fast.decoder = decoders.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=150, special_tokens=special, unk_token="<unk>", show_progress=False)
    fast.train_from_iterator(CORPUS, trainer)
    fast.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    fast.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return saved(fast, transformers.XLMRobertaTokenizer, folder)


def saved(fast, cls, folder):
    folder.mkdir()
    fast.save(str(folder / "tokenizer.json"))
    cls.from_pretrained(folder).save_pretrained(folder / "official")
    return folder / "official"


def distilbert(folder):
    folder.mkdir()
    write_vocabulary(folder)
    transformers.DistilBertTokenizer.from_pretrained(folder).save_pretrained(folder / "official")
    return folder / "official"


MAKERS = {"roberta": roberta, "xlm-roberta": xlm_roberta, "distilbert": distilbert}


@pytest.fixture(scope="module", params=MAKERS)
def both(request, tmp_path_factory):
    """Our tokenizer, the reference's, and their folder."""
    folder = MAKERS[request.param](tmp_path_factory.mktemp("tokenizers") / request.param)
    return Tokenizer.from_folder(folder), transformers.AutoTokenizer.from_pretrained(folder), folder


def assert_same(ours, theirs, texts, pairs=None, max_length=64):
    mine = ours(texts, pairs, max_length=max_length)
    other = theirs(texts, pairs, max_length=max_length, truncation=True, padding=True, return_tensors="pt")
    assert mine.token_ids.tolist() == other["input_ids"].tolist()
    assert mine.mask.tolist() == other["attention_mask"].tolist()


def test_nasty_strings(both):
    ours, theirs, _ = both
    assert_same(ours, theirs, NASTY)
    assert_same(ours, theirs, NASTY, NASTY[::-1])


@pytest.mark.parametrize("skip", [True, False])
def test_decode_is_the_references(both, skip):
    ours, theirs, _ = both
    for row in ours(NASTY, NASTY[::-1], max_length=64).token_ids:
        expected = theirs.decode(row, skip_special_tokens=skip, clean_up_tokenization_spaces=False)
        assert ours.decode(row, skip_special_tokens=skip) == expected
        assert ours.decode(row.tolist(), skip) == expected


def test_decode_gives_the_text(both):
    ours, _, _ = both
    text = "the quick brown fox" if ours.segments == 1 else "the film was good"
    assert ours.decode(ours([text]).token_ids[0]) == text
    assert ours.decode([]) == ""


@pytest.mark.parametrize("ids", [[5, -100], [-1], [10**6], [2**70], [[5, 6]], ["a"], None], ids=str)
def test_decode_refuses_what_is_no_id(both, ids):
    with pytest.raises(InputError, match=r"the vocabulary has no token with the id|must be the token ids of one text"):
        both[0].decode(ids)


@pytest.mark.parametrize("stride", [0, 3])
def test_windows(both, stride):
    """Each member frames its windows in its own way."""
    ours, theirs, _ = both
    texts = ["the fox and the dog " * 7, "film"]
    rows, owned = long_texts.encode(ours, texts, None, 9, LongText("windows", stride))
    expected = theirs(texts, truncation=True, max_length=9, stride=stride, return_overflowing_tokens=True)
    assert [t.ids for t in rows] == expected["input_ids"]
    assert [n for n, mine in enumerate(owned) for _ in mine] == list(expected["overflow_to_sample_mapping"])


@pytest.mark.parametrize("max_length", [5, 6, 7, 9, 16, 33])
def test_truncation(both, max_length):
    ours, theirs, _ = both
    texts = [t for t in NASTY if "<" not in t]
    assert_same(ours, theirs, texts, max_length=max_length)
    assert_same(ours, theirs, texts, texts[::-1], max_length=max_length)


@PROPERTY
@given(st.lists(TEXT, min_size=1, max_size=3))
def test_any_text(both, texts):
    ours, theirs, _ = both
    assert_same(ours, theirs, texts)
    assert_same(ours, theirs, texts, texts[::-1], max_length=20)


def test_what_is_saved_both_read_alike(both, tmp_path):
    ours, theirs, folder = both
    ours.save(tmp_path, max_length=64)
    assert_same(Tokenizer.from_folder(tmp_path), theirs, NASTY)
    assert_same(ours, transformers.AutoTokenizer.from_pretrained(tmp_path), NASTY, NASTY[::-1])
    assert (tmp_path / "vocab.txt").exists() == (ours.special.pad == "[PAD]")
    written = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert written["tokenizer_class"] == json.loads((folder / "tokenizer_config.json").read_text())["tokenizer_class"]


def test_special_tokens(both):
    ours, theirs, _ = both
    assert (ours.pad_id, ours.unknown_id, ours.mask_id) == (
        theirs.pad_token_id,
        theirs.unk_token_id,
        theirs.mask_token_id,
    )
    assert ours.special.mask == theirs.mask_token
    assert ours.vocabulary_size == len(theirs)
    longest = ours.encode(["the fox"], ["the dog"])[0]
    assert max(longest.segments) == (1 if ours.special.pad == "[PAD]" else 0)
    assert ours([""]).token_ids.tolist() == [[theirs.cls_token_id, theirs.sep_token_id]]


def test_padding_is_the_familys_own(both):
    ours, theirs, _ = both
    batch = ours(["a", "the quick brown fox jumps"])
    assert set(batch.token_ids[0][batch.mask[0] == 0].tolist()) == {theirs.pad_token_id}


def test_the_frame_of_a_pair(both):
    """RoBERTa's is one token longer than BERT's."""
    ours, theirs, _ = both
    frame = theirs.num_special_tokens_to_add(pair=True)
    assert frame == (3 if ours.special.pad == "[PAD]" else 4)
    with pytest.raises(InputError, match=f"the frame alone takes {frame} tokens"):
        ours.encode(["a"], ["b"], max_length=frame)


def test_words_as_a_person_reads_them(both):
    """Without the sign for a space, unless a token is that sign alone: then there is nothing else to show."""
    ours, theirs, _ = both
    ids = ours.encode(["film good the and"])[0].ids[1:-1]
    words = [word for word in ours.words(ids) if word not in ("Ġ", "▁")]
    assert "".join(words).replace("##", "") == "filmgoodtheand"
    assert ours.tokens(ids) == theirs.convert_ids_to_tokens(ids)


def test_a_vocabulary_without_its_special_tokens(tmp_path):
    fast = FastTokenizer(models.BPE(vocab={"<s>": 0, "a": 1}, merges=[]))
    fast.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(CheckpointError, match="the vocabulary has no <pad>, <unk>, </s>"):
        Tokenizer.from_folder(tmp_path)


def test_the_vocabulary_of_the_tests_has_what_is_asked(tmp_path):
    assert {"the", "film", "and"} <= set(VOCABULARY)


def test_calls_from_several_threads(both):
    """The library's truncation is a setting of the object: each call gets its own all the same."""
    ours, _, _ = both

    def lengths(max_length):
        return {len(t) for _ in range(200) for t in ours.encode(["the film and " * 40], max_length=max_length)}

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lengths, [8, 16, 24, 32])) == [{8}, {16}, {24}, {32}]


@pytest.mark.parametrize("pairs", [False, True])
def test_pieces_of_one_word(both, pairs):
    """Two tokens are of one word where the reference says so, in one text; a token of the frame is of none."""
    ours, theirs, _ = both
    for text, pair in zip(NASTY, NASTY[::-1], strict=True):
        numbers = ours.word_numbers(text, pair if pairs else None, max_length=40)
        encoded = theirs([text], [pair] if pairs else None, max_length=40, truncation=True)
        places = list(zip(encoded.sequence_ids(0), encoded.word_ids(0), strict=True))
        assert len(numbers) == len(places) and numbers[0] == 0
        for i in range(1, len(numbers)):
            same = places[i] == places[i - 1] and places[i][0] is not None
            assert numbers[i] - numbers[i - 1] == (0 if same else 1)
