"""BERT's tokenizer: lower-case (or not), split at blanks and punctuation, cut into word pieces, frame.

The work is done by the library `tokenizers`; here it is set up from the official files, `tokenizer.json` or
`vocab.txt`, and its answers are made into batches. Ids are those of the reference's fast tokenizer.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as FastTokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from minitf.errors import CheckpointError, InputError
from minitf.text.batches import Batch, Tokens, pad

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


class Tokenizer:
    """Texts in, ids out. Make one with `from_folder`."""

    def __init__(self, fast: FastTokenizer, lower_case: bool):
        self._fast, self.lower_case = fast, lower_case
        ids = {token: i for token in SPECIAL if (i := fast.token_to_id(token)) is not None}
        missing = [token for token in SPECIAL if token not in ids and token != "[MASK]"]
        if missing:
            raise CheckpointError(f"the vocabulary has no {', '.join(missing)}, so it is not BERT's")
        self.pad_id, self.unknown_id = ids["[PAD]"], ids["[UNK]"]

    @classmethod
    def from_folder(cls, folder: Path) -> "Tokenizer":
        """From `tokenizer.json`, else `vocab.txt` with `tokenizer_config.json`. Raises CheckpointError."""
        settings = _settings(folder / "tokenizer_config.json")
        if (folder / "tokenizer.json").is_file():
            fast = _from_json(folder / "tokenizer.json", settings)
        elif (folder / "vocab.txt").is_file():
            fast = _from_vocabulary(folder / "vocab.txt", settings)
        else:
            raise CheckpointError(f"{folder}: no tokenizer.json and no vocab.txt; one of them is needed to read text")
        try:
            return cls(fast, bool(getattr(fast.normalizer, "lowercase", settings.get("do_lower_case", False))))
        except CheckpointError as error:
            raise CheckpointError(f"{folder}: {error}") from None

    @property
    def vocabulary_size(self) -> int:
        """How many words there are, added ones included."""
        return int(self._fast.get_vocab_size())

    @property
    def highest_id(self) -> int:
        """The largest number that a word can get."""
        return max(self._fast.get_vocab().values())

    def encode(self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int = 128) -> list[Tokens]:
        """Each text (or pair) framed and cut to `max_length` tokens, the longer of a pair cut first.

        Raises InputError if `max_length` has no room for the frame, or texts and pairs differ in number.
        """
        frame = 2 if pairs is None else 3
        if max_length <= frame:
            raise InputError(f"max_length {max_length} has no room for a text: the frame alone takes {frame} tokens")
        if pairs is not None and len(pairs) != len(texts):
            raise InputError(f"{len(texts)} texts, but {len(pairs)} second texts")
        self._fast.enable_truncation(max_length, strategy="longest_first")
        for n, text in enumerate([*texts, *(pairs or ())]):
            if not _is_unicode(text):
                raise InputError(f"text {n % len(texts) + 1} is no Unicode text: {text!r:.60}; give it in UTF-8")
        inputs = list(texts) if pairs is None else list(zip(texts, pairs, strict=True))
        return [Tokens(e.ids, e.type_ids) for e in self._fast.encode_batch(inputs)]

    def __call__(self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int = 128) -> Batch:
        """One padded batch of `texts`; see `encode`."""
        if isinstance(texts, str):
            raise InputError("give a list of texts, not one text")
        return pad(self.encode(texts, pairs, max_length), self.pad_id)

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The word pieces behind `ids`."""
        return [self._fast.id_to_token(int(i)) or "[UNK]" for i in ids]

    def save(self, folder: Path, max_length: int) -> None:
        """Write tokenizer.json, vocab.txt and tokenizer_config.json, as `transformers` reads them."""
        self._fast.no_truncation()
        _write(folder / "tokenizer.json", self._fast.to_str(pretty=True))
        vocabulary = {i: token for token, i in self._fast.get_vocab(with_added_tokens=False).items()}
        # A number without a word (a line that stood twice in the official file) keeps its line.
        lines = [vocabulary.get(i, f"[unused line {i}]") for i in range(max(vocabulary) + 1)]
        _write(folder / "vocab.txt", "".join(f"{token}\n" for token in lines))
        settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": self.lower_case}
        for name, attribute in _NORMALIZER.items():
            if name != "do_lower_case" and hasattr(self._fast.normalizer, attribute):
                settings[name] = getattr(self._fast.normalizer, attribute)
        settings |= {"model_max_length": max_length}
        settings |= {f"{token.strip('[]').lower()}_token": token for token in SPECIAL}
        _write(folder / "tokenizer_config.json", json.dumps(settings, indent=2) + "\n")


# A switch of tokenizer_config.json -> the same of the library's BertNormalizer.
_NORMALIZER = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


def _is_unicode(text: object) -> bool:
    return isinstance(text, str) and (text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text))


def _write(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")


def _settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: cannot be read as JSON ({error}); fetch it again") from None
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path}: must hold a JSON object")
    for name in _NORMALIZER:
        if not isinstance(settings.get(name, True), bool | None):
            raise CheckpointError(f"{path}: {name} must be true or false, not {settings[name]!r}")
    return settings


def _from_json(path: Path, settings: dict[str, Any]) -> FastTokenizer:
    try:
        fast = FastTokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception for a file that it cannot read
        raise CheckpointError(f"{path}: not a tokenizer file ({error}); fetch it again") from None
    fast.no_padding()  # some official files ask for a fixed length; padding is `batches`' work
    fast.no_truncation()
    # Where the two files disagree, the reference follows tokenizer_config.json.
    for name, attribute in _NORMALIZER.items():
        if name in settings and hasattr(fast.normalizer, attribute):
            setattr(fast.normalizer, attribute, settings[name])
    return fast


def _from_vocabulary(path: Path, settings: dict[str, Any]) -> FastTokenizer:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read as UTF-8 text ({error}); fetch it again") from None
    if lines and not lines[-1]:
        lines.pop()
    vocabulary = {token.rstrip(): i for i, token in enumerate(lines)}
    if "[UNK]" not in vocabulary or "[CLS]" not in vocabulary or "[SEP]" not in vocabulary:
        raise CheckpointError(f"{path}: has no [UNK], [CLS] or [SEP], so it is not BERT's vocabulary")
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
    fast.add_special_tokens([token for token in SPECIAL if token in vocabulary])
    return fast
