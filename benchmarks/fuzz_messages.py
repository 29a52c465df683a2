"""Mutations of the older tokenizer files: SentencePiece's protocol buffers, and merges.txt."""

from collections.abc import Iterator
from random import Random
from typing import Any

from benchmarks.fuzz_files import bundles, mutated_bytes


def messages(rng: Random, content: bytes, other: bytes) -> bytes:
    """Change fields of a protocol buffer, at one or two depths; the lengths around them are correct."""
    fields = list(_fields(content))
    for _ in range(rng.choice((1, 1, 2, 4))):
        i = rng.randrange(len(fields))
        number, value = fields[i]
        change = rng.choice(("inside", "inside", "inside", "drop", "twice", "swap", "number", "value", "huge"))
        if change == "inside" and isinstance(value, bytes):
            fields[i] = number, (messages if _is_message(value) else mutated_bytes)(rng, value, other)
        elif change == "drop" and len(fields) > 1:
            del fields[i]
        elif change == "twice":
            fields.insert(rng.randint(0, len(fields)), fields[i])
        elif change == "swap":
            j = rng.randrange(len(fields))
            fields[i], fields[j] = fields[j], fields[i]
        elif change == "number":
            fields[i] = rng.randint(1, 45), value
        elif change == "huge":
            fields[i] = number, b"a" * rng.choice((0, 1000, 100_000))
        else:
            fields[i] = number, rng.choice((0, 1, 2, 3, 6, 2**31 - 1, 2**32 - 1, 2**63, 2**64 - 1))
    return b"".join(_encoded(number, value) for number, value in fields)


def merge_lines(rng: Random, content: bytes, other: bytes) -> bytes:
    """Put unusual lines into merges.txt, or shuffle the lines."""
    lines = content.split(b"\n")
    odd = (b"", b"a", b"a b c", b"a  b", b" a b", b"\xff b", b"\0 \0", b"zz zz", b"a a", b"#version: 9", b"x" * 10_000)
    for _ in range(rng.choice((1, 1, 3))):
        at = rng.randint(0, len(lines))
        lines[at : at + rng.choice((0, 1, 1, 5))] = [rng.choice((*odd, rng.choice(lines or [b""])))]
    rng.random() < 0.1 and rng.shuffle(lines)
    return b"\n".join(lines)


def _fields(content: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and value of each field: an integer, bytes, or a fixed-size number as a tuple of its bytes."""
    at = 0
    while at < len(content):
        key, at = _integer(content, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _integer(content, at)
            yield number, value
            continue
        size, at = _integer(content, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
        if at + size > len(content):
            raise ValueError("truncated")
        value = content[at : at + size]
        yield number, value if kind == 2 else (kind, value)
        at += size


def _integer(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (content[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if content[at - 1] < 128:
            return value, at


def _is_message(value: bytes) -> bool:
    try:
        return len(list(_fields(value))) > 0
    except (IndexError, KeyError, ValueError):
        return False


def _encoded(number: int, value: Any) -> bytes:
    varint = bundles().varint
    if isinstance(value, int):
        key: bytes = varint(number << 3)
        return key + bytes(varint(value))
    kind, content = value if isinstance(value, tuple) else (2, value)
    start: bytes = varint(number << 3 | kind) + (varint(len(content)) if kind == 2 else b"")
    return start + bytes(content)
