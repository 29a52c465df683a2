"""The tokenizers of Marian, T5, BART and GPT-2: ids and texts of the reference's own, which are trained here."""

import io
import json
import shutil
import warnings
from random import Random
from types import SimpleNamespace

import pytest
import sentencepiece
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as FastTokenizer

import minitf
from minitf.checkpoints.report import tokenizer_for
from minitf.errors import CheckpointError, InputError
from minitf.text import sequence_tokenizer
from minitf.text.sequence_tokenizer import SequenceTokenizer, from_folder
from minitf.text.tokenizer import Tokenizer

PROPERTY = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=100,
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
    "<s> a </s> b <pad> <unk> <|endoftext|> <extra_id_0><extra_id_1>",
    ">>fr<< The fox </s> >>de<< dog >>x",
    ">>fr<<>>de<<",
    "naïve cafe\u0301 ﬁne Ⅷ ½",
    "😀👍🏽 👨\u200d👩\u200d👧",
    "我喜欢 this ありがとう",
    "tabs\tand\nnewlines\r\n\u00a0\u3000\u2028end",
    "zero\x00 bell\x07 soft\u00adhyphen\u200b\ufeff\ufffd",
    "a" * 300,
    "▁ Ġ ## ▁the Ġthe",
    "hello " * 100,
]
WORDS = [*" ".join(CORPUS[:4]).split(), " ", "  ", "<pad>", "</s>", ">>fr<<", "<|endoftext|>", "\n", "é", "😀"]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.lists(
    st.sampled_from(WORDS), max_size=10
).map("".join)


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def byte_level(special):
    fast = FastTokenizer(models.BPE())
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    fast.train_from_iterator(CORPUS, trainer)
    return json.loads(fast.to_str())["model"]


def write_bpe(folder, special, model_type):
    """The older files."""
    model = byte_level(special)
    write(folder, vocab=model["vocab"], config={"model_type": model_type})
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in model["merges"]))
    return folder


def gpt2_files(folder):
    return write_bpe(folder, ["<|endoftext|>"], "gpt2")


def gpt2(folder):
    transformers.GPT2Tokenizer.from_pretrained(gpt2_files(folder / "files")).save_pretrained(folder)
    return write(folder, config={"model_type": "gpt2"})


def bart_files(folder):
    special = ["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True, special=True)]
    return write_bpe(folder, special, "bart")


def bart(folder):
    reference = transformers.BartTokenizer.from_pretrained(bart_files(folder / "files"), mask_token=MASK)
    reference.save_pretrained(folder)
    return write(folder, config={"model_type": "bart", "decoder_start_token_id": 2})


MASK = AddedToken("<mask>", lstrip=True, special=True, normalized=False)


def sentencepiece_model(size, texts=tuple(CORPUS), **ids):
    content = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=content,
        vocab_size=size,
        hard_vocab_limit=False,
        minloglevel=2,
        **ids,
    )
    return content.getvalue()


