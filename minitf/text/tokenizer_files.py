"""Read the official files of a tokenizer into the library `tokenizers`: `tokenizer.json`, or BERT's `vocab.txt`.

The library does not check that the parts of a `tokenizer.json` are consistent, and fails only when it encodes a text.
So each tokenizer encodes a test text before it is returned.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as FastTokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from minitf.errors import CheckpointError

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
    if (folder / "tokenizer.json").is_file():
        return _from_json(folder / "tokenizer.json", settings), settings
    if (folder / "vocab.txt").is_file():
        content = _read(folder / "vocab.txt", LARGEST_VOCABULARY)
        return read_vocabulary(content, str(folder / "vocab.txt"), settings), settings
    raise CheckpointError(f"{folder}: no tokenizer.json and no vocab.txt; one of them is needed to encode text")


def read_vocabulary(content: bytes, where: str, settings: Mapping[str, Any] | None = None) -> FastTokenizer:
    """Return BERT's tokenizer from a `vocab.txt`, one word piece per line; `where` names the file in errors."""
    settings = settings or {}
    if max(content.count(b"\n"), content.count(b"\r")) > MOST_WORDS:
        raise CheckpointError(f"{where}: more than {MOST_WORDS} lines, too many for a BERT vocabulary")
    try:
        # Lines end with \n, \r\n or \r, as when Python reads a text file.
        lines = content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    except ValueError as error:
        raise CheckpointError(f"{where}: is not UTF-8 text ({error}); fetch it again") from None
    if lines and not lines[-1]:
        lines.pop()
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
    content = _read(path, LARGEST_SETTINGS) if path.is_file() else b"{}"
    try:
        settings = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: is not JSON ({error}); fetch it again") from None
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path}: must be a JSON object")
    for name in NORMALIZER:
        value = settings.get(name, True)
        # `strip_accents` may be null: then it has the value of `do_lower_case`.
        if not isinstance(value, bool) and (value is not None or name != "strip_accents"):
            raise CheckpointError(f"{path}: {name} must be true or false, not {value!r:.60}")
    return settings


def _from_json(path: Path, settings: Mapping[str, Any]) -> FastTokenizer:
    content = _read(path, LARGEST_TOKENIZER)
    if content.count(b",") > 2 * MOST_WORDS:  # a token of a Unigram model has two commas
        raise CheckpointError(f"{path}: more than {MOST_WORDS} tokens, too many for a tokenizer")
    try:
        fast = FastTokenizer.from_buffer(content)
        fast.no_padding()  # some official files request a fixed length; `batches` pads
        fast.no_truncation()
        # If the two files differ, the reference uses tokenizer_config.json.
        for name, attribute in NORMALIZER.items():
            if name in settings and hasattr(fast.normalizer, attribute):
                setattr(fast.normalizer, attribute, settings[name])
        fast.encode(TRIAL)
        fast.encode(TRIAL, TRIAL)
        ids = fast.get_vocab(with_added_tokens=False).values()
    except BaseException as error:  # the library raises Exception, and for a panic in Rust a BaseException
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise CheckpointError(f"{path}: not a tokenizer file ({error}); fetch it again") from None
    # A `vocab.txt` needs a line for every id, also for those without a token.
    if not ids or max(ids) > 2 * len(ids) + 65_536:
        raise CheckpointError(f"{path}: no tokens, or ids far above the number of tokens; not a BERT tokenizer")
    return fast


def _read(path: Path, most: int) -> bytes:
    """Read a file of at most `most` bytes."""
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    if len(content) > most:
        raise CheckpointError(f"{path}: more than {most} bytes, too many for an official file of its kind")
    return content
