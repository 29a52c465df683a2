"""Limits for a `tokenizer.json` from an unknown source: what it may contain, and how long it may take.

The library `tokenizers` runs whatever the file describes: a chain of replacements that doubles a text forty times, or
an expression that backtracks for hours. `check_components` refuses such a file when it is loaded. `LimitedTokenizer`
calls the library in another thread, so that Ctrl-C works, and turns its failures into InputErrors.
"""

import base64
import binascii
import functools
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from tokenizers import Tokenizer as FastTokenizer
from tokenizers import models

from minitf.datasets.strings import is_unicode
from minitf.errors import InputError

Result = TypeVar("Result")

# Bytes of a component's JSON. A normalizer of SentencePiece has a table of 300 kB; the others have a few hundred bytes.
LARGEST = {"normalizer": 4 << 20, "pre_tokenizer": 1 << 16, "post_processor": 1 << 16, "decoder": 1 << 16}
MOST_PARTS = 64  # of a component
MOST_SPECIAL_TOKENS = 64  # added to a text
LARGEST_FACTOR = 256  # by which a normalizer or decoder may lengthen a text; the official maximum is 18
LONGEST_WORD = 200  # characters that WordPiece splits; the time is quadratic in them. BERT's: 100
LONGEST_EXPRESSION = 10_000  # characters
MOST_CHOICES = 10  # repetitions and alternations in one branch of an expression
# The library keeps the pieces of a Unigram model in a tree: about 350 bytes of memory for each byte of theirs.
# SentencePiece makes pieces of at most 16 characters unless it is told otherwise.
LONGEST_PIECE, MOST_BYTES_OF_PIECES = 1000, 16 << 20

LONGEST_TEXT = 5_000_000  # characters: each takes about 150 bytes of memory while it is tokenized
SECONDS = 60.0
CHARACTERS_PER_SECOND = 20_000  # even the slowest machines encode a hundred times as many

_GROUP = re.compile(r"\((\?(:|=|!|>|<=|<!|P?<\w+>|[imsu-]*:|[imsu-]*(?=\))))?")
_REPETITION = re.compile(r"[*+?]|\{\d*,?\d*\}")
_ESCAPE = re.compile(r"\\([pPxou]\{[^}]*\}|.)", re.DOTALL)


def check_components(fast: FastTokenizer) -> None:
    """Raise ValueError for a tokenizer that needs too much time or memory for the length of a text."""
    for name, largest in LARGEST.items():
        component = getattr(fast, name)
        if component is None:
            continue
        state = component.__getstate__()
        parts = list(_parts(json.loads(state))) if len(state) <= largest else []
        if not 0 < len(parts) <= MOST_PARTS:
            raise ValueError(f"its {name} is larger than that of any official tokenizer")
        for part in parts:
            check_expression(str((part.get("pattern") or {}).get("Regex", "")))
        if name in ("normalizer", "decoder"):
            _check_factor(name, parts)
    if isinstance(fast.model, models.WordPiece) and fast.model.max_input_chars_per_word > LONGEST_WORD:
        raise ValueError(f"its max_input_chars_per_word is {fast.model.max_input_chars_per_word}, above {LONGEST_WORD}")
    if isinstance(fast.model, models.BPE) and fast.model.dropout:
        raise ValueError("its model has dropout, so its tokens differ each time; set dropout to null")


def check_pieces(pieces: Iterable[str]) -> None:
    """Raise ValueError if the pieces of a Unigram model are so long that the library needs very much memory."""
    sizes = [len(piece.encode("utf-8", "replace")) for piece in pieces]
    if max(sizes, default=0) > LONGEST_PIECE or sum(sizes) > MOST_BYTES_OF_PIECES:
        raise ValueError(
            f"its longest piece has {max(sizes):,} bytes and all have {sum(sizes):,}, above the limits of"
            f" {LONGEST_PIECE:,} and {MOST_BYTES_OF_PIECES:,}"
        )


