"""A model that is opened to look inside, and a text as its input."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from minitf.bert import Bert
from minitf.checkpoints.kinds import Model
from minitf.checkpoints.load import STORED_HEAD, load_with_report
from minitf.datasets.strings import cut
from minitf.errors import InputError
from minitf.mathematics import Mathematics
from minitf.tasks.whole_text.labels import Reading, reading
from minitf.text.batches import Batch
from minitf.text.sequence_tokenizer import SequenceTokenizer
from minitf.text.tokenizer import Tokenizer
from minitf.text.windows import choose_max_length
from minitf.transformer import DecoderModel, EncoderDecoder

MAX_HIDDEN = 12  # characters beside an unknown token


@dataclasses.dataclass(frozen=True)
class OpenModel:
    """An encoder, its tokenizer, and its name in figures."""

    name: str
    model: Bert
    tokenizer: Tokenizer


@dataclasses.dataclass(frozen=True)
class OpenGenerator:
    """A model that generates text, its tokenizer, and its name in figures."""

    name: str
    model: EncoderDecoder | DecoderModel
    tokenizer: SequenceTokenizer


def open_model(
    source: str | Path,
    math: str | Mathematics = "kernels",
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    offline: bool = False,
    hidden_act: str | None = None,
    verify: bool = True,
    revision: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> OpenModel | OpenGenerator:
    """Load the model of `source`, with the head that the checkpoint has, and its tokenizer.

    The settings are those of `minitf.load`; `say` gets warnings, and a line before each download. Raises
    CheckpointError, InputError.
    """
    model, report = load_with_report(
        source,
        STORED_HEAD,
        math=math,
        dtype=dtype,
        device=device,
        offline=offline,
        hidden_act=hidden_act,
        verify=verify,
        revision=revision,
        say=say,
    )
    check_reads_text(str(source), model)
    return opened(str(source), model, report.checked_tokenizer(say))


def opened(name: str, model: Any, tokenizer: Any) -> OpenModel | OpenGenerator:
    """Join a model with its tokenizer."""
    check_reads_text(name, model)
    return (OpenModel if isinstance(model, Bert) else OpenGenerator)(name, model, tokenizer)


def check_reads_text(name: str, model: Model) -> None:
    """Raise InputError for a model of images."""
    if not isinstance(model, Bert | EncoderDecoder | DecoderModel):
        raise InputError(f"{name}: is {model.config.title}, which reads images; give a model that reads text")


def encoder(opened: OpenModel | OpenGenerator, what: str) -> OpenModel:
    """Return the opened model if it is an encoder. Raises InputError: `what` is not for a model that generates text."""
    if isinstance(opened, OpenGenerator):
        raise InputError(f"{what} is for an encoder such as BERT, and {opened.name} generates text; leave it out")
    return opened


def check_not_empty(name: str, text: str | None) -> None:
    """Raise InputError if a text is empty."""
    if text is not None and not text.strip():
        raise InputError(f"the {name} is empty; give at least one word")


def reading_of(model: Bert) -> Reading | None:
    """Return how the logits of a classifier are presented, the same as by `predict`.

    None for a model without a classifier, and for one that predicts several numbers.
    """
    if model.head_name != "classification":
        return None
    try:
        return reading(model.config)
    except InputError:
        return None


def encode(opened: OpenModel, text: str, pair: str | None, max_length: int | None) -> Batch:
    """Return the text as a batch of one on the model's device.

    Raises InputError if it is empty or `max_length` is too large.
    """
    check_not_empty("text", text)
    check_not_empty("second text", pair)
    longest = opened.model.config.longest
    length = choose_max_length(max_length, longest, longest)
    batch = opened.tokenizer([text], None if pair is None else [pair], max_length=length)
    return batch.to(next(opened.model.parameters()).device)


def segments(ids: list[int], tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return for each token the text it belongs to, 0 or 1. Counts separators, because RoBERTa has no segment ids."""
    result, second = [], False
    for i, token in enumerate(ids):
        result.append(int(second))
        # RoBERTa separates by two tokens: the second text begins after the first run of separators.
        if token == tokenizer.separator_id and (i + 1 == len(ids) or ids[i + 1] != tokenizer.separator_id):
            second = True
    return tuple(result)


def readable_tokens(tokenizer: Tokenizer, ids: list[int], text: str, pair: str | None, max_length: int) -> list[str]:
    """Return the tokens as the page and figures label them.

    A token that continues a word begins with "##", as in BERT, in every model family. An unknown token is followed by
    the characters that it replaces: "[UNK] ꙮ".
    """
    numbers = tokenizer.word_numbers(text, pair, max_length)
    spans, parts = tokenizer.character_spans(text, pair, max_length), segments(ids, tokenizer)
    result = []
    for i, word in enumerate(tokenizer.words(ids)):
        span = spans[i]
        if ids[i] == tokenizer.unknown_id and span is not None:
            hidden = ((pair or "") if parts[i] else text)[slice(*span)]
            word += f" {cut(hidden, MAX_HIDDEN)}".rstrip()
        continues = i > 0 and numbers[i - 1] == numbers[i] and not word.startswith("##")
        result.append("##" + word if continues else word)
    return result