def t5_files(folder):
    write(folder, config={"model_type": "t5", "decoder_start_token_id": 0})
    model = sentencepiece_model(120, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    (folder / "spiece.model").write_bytes(model)
    return folder


def t5(folder):
    transformers.T5Tokenizer.from_pretrained(t5_files(folder / "files")).save_pretrained(folder)
    return write(folder, config={"model_type": "t5", "decoder_start_token_id": 0})


def marian_files(folder):
    folder.mkdir(parents=True, exist_ok=True)
    names = ["</s>", "<unk>"]
    for name, texts in (("source", CORPUS[::2]), ("target", CORPUS[1::2])):
        content = sentencepiece_model(100, texts)
        (folder / f"{name}.spm").write_bytes(content)
        model = sentencepiece.SentencePieceProcessor(model_proto=content)
        names += [model.id_to_piece(i) for i in range(model.get_piece_size())][::-2]  # half of them are unknown
    names = list(dict.fromkeys([*names, ">>fr<<", ">>de<<", "<pad>"]))
    vocabulary = {name: i for i, name in enumerate(names)}
    return write(folder, vocab=vocabulary, config={"model_type": "marian", "decoder_start_token_id": len(names) - 1})


def marian(folder):
    reference(marian_files(folder / "files")).save_pretrained(folder)
    shutil.copy(folder / "files" / "config.json", folder)
    return folder


CLASSES = {
    "marian": transformers.MarianTokenizer,
    "t5": transformers.T5Tokenizer,
    "bart": transformers.BartTokenizer,
    "gpt2": transformers.GPT2Tokenizer,
}
MAKERS = {f.__name__: f for f in (marian_files, marian, t5_files, t5, bart_files, bart, gpt2_files, gpt2)}


def reference(folder, cls=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sacremoses, which Marian's tokenizer never calls
        model_type = json.loads((folder / "config.json").read_text())["model_type"]
        return (cls or CLASSES[model_type]).from_pretrained(folder)


@pytest.fixture(scope="module", params=MAKERS)
def both(request, tmp_path_factory):
    """Our tokenizer, the reference's, and their folder."""
    folder = MAKERS[request.param](tmp_path_factory.mktemp("tokenizers") / request.param)
    return from_folder(folder), reference(folder), folder


def with_end(theirs, ids):
    """GPT-2's reference ends no text."""
    return ids if isinstance(theirs, transformers.GPT2Tokenizer) is False else [[*i, theirs.eos_token_id] for i in ids]


def without_mask(theirs, texts):
    """BART's older files: the reference keeps the space before <mask>, against the official tokenizer.json."""
    return [text for text in texts if "<mask>" not in text] if type(theirs).__name__.startswith("Rob") else texts


def assert_same(ours, theirs, texts):
    texts = without_mask(theirs, texts)
    if not texts:
        return
    ids = ours.encode(texts)
    assert ids == theirs(texts)["input_ids"]
    targets = ours.encode_targets(texts)
    assert targets == with_end(theirs, theirs(text_target=texts)["input_ids"])
    for row in [*ids, *targets]:
        for skip in (True, False):
            expected = theirs.decode(row, skip_special_tokens=skip, clean_up_tokenization_spaces=False)
            assert ours.decode(row, skip_special_tokens=skip) == expected


def test_nasty_texts(both):
    assert_same(*both[:2], NASTY)


@PROPERTY
@given(st.lists(TEXT, min_size=1, max_size=3))
def test_any_text(both, texts):
    assert_same(*both[:2], texts)


@PROPERTY
@given(st.data())
def test_any_ids(both, data):
    """What a model with random weights generates."""
    ours, theirs, _ = both
    ids = data.draw(st.lists(st.integers(0, ours.vocab_size - 1), max_size=12))
    for skip in (True, False):
        expected = theirs.decode(ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False)
        assert ours.decode(ids, skip) == expected
    assert len(ours.words(ids)) == len(ids) and ours.tokens(ids) == theirs.convert_ids_to_tokens(ids)


@pytest.mark.parametrize("max_length", [3, 4, 8, 33])
def test_truncation(both, max_length):
    ours, theirs, _ = both
    texts = without_mask(theirs, NASTY)
    assert ours.encode(texts, max_length) == theirs(texts, truncation=True, max_length=max_length)["input_ids"]
    targets = ours.encode_targets(texts, max_length)
    assert max(map(len, targets)) == max_length and all(row[-1] == ours.end_id for row in targets)


def test_special_tokens(both):
    ours, theirs, folder = both
    pad = theirs.eos_token_id if theirs.pad_token_id is None else theirs.pad_token_id
    assert (ours.pad_id, ours.end_id, ours.unknown_id) == (pad, theirs.eos_token_id, theirs.unk_token_id)
    assert ours.start_id == json.loads((folder / "config.json").read_text()).get("decoder_start_token_id")
    assert ours.vocab_size == max(theirs.get_vocab().values()) + 1 == len(theirs)
    assert ours.ends_source == (not isinstance(theirs, transformers.GPT2Tokenizer))


def test_what_is_saved_both_read_alike(both, tmp_path):
    ours, theirs, folder = both
    shutil.copy(folder / "config.json", tmp_path)
    ours.save(tmp_path, max_length=64)
    assert_same(from_folder(tmp_path), theirs, NASTY)
    again = reference(tmp_path, transformers.AutoTokenizer)
    assert_same(ours, again, NASTY)
    assert type(again) is type(theirs) and again.model_max_length == 64
    assert from_folder(tmp_path).sha256 == ours.sha256


@pytest.mark.parametrize("ids", [[-1], [2, -100], ["a"], None, [[5, 6]], 5], ids=str)
def test_decode_refuses_what_is_no_id(both, ids):
    with pytest.raises(InputError, match=r"the vocabulary has no token with the id|must be the token ids of one text"):
        both[0].decode(ids)


def test_an_id_without_a_token_is_left_out(both):
    """T5 has 28 more rows of embeddings than tokens."""
    ours, _, _ = both
    row = ours.encode_targets(["The quick fox"])[0]
    assert ours.decode([*row, ours.vocab_size + 5]) == ours.decode(row)
    assert ours.words([ours.vocab_size]) == ours.tokens([ours.vocab_size]) == [f"[{ours.vocab_size}]"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", "\ud800"], "text 2 is not valid Unicode"),
        (["a", None], "text 2 is not valid Unicode"),
        ("one text", "give a list of texts"),
    ],
)
def test_texts_that_cannot_be_encoded(both, texts, message):
    for encode in (both[0].encode, both[0].encode_targets):
        with pytest.raises(InputError, match=message):
            encode(texts)


def test_a_length_below_the_special_tokens(both):
    with pytest.raises(InputError, match="`max_length` 1 is too small: the special tokens alone are"):
        both[0].encode_targets(["a"], 1)


def test_load_tokenizer(both, tmp_path):
    ours, _, folder = both
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"")
    tokenizer = minitf.load_tokenizer(tmp_path / "model")
    assert isinstance(tokenizer, SequenceTokenizer) and tokenizer.encode(NASTY) == ours.encode(NASTY)
    batch = tokenizer(["The fox", "a"])
    assert batch.token_ids[0].tolist() == ours.encode(["The fox"])[0] and batch.mask.sum(1).tolist()[0] == len(
        batch.mask[0]
    )
    assert tokenizer.special_ids >= {ours.pad_id, ours.end_id} and tokenizer.highest_id == ours.vocab_size - 1
    tokenizer_for(SimpleNamespace(vocab_size=ours.vocab_size), tokenizer, folder)
    with pytest.raises(CheckpointError, match="they do not belong together"):
        tokenizer_for(SimpleNamespace(vocab_size=ours.vocab_size - 1), tokenizer, folder)


