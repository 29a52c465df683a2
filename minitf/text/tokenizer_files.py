"""Read the official files of a tokenizer into the library `tokenizers`: `tokenizer.json`, or the older files.

The library does not check that the parts of a `tokenizer.json` are consistent, and fails only when it encodes a text.
So each tokenizer encodes a test text before it is returned.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as FastTokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from minitf.datasets.file_kinds import as_text, other_kind, read_json_object, read_small
from minitf.errors import CheckpointError
from minitf.text import added_tokens, byte_level, tokenizer_class, unigram_model
from minitf.text.tokenizer_limits import (
    SECONDS,
    LibraryError,
    check_components,
    check_ids,
    check_pieces,
    library_call,
    within,
)

BERT_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LARGEST_VOCABULARY = 8 << 20  # bytes of a vocab.txt; the file of BERT for 104 languages has 1 << 20
LARGEST_TOKENIZER = 64 << 20  # bytes of a tokenizer.json; XLM-RoBERTa's file has 9 million, or 17 if indented
LARGEST_SETTINGS = 2 << 20
# A token takes about 350 bytes of memory. The largest vocabularies: XLM-V, 901,629; LaBSE, a BERT, 501,153.
MOST_WORDS = 1 << 20
TRIAL = "The film, it was so good! café Ελλάς 中国 ꙮ 😀 x\u0301\u200b 123"

# Setting in tokenizer_config.json -> the same setting of the library's BertNormalizer.
NORMALIZER = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


def read_folder(folder: Path) -> tuple[FastTokenizer, dict[str, Any]]:
    """Return the library's tokenizer and the contents of `tokenizer_config.json`. Raises CheckpointError."""
    settings = _settings(folder / "tokenizer_config.json")
    tokenizer_class.check(folder, settings)
    if os.path.lexists(folder / "tokenizer.json"):
        fast = _from_json(folder / "tokenizer.json", settings)
    elif os.path.lexists(folder / "vocab.txt"):
        content = read_small(folder / "vocab.txt", LARGEST_VOCABULARY)
        fast = read_vocabulary(content, str(folder / "vocab.txt"), settings)
    elif os.path.lexists(folder / "spiece.model") and tokenizer_class.base_class(folder, settings) == "T5Tokenizer":
        fast = unigram_model.read(folder / "spiece.model", settings, TRIAL)
    elif os.path.lexists(folder / "vocab.json") and os.path.lexists(folder / "merges.txt"):
        fast = byte_level.read(folder, settings)
    else:
        raise CheckpointError(f"{folder}: {tokenizer_class.explain_missing(folder, settings)}")
    added_tokens.add(fast, folder, settings)
    return fast, settings


def with_special_tokens(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the special tokens of `special_tokens_map.json`, an older file that names them."""
    path = folder / "special_tokens_map.json"
    if "added_tokens_decoder" in settings or not os.path.lexists(path):
        return dict(settings)
    return dict(settings) | read_json_object(path, LARGEST_SETTINGS)


def token_content(token: Any) -> Any:
    """Return the text of a special token: it is a string, or an object with its content."""
    return token.get("content") if isinstance(token, dict) else token


def read_vocabulary(content: bytes, where: str, settings: Mapping[str, Any] | None = None) -> FastTokenizer:
    """Return BERT's tokenizer from a `vocab.txt`, one word piece per line; `where` names the file in errors."""
    settings = settings or {}
    if max(content.count(b"\n"), content.count(b"\r")) > MOST_WORDS:
        raise CheckpointError(f"{where}: more than {MOST_WORDS} lines, too many for a BERT vocabulary")
    # Lines end with \n, \r\n or \r, as when Python reads a text file.
    lines = as_text(content, where).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    while lines and not lines[-1]:
        lines.pop()  # an editor adds empty lines at the end; they are not tokens
    vocabulary = {token.rstrip(): i for i, token in enumerate(lines)}
    if "[UNK]" not in vocabulary or "[CLS]" not in vocabulary or "[SEP]" not in vocabulary:
        raise CheckpointError(f"{where}: has no [UNK], [CLS] or [SEP], so it is not a BERT vocabulary")
    # Google's folders do not say whether a vocabulary is cased; one with uppercase letters is.
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
    settings = read_json_object(path, LARGEST_SETTINGS) if os.path.lexists(path) else {}
    for name in NORMALIZER:
        value = settings.get(name, True)
        # `strip_accents` may be null: then it has the value of `do_lower_case`.
        if not isinstance(value, bool) and (value is not None or name != "strip_accents"):
            raise CheckpointError(f"{path}: {name} must be true or false, not {value!r:.60}")
    return settings


def _from_json(path: Path, settings: Mapping[str, Any]) -> FastTokenizer:
    content = read_small(path, LARGEST_TOKENIZER)
    if kind := other_kind(content):
        raise CheckpointError(f"{path}: {kind}")
    if content.count(b",") > 2 * MOST_WORDS:  # a token of a Unigram model has two commas
        raise CheckpointError(f"{path}: more than {MOST_WORDS} tokens, too many for a tokenizer")
    try:
        check_pieces(_pieces(content))
        fast = library_call(lambda: FastTokenizer.from_buffer(content))
        fast.no_padding()  # some official files request a fixed length; `batches` pads
        fast.no_truncation()
        check_components(fast)
        # If the two files differ, the reference uses tokenizer_config.json.
        for name, attribute in NORMALIZER.items():
            if name in settings and hasattr(fast.normalizer, attribute):
                setattr(fast.normalizer, attribute, settings[name])
        within(SECONDS, lambda: check_ids(fast, TRIAL))
        ids = fast.get_vocab(with_added_tokens=False).values()
    except LibraryError as error:
        raise CheckpointError(f"{path}: the library cannot read this tokenizer ({error}); replace it") from None
    except ValueError as error:  # also an InputError
        raise CheckpointError(f"{path}: {error}; use another tokenizer") from None
    # A `vocab.txt` needs a line for every id, also for those without a token.
    if not ids or max(ids) > 2 * len(ids) + 65_536:
        raise CheckpointError(f"{path}: no tokens, or ids far above the number of tokens; not a BERT tokenizer")
    return fast


def _pieces(content: bytes) -> Iterator[str]:
    """Yield the pieces of a Unigram model in a tokenizer.json: its vocabulary is a list of pieces with scores.

    The library reads such a model without its `type` too. What is not as expected is left to the library.
    """
    try:
        vocabulary = json.loads(content)["model"]["vocab"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return
    for row in vocabulary if isinstance(vocabulary, list) else ():
        if isinstance(row, list) and row and isinstance(row[0], str):
            yield row[0]