def check_ids(fast: FastTokenizer, text: str) -> None:
    """Try the tokenizer on `text`. Raise ValueError if it adds too many tokens, or ids outside its vocabulary."""
    known = set(fast.get_vocab().values())
    (bare,) = fast.encode_batch([text], add_special_tokens=False)
    for texts, inputs in ((1, text), (2, (text, text))):
        (encoded,) = fast.encode_batch([inputs])
        special = fast.num_special_tokens_to_add(texts == 2)
        if special > MOST_SPECIAL_TOKENS or len(encoded.ids) != texts * len(bare.ids) + special:
            raise ValueError("its post_processor does not add a few special tokens to a text")
        if unknown := set(encoded.ids) - known:
            raise ValueError(f"its post_processor adds the id {min(unknown)}, which the vocabulary does not have")


def check_expression(expression: str) -> None:
    """Raise ValueError for a regular expression whose time can be exponential in the length of a text.

    Such an expression repeats a group with a choice (alternation or repetition) inside, such as (b|bb)+, has many
    choices in a sequence, or is recursive. Some harmless expressions are refused too; no official tokenizer has one.
    """
    if len(expression) > LONGEST_EXPRESSION or _is_exponential(expression):
        raise ValueError(f"its expression {expression:.60} can take exponential time")


def _is_exponential(expression: str) -> bool:
    choices = [0]  # of the branch, and of each open group
    group = 0  # choices inside the group that ended just before `i`
    i = 0
    while i < len(expression):
        inner, group = group, 0
        if expression[i] == "\\":
            escape = _ESCAPE.match(expression, i)
            if escape is None or escape[1][0] in "123456789kgR":  # a reference
                return True
            i = escape.end()
        elif expression[i] == "[":
            i = _end_of_class(expression, i)
        elif expression[i] == "(":
            opening = _GROUP.match(expression, i)
            if opening is None or expression.startswith("(?", i) > (opening[1] is not None):
                return True  # a kind of group that no tokenizer needs
            choices.append(0)
            i = opening.end()
        elif expression[i] == ")" and len(choices) > 1:
            group = choices.pop()
            choices[-1] += group
            i += 1
        elif repetition := _REPETITION.match(expression, i):
            if inner and repetition[0] != "?":
                return True
            choices[-1] += "," in repetition[0] or repetition[0] in "*+?"  # {3} is not a choice
            i = repetition.end()
            i += expression[i : i + 1] in ("?", "+")  # lazy or possessive
        else:
            if expression[i] == "|":
                choices[-1] = choices[-1] + 1 if len(choices) > 1 else 0
            i += 1
        if sum(choices) > MOST_CHOICES:
            return True
    return False


def _end_of_class(expression: str, i: int) -> int:
    """Return the index after the character class that begins at `i`; classes can be nested."""
    depth = 0
    while i < len(expression):
        depth += {"[": 1, "]": -1}.get(expression[i], 0)
        i += 2 if expression[i] == "\\" else 1
        if depth == 0:
            break
    return i