def test_bert_does_not_take_them(both):
    """One line, from the tokenizer of BERT's family; BART's is RoBERTa's."""
    if "bart" not in both[2].name:
        with pytest.raises(CheckpointError, match=r"not of BERT or RoBERTa|which minitf does not have") as caught:
            Tokenizer.from_folder(both[2])
        assert "\n" not in str(caught.value)


# --- settings of GPT-2


@pytest.mark.parametrize(
    "more",
    [
        {"add_bos_token": True},
        {"add_bos_token": True, "add_eos_token": True},
        {"add_bos_token": False},
        {"pad_token": "<pad>"},
        {"add_prefix_space": True},
        {"additional_special_tokens": ["<new>", "<|x|>"]},
        {"eos_token": {"__type": "AddedToken", "content": "<end>", "lstrip": True, "normalized": False}},
    ],
    ids=str,
)
@pytest.mark.parametrize("make", [gpt2_files, gpt2])
def test_settings_of_gpt2(tmp_path, make, more):
    folder = make(tmp_path / "gpt2")
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | more))
    ours, theirs = from_folder(folder), reference(folder)
    texts = [*NASTY, "a <new> b<|x|>", "a <end>b <pad>"]
    assert ours.encode(texts) == theirs(texts)["input_ids"]
    assert (ours.end_id, ours.vocab_size) == (theirs.eos_token_id, len(theirs))
    assert ours.pad_id == (theirs.eos_token_id if theirs.pad_token_id is None else theirs.pad_token_id)


