"""The official files of a tokenizer, read into the library `tokenizers`: `tokenizer.json`, or BERT's `vocab.txt`.

The library believes a `tokenizer.json`, and what does not fit together in it shows only once a text is read: so each is
tried on one before it is given out.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as FastTokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from minitf.errors import CheckpointError
from minitf.file_kinds import as_text, other_kind, parse_json_object, read_small
from minitf.text import added_tokens, byte_level, tokenizer_class
from minitf.text.tokenizer_limits import SECONDS, LibraryError, check_components, check_ids, library_call, within

BERT_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LARGEST_VOCABULARY = 8 << 20  # bytes of a vocab.txt; BERT's for 104 languages has one
LARGEST_TOKENIZER = 64 << 20  # of a tokenizer.json; XLM-RoBERTa's has 9 million, indented 17
LARGEST_SETTINGS = 2 << 20
# Each takes some 350 bytes, however few its file spends on it. XLM-V has the most: 901,629; of BERTs LaBSE, 501,153.
MOST_WORDS = 1 << 20
TRIAL = "The film, it was so good! café Ελλάς 中国 ꙮ 😀 x\u0301\u200b 123"

# A switch of tokenizer_config.json -> the same of the library's BertNormalizer.
NORMALIZER = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


def read_folder(folder: Path) -> tuple[FastTokenizer, dict[str, Any]]:
    """The library's tokenizer, and `tokenizer_config.json`. Raises CheckpointError."""
    settings = _settings(folder / "tokenizer_config.json")
    tokenizer_class.check(folder, settings)
    if os.path.lexists(folder / "tokenizer.json"):
        fast = _from_json(folder / "tokenizer.json", settings)
    elif os.path.lexists(folder / "vocab.txt"):
        content = read_small(folder / "vocab.txt", LARGEST_VOCABULARY)
        fast = read_vocabulary(content, str(folder / "vocab.txt"), settings)
    elif os.path.lexists(folder / "vocab.json") and os.path.lexists(folder / "merges.txt"):
        fast = byte_level.read(folder, settings)
    else:
        raise CheckpointError(f"{folder}: {tokenizer_class.explain_missing(folder)}")
    added_tokens.add(fast, folder, settings)
    return fast, settings


def read_vocabulary(content: bytes, where: str, settings: Mapping[str, Any] | None = None) -> FastTokenizer:
    """BERT's tokenizer from a `vocab.txt`, a word piece a line. `where` is what an error calls it."""
    settings = settings or {}
    if max(content.count(b"\n"), content.count(b"\r")) > MOST_WORDS:
        raise CheckpointError(f"{where}: more than {MOST_WORDS} lines, too many for a vocabulary of BERT's")
    # As Python reads a text file: each way to end a line is one.
    lines = as_text(content, where).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    while lines and not lines[-1]:
        lines.pop()  # an editor adds empty lines at the end; they are not tokens
    vocabulary = {token.rstrip(): i for i, token in enumerate(lines)}
    if "[UNK]" not in vocabulary or "[CLS]" not in vocabulary or "[SEP]" not in vocabulary:
        raise CheckpointError(f"{where}: has no [UNK], [CLS] or [SEP], so it is not BERT's vocabulary")
    # Google's folders do not say whether they are cased; a vocabulary with capitals is.
    cased = any(token[:1].isascii() and token[:1].isupper() for token in vocabulary)
    fast = FastTokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    fast.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=bool(settings.get("tokenize_chinese_chars", True)),
        strip_accents=settings.get("strip_accents"),
        lowercase=bool(settings.get("do_lower_case", not cased)),
    )
    fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    fast.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    fast.decoder = decoders.WordPiece(prefix="##")
    fast.add_special_tokens([token for token in BERT_SPECIAL if token in vocabulary])
    return fast


def _settings(path: Path) -> dict[str, Any]:
    settings = parse_json_object(read_small(path, LARGEST_SETTINGS), str(path)) if os.path.lexists(path) else {}
    for name in NORMALIZER:
        value = settings.get(name, True)
        # No answer to `strip_accents` is one: as `do_lower_case` says.
        if not isinstance(value, bool) and (value is not None or name != "strip_accents"):
            raise CheckpointError(f"{path}: {name} must be true or false, not {value!r:.60}")
    return settings


def _from_json(path: Path, settings: Mapping[str, Any]) -> FastTokenizer:
    content = read_small(path, LARGEST_TOKENIZER)
    if kind := other_kind(content):
        raise CheckpointError(f"{path}: {kind}")
    if content.count(b",") > 2 * MOST_WORDS:  # a word of a Unigram has two
        raise CheckpointError(f"{path}: more than {MOST_WORDS} words, too many for a tokenizer")
    try:
        fast = library_call(lambda: FastTokenizer.from_buffer(content))
        fast.no_padding()  # some official files ask for a fixed length; padding is `batches`' work
        fast.no_truncation()
        check_components(fast)
        # Where the two files disagree, the reference follows tokenizer_config.json.
        for name, attribute in NORMALIZER.items():
            if name in settings and hasattr(fast.normalizer, attribute):
                setattr(fast.normalizer, attribute, settings[name])
        within(SECONDS, lambda: check_ids(fast, TRIAL))
        numbers = fast.get_vocab(with_added_tokens=False).values()
    except LibraryError as error:
        raise CheckpointError(f"{path}: not a tokenizer that the library reads ({error}); replace it") from None
    except ValueError as error:  # also an InputError
        raise CheckpointError(f"{path}: {error}; use another tokenizer") from None
    # A `vocab.txt` has a line for every number, whether or not there is a word to it.
    if not numbers or max(numbers) > 2 * len(numbers) + 65_536:
        raise CheckpointError(f"{path}: no words, or numbers far beyond how many there are, so no tokenizer of BERT's")
    return fast
