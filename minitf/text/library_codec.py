"""Encode and decode with the library `tokenizers`: T5's Unigram, GPT-2's and BART's BPE, and learned vocabularies."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, pre_tokenizers, processors
from tokenizers import Tokenizer as FastTokenizer

from minitf.errors import CheckpointError
from minitf.files import to_json
from minitf.text import tokenizer_class, tokenizer_files
from minitf.text.tokenizer_files import token_content
from minitf.text.tokenizer_limits import LimitedTokenizer

NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
# The special tokens of a class of `transformers`, where no file names them.
_ROBERTA = dict(zip(NAMES, ("<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"), strict=True))
_DEFAULTS = {
    "GPT2Tokenizer": dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>"),
    "T5Tokenizer": {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"},
    "RobertaTokenizer": _ROBERTA,
    "BartTokenizer": _ROBERTA,
}
# Settings that are in tokenizer.json, or that name files of the folder that was read.
_NOT_SAVED = (
    *("tokenizer_file", "name_or_path", "special_tokens_map_file"),
    *("added_tokens_decoder", "add_bos_token", "add_eos_token"),
)


class LibraryCodec:
    """One tokenizer of the library for sources and targets."""

    def __init__(self, fast: FastTokenizer, settings: Mapping[str, Any], special: Mapping[str, str]):
        fast.no_truncation()
        self._fast, self.settings = LimitedTokenizer(fast), dict(settings)
        self.special = dict(special)  # "eos_token" and the like -> the token
        self.vocabulary: dict[str, int] = fast.get_vocab()
        self.frame: tuple[tuple[int, ...], tuple[int, ...]] = _frame(fast)

    @classmethod
    def from_folder(cls, folder: Path) -> "LibraryCodec":
        """Read `tokenizer.json`, or else the older files, with the names of the special tokens."""
        fast, settings = tokenizer_files.read_folder(folder)
        settings = tokenizer_files.with_special_tokens(folder, settings)
        name = tokenizer_class.base_class(folder, settings) or "PreTrainedTokenizer"
        settings["tokenizer_class"] = "PreTrainedTokenizerFast" if name == "PreTrainedTokenizer" else name
        special = {n: token for n in NAMES if (token := _token(_DEFAULTS.get(name, {}) | settings, n))}
        if name == "T5Tokenizer":
            settings["additional_special_tokens"] = _with_sentinels(settings)
        if name in ("GPT2Tokenizer", "RobertaTokenizer", "BartTokenizer"):
            _set_prefix_space(fast, settings)
        more = settings.get("extra_special_tokens") or settings.get("additional_special_tokens")
        _register(fast, [*special.values(), *(more if isinstance(more, list) else [])], folder)
        # The reference leaves these settings out if there is a tokenizer.json.
        if name == "GPT2Tokenizer" and not os.path.lexists(folder / "tokenizer.json"):
            _set_frame(fast, settings, special)
        return cls(fast, settings, {n: str(token_content(token)) for n, token in special.items()})

    def encode(self, texts: Sequence[str], target: bool) -> list[list[int]]:
        """Return the ids of each text, without special tokens."""
        return [list(e.ids) for e in self._fast.encode_batch(texts, add_special_tokens=False)]

    def decode(self, ids: Sequence[int], skip_special_tokens: bool) -> str:
        """Return the text of `ids`."""
        return self._fast.decode(list(ids), skip_special_tokens=skip_special_tokens)

    def word(self, i: int) -> str:
        """Return a token as readable text. If its bytes are not a whole character, return its name."""
        text = self._fast.decode([i], skip_special_tokens=False).strip()
        return text if text and "\ufffd" not in text else self._fast.id_to_token(i) or ""

    def save(self, folder: Path, max_length: int) -> None:
        """Write tokenizer.json and tokenizer_config.json."""
        (folder / "tokenizer.json").write_text(self._fast.to_str(pretty=True), encoding="utf-8", newline="\n")
        settings = {key: value for key, value in self.settings.items() if key not in _NOT_SAVED}
        settings |= self.special | {"model_max_length": max_length}
        (folder / "tokenizer_config.json").write_text(to_json(settings), encoding="utf-8", newline="\n")


def _frame(fast: FastTokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the special tokens that the tokenizer adds before and after a text."""
    encoded = fast.encode("a")
    own = [n for n, sequence in enumerate(encoded.sequence_ids) if sequence is not None]
    first, last = (own[0], own[-1] + 1) if own else (0, 0)
    return tuple(encoded.ids[:first]), tuple(encoded.ids[last:])


def _token(settings: Mapping[str, Any], name: str) -> Any:
    """Return a special token of the settings, a string or an object with its content; None for none."""
    token = settings.get(name)
    return token if isinstance(token_content(token), str) and token_content(token) else None


def _with_sentinels(settings: Mapping[str, Any]) -> list[Any]:
    """Return the additional special tokens of T5, with <extra_id_0> and so on, as the reference adds them."""
    more = settings.get("extra_special_tokens") or settings.get("additional_special_tokens")
    more, extra = more if isinstance(more, list) else [], settings.get("extra_ids", 100)
    if any("<extra_id_" in str(token_content(token)) for token in more) or type(extra) is not int:
        return more
    return [*more, *(f"<extra_id_{i}>" for i in range(min(extra, 1000)))]


def _register(fast: FastTokenizer, tokens: Sequence[Any], folder: Path) -> None:
    """Make each token a special token, with a new id if the vocabulary does not have it."""
    known = {token.content for token in fast.get_added_tokens_decoder().values()}
    for token in tokens:
        content = token_content(token)
        if not isinstance(content, str):
            raise CheckpointError(f"{folder}: a special token must be a string, not {token!r:.60}")
        if content and content not in known:
            flags = ("lstrip", "rstrip", "single_word", "normalized")
            chosen = {f: bool(token[f]) for f in flags if f in token} if isinstance(token, dict) else {}
            fast.add_special_tokens([AddedToken(content, special=True, **({"normalized": False} | chosen))])
            known.add(content)


def _set_prefix_space(fast: FastTokenizer, settings: Mapping[str, Any]) -> None:
    """Set whether a space is added before a text: the reference uses tokenizer_config.json, not tokenizer.json."""
    if isinstance(fast.pre_tokenizer, pre_tokenizers.ByteLevel):
        fast.pre_tokenizer.add_prefix_space = settings.get("add_prefix_space") is True


def _set_frame(fast: FastTokenizer, settings: Mapping[str, Any], special: Mapping[str, Any]) -> None:
    """Make the tokenizer add the tokens that GPT-2's settings `add_bos_token` and `add_eos_token` request."""
    names = [n if settings.get(f"add_{n}") is True and n in special else None for n in ("bos_token", "eos_token")]
    first, last = (str(token_content(special[n])) if n else None for n in names)
    single, pair = ([*filter(None, (first, text, last))] for text in ("$A", "$B"))
    tokens = [(token, fast.token_to_id(token)) for token in dict.fromkeys(filter(None, (first, last)))]
    fast.post_processor = processors.TemplateProcessing(single=single, pair=[*single, *pair], special_tokens=tokens)