def test_settings_of_t5(tmp_path):
    folder = t5_files(tmp_path / "t5")
    write(folder, tokenizer_config={"tokenizer_class": "T5Tokenizer", "extra_ids": 7})
    assert_same(from_folder(folder), reference(folder), NASTY)


def test_an_older_file_names_the_special_tokens(tmp_path):
    folder = gpt2(tmp_path / "gpt2")
    write(folder, special_tokens_map={"pad_token": "<padding>"}, tokenizer_config={})
    ours, theirs = from_folder(folder), reference(folder)
    assert (ours.pad_id, ours.vocab_size) == (theirs.pad_token_id, len(theirs)) == (len(theirs) - 1, len(theirs))


def test_added_tokens_of_marian(tmp_path):
    folder = marian(tmp_path / "marian")
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"extra_special_tokens": [">>fr<<"]}))
    assert_same(from_folder(folder), reference(folder), [*NASTY, "a>>fr<<b"])
    folder = marian_files(tmp_path / "older")
    vocabulary = json.loads((folder / "vocab.json").read_text())
    write(folder, added_tokens={">>de<<": vocabulary[">>de<<"]}, special_tokens_map={"pad_token": ">>fr<<"})
    assert_same(from_folder(folder), reference(folder), [*NASTY, "a>>de<<b>>fr<<"])
    write(folder, added_tokens={"<new>": len(vocabulary)})
    with pytest.raises(CheckpointError, match=r"'<new>' is not in vocab\.json"):
        from_folder(folder)


# --- broken files

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"


def cut(name, part):
    def change(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * part)])

    return change


def put(name, content):
    return lambda folder: (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


BROKEN = [
    *(
        (marian_files, lambda f, n=n: (f / n).unlink(), f"has no {n}")
        for n in ("source.spm", "target.spm", "vocab.json")
    ),
    *(
        (marian_files, put(n, POINTER), f"{n}: is a pointer of Git LFS")
        for n in ("source.spm", "target.spm", "vocab.json")
    ),
    *(
        (marian_files, put(n, "no model"), f"{n}: is not a model of SentencePiece")
        for n in ("source.spm", "target.spm")
    ),
    *((marian_files, put(n, ""), f"{n}: is not a model of SentencePiece") for n in ("source.spm", "target.spm")),
    (marian_files, cut("target.spm", 0.5), "target.spm: is not a model of SentencePiece"),
    (marian_files, put("vocab.json", "{"), "vocab.json: truncated or corrupt"),
    (marian_files, put("vocab.json", "[]"), "vocab.json: must be a JSON object"),
    (marian_files, put("vocab.json", '{"a": 1}'), "has no </s>, <unk>, <pad>, so it is not Marian's"),
    (marian_files, put("vocab.json", '{"</s>": 0, "<unk>": 1, "<pad>": 1}'), "two tokens have the same id"),
    (marian_files, put("vocab.json", '{"</s>": 0, "<unk>": 1, "<pad>": -1}'), "must map at most"),
    (marian_files, put("vocab.json", '{"</s>": 0, "<unk>": 1, "<pad>": 99999999999}'), "must map at most"),
    (marian_files, put("tokenizer_config.json", '{"separate_vocabs": true}'), "separate_vocabs"),
    (marian_files, put("tokenizer_config.json", '{"extra_special_tokens": ["<new>"]}'), "'<new>' is not in vocab.json"),
    (t5_files, lambda f: (f / "spiece.model").unlink(), "no tokenizer.json and no spiece.model"),
    (t5_files, put("spiece.model", POINTER), "is a pointer of Git LFS"),
    (t5_files, put("spiece.model", "no model"), "is not a Unigram model of SentencePiece"),
    (t5_files, put("spiece.model", ""), "is not a Unigram model of SentencePiece"),
    (t5_files, cut("spiece.model", 0.5), "is not a Unigram model of SentencePiece"),
    (
        t5_files,  # one piece of 2,000 bytes: field 1 of the model, in it field 1
        lambda f: (f / "spiece.model").write_bytes(b"\x0a\xd3\x0f\x0a\xd0\x0f" + b"x" * 2000),
        "its longest piece has 2,000 bytes",
    ),
    (t5_files, put("tokenizer_config.json", '{"extra_ids": -1}'), "extra_ids must be from 0 to 1000"),
    (t5, put("tokenizer.json", POINTER), "is a pointer of Git LFS"),
    (t5, cut("tokenizer.json", 0.5), "the library cannot read this tokenizer"),
    (gpt2_files, lambda f: (f / "merges.txt").unlink(), "has vocab.json, but no merges.txt"),
    (gpt2_files, put("merges.txt", POINTER), "is a pointer of Git LFS"),
    (gpt2_files, put("vocab.json", '{"a": 1}'), "not RoBERTa's vocabulary, nor GPT-2's"),
    (
        gpt2_files,
        put("tokenizer_config.json", '{"eos_token": 5, "additional_special_tokens": [5]}'),
        "must be a string",
    ),
    (bart_files, put("vocab.json", "no JSON"), "vocab.json: cannot be read as JSON"),
]


@pytest.mark.parametrize(("make", "change", "message"), BROKEN)
def test_broken_files(tmp_path, make, change, message):
    folder = make(tmp_path / "broken")
    change(folder)
    with pytest.raises(CheckpointError, match=message) as caught:
        from_folder(folder)
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)