def _parts(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every object with a type in a component's JSON, such as the members of a sequence."""
    if isinstance(node, dict):
        if "type" in node:
            yield node
        for value in node.values():
            yield from _parts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _parts(value)


def _check_factor(name: str, parts: Sequence[dict[str, Any]]) -> None:
    factor = 1
    for part in parts:
        factor *= _factor(part)
        if factor > LARGEST_FACTOR:
            raise ValueError(f"its {name} can make a text more than {LARGEST_FACTOR} times as long")


def _factor(part: dict[str, Any]) -> int:
    """Return an upper bound of the factor by which this part lengthens a text."""
    match part:
        case {"type": "Replace", "content": str(content), "pattern": {"String": str(pattern)}}:
            return max(1, -(-len(content) // max(1, len(pattern))))
        case {"type": "Replace", "content": str(content)}:
            return 1 + len(content)  # an expression can match between two characters
        case {"type": "Prepend", "prepend": str(prepended)}:
            return 1 + len(prepended)
        case {"type": "ByteLevel"}:
            return 4  # UTF-8 has up to four bytes for a character
        case {"type": "Precompiled", "precompiled_charsmap": str(table)}:
            return _longest_replacement(table)
    return 1


def _longest_replacement(table: str) -> int:
    """Return the length of the longest text in a table of SentencePiece: a size, a trie, texts that end with zero."""
    try:
        content = base64.b64decode(table, validate=True)
    except binascii.Error:
        raise ValueError("its table of characters is not Base64") from None
    size = int.from_bytes(content[:4], "little")
    if size == 0 or size % 4 or 4 + size >= len(content):
        raise ValueError("its table of characters is incomplete")
    return max(1, *(len(text.decode("utf-8", "replace")) for text in content[4 + size :].split(b"\0")))


def checked_texts(texts: Sequence[str]) -> list[str]:
    """Return `texts`. Raises InputError for one that is not valid Unicode or extremely long."""
    for n, text in enumerate(texts, 1):
        if not isinstance(text, str) or not is_unicode(text):
            raise InputError(f"text {n} is not valid Unicode: {text!r:.60}; give it in UTF-8")
        if len(text) > LONGEST_TEXT:
            raise InputError(
                f"text {n} ({text[:40]!r} …) has {len(text):,} characters, and at most {LONGEST_TEXT:,} are read: split"
                " it, or close its quotation mark if it is several rows"
            )
    return list(texts)


def checked_ids(ids: Iterable[Any]) -> list[int]:
    """Return token ids, also of a tensor, as integers. Raises InputError."""
    try:
        return [int(i) for i in ids]
    except (TypeError, ValueError, RuntimeError):
        raise InputError("ids must be the token ids of one text: a sequence of integers") from None


class LimitedTokenizer:
    """A tokenizer of the library; a call that fails or takes too long raises InputError. Otherwise it is unchanged."""

    def __init__(self, fast: FastTokenizer):
        self._fast = fast

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fast, name)

    def encode_batch(self, inputs: Sequence[Any], **settings: Any) -> list[Any]:
        """Encode texts, pairs or lists of words as the library does."""
        seconds = SECONDS + sum(map(_characters, inputs)) / CHARACTERS_PER_SECOND
        try:
            return within(seconds, lambda: self._fast.encode_batch(inputs, **settings))
        except LibraryError as error:
            for n, one in enumerate(inputs, 1):
                try:
                    within(SECONDS, functools.partial(self._fast.encode_batch, [one], **settings))
                except LibraryError:
                    raise InputError(f"the tokenizer fails on text {n}, {one!r:.60} ({error}); leave it out") from None
            raise InputError(f"the tokenizer fails on these texts ({error})") from None

    def encode(self, text: str, pair: str | None = None, **settings: Any) -> Any:
        """Encode one text or pair."""
        return self.encode_batch([text if pair is None else (text, pair)], **settings)[0]

    def decode(self, ids: list[int], **settings: Any) -> str:
        """Return the text of token ids."""
        try:
            decoded: str = library_call(lambda: self._fast.decode(ids, **settings))
        except LibraryError as error:
            raise InputError(f"the tokenizer cannot decode the ids {ids!r:.60} ({error})") from None
        return decoded


class LibraryError(Exception):
    """The library failed: it raises bare Exceptions, and a BaseException where its Rust code panics."""


def library_call(call: Callable[[], Result]) -> Result:
    """Return the result of a call of the library. Raises LibraryError."""
    try:
        return call()
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise LibraryError(" ".join(str(error).split())[:200]) from None
        raise


def within(seconds: float, call: Callable[[], Result]) -> Result:
    """Call the library in a daemon thread and return or raise its outcome: Ctrl-C can interrupt the waiting.

    Raises InputError after `seconds`.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(library_call(call))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return future.result(timeout=seconds)
    except TimeoutError:
        raise InputError(
            f"the tokenizer needed more than {seconds:.0f} s: an expression in its tokenizer.json may be too slow for"
            " these texts; shorten them, or use another tokenizer"
        ) from None


def _characters(item: Any) -> int:
    return len(item) if isinstance(item, str) else sum(map(_characters, item))
