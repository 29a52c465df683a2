"""Byte-level BPE from the older files `vocab.json` and `merges.txt`: RoBERTa's and BART's tokenizer, and GPT-2's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, decoders, models, pre_tokenizers, processors
from tokenizers import Tokenizer as FastTokenizer

from minitf.datasets.file_kinds import as_text, read_json_object, read_small
from minitf.errors import CheckpointError
from minitf.text.tokenizer_limits import LibraryError, library_call

LARGEST = 16 << 20  # bytes of either file; RoBERTa's have 0.9 and 0.5 MB
MOST_WORDS = 1 << 20
ROBERTA_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
GPT2_SPECIAL = "<|endoftext|>"


def read(folder: Path, settings: Mapping[str, Any]) -> FastTokenizer:
    """Read both files as the reference's RobertaTokenizer or GPT2Tokenizer does. Raises CheckpointError.

    GPT-2's vocabulary has one special token, which the tokenizer never adds to a text.
    """
    vocabulary, merges = _vocabulary(folder / "vocab.json"), _merges(folder / "merges.txt")
    try:
        fast = library_call(
            lambda: FastTokenizer(
                models.BPE(vocabulary, merges, continuing_subword_prefix="", end_of_word_suffix="", fuse_unk=False)
            )
        )
    except LibraryError as error:
        raise CheckpointError(f"{folder}: vocab.json and merges.txt do not belong together ({error})") from None
    prefix_space = settings.get("add_prefix_space") is True
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    fast.decoder = decoders.ByteLevel()
    if any(token not in vocabulary for token in ROBERTA_SPECIAL):  # GPT-2's
        fast.add_special_tokens([AddedToken(GPT2_SPECIAL, special=True, normalized=False)])
        return fast
    fast.post_processor = processors.RobertaProcessing(
        ("</s>", vocabulary["</s>"]), ("<s>", vocabulary["<s>"]), trim_offsets=True, add_prefix_space=prefix_space
    )
    fast.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in ROBERTA_SPECIAL])
    if "<mask>" in vocabulary:
        fast.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True, normalized=False)])
    return fast


def _vocabulary(path: Path) -> dict[str, int]:
    vocabulary = read_json_object(path, LARGEST)
    ids = list(vocabulary.values())
    if len(ids) > MOST_WORDS or not all(type(i) is int and 0 <= i < 2 * MOST_WORDS for i in ids):
        raise CheckpointError(f"{path}: must map at most {MOST_WORDS} tokens to small integers")
    if len(set(ids)) < len(ids):
        raise CheckpointError(f"{path}: two tokens have the same id")
    if GPT2_SPECIAL not in vocabulary and (missing := [t for t in ROBERTA_SPECIAL if t not in vocabulary]):
        raise CheckpointError(f"{path}: has no {', '.join(missing)}, so it is not RoBERTa's vocabulary, nor GPT-2's")
    return vocabulary


def _merges(path: Path) -> list[tuple[str, str]]:
    merges = []
    for n, line in enumerate(as_text(read_small(path, LARGEST), str(path)).split("\n"), 1):
        line = line.removesuffix("\r")
        if not line or (n == 1 and line.startswith("#version")):
            continue
        left, space, right = line.partition(" ")
        if not (left and space and right) or " " in right:
            raise CheckpointError(f"{path}:{n}: must be two tokens with a space between them, not {line!r:.60}")
        merges.append((left, right))
    return merges