@pytest.mark.parametrize("make", MAKERS)
def test_spoiled_files(tmp_path, make):
    """Random damage gives one line, or a tokenizer that works."""
    folder, messages = MAKERS[make](tmp_path / make), []
    for path in [path for path in folder.iterdir() if path.is_file()]:
        sound = path.read_bytes()
        for seed in range(12):
            random = Random(f"{make}/{path.name}/{seed}")
            spoiled = bytearray(sound)
            for _ in range(random.choice([1, 3, 30])):
                spoiled[random.randrange(min(len(spoiled), random.choice([2500, len(spoiled)])))] = random.randrange(
                    256
                )
            path.write_bytes(spoiled[: random.choice([len(spoiled), random.randrange(len(spoiled))])])
            try:
                tokenizer = from_folder(folder)
                for row in (*tokenizer.encode(NASTY[:8], 50), *tokenizer.encode_targets(NASTY[:8], 50)):
                    tokenizer.decode(row)
            except InputError as error:
                messages.append(str(error))
        path.write_bytes(sound)
    assert messages and not any("\n" in message for message in messages)


def test_sentencepiece_of_another_kind(tmp_path):
    folder = t5_files(tmp_path)
    (folder / "spiece.model").write_bytes(sentencepiece_model(120, model_type="bpe"))
    with pytest.raises(CheckpointError, match="its model is not Unigram"):
        from_folder(folder)
    (folder / "spiece.model").write_bytes(sentencepiece_model(120))
    with pytest.raises(CheckpointError, match="its third piece must be <unk>"):
        from_folder(folder)


def test_a_vocabulary_without_an_end(tmp_path):
    fast = FastTokenizer(models.BPE(vocab={"a": 0, "b": 1}, merges=[]))
    fast.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(CheckpointError, match="neither a token for padding nor an end token"):
        from_folder(tmp_path)
    write(tmp_path, tokenizer_config={"pad_token": "b"})
    assert from_folder(tmp_path).end_id is None
    assert from_folder(tmp_path).encode_targets(["ab"]) == [[0, 1]]


def test_without_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sentencepiece", None)
    with pytest.raises(CheckpointError, match=r"needs the library sentencepiece: pip install 'minitf\[translation\]'"):
        from_folder(marian_files(tmp_path / "marian"))


def test_which_folders_are_read(tmp_path):
    assert sequence_tokenizer.reads(write(tmp_path, config={"model_type": "t5"}))
    assert not sequence_tokenizer.reads(write(tmp_path, config={"model_type": "bert"}))
    assert not sequence_tokenizer.reads(tmp_path / "none")
