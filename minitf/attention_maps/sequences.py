"""The attention maps of models that generate text: the three kinds of an encoder-decoder, or a decoder's."""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from minitf.attention_maps.maps import AttentionMaps, Kind
from minitf.attention_maps.model import OpenGenerator, check_not_empty
from minitf.errors import CheckpointError, InputError
from minitf.generation.batch import Prompt, Strategy, steps
from minitf.generation.rules import Rules, token_ids
from minitf.tasks.inference import check_finite, evaluating
from minitf.text.windows import choose_max_length
from minitf.transformer import DecoderModel, EncoderDecoder, shift_right

LIMITS = {EncoderDecoder: 128, DecoderModel: 20}  # new tokens by default: a continuation has no natural end
WORD_STARTS = ("\u2581", "\u0120", " ")  # how SentencePiece, byte-level BPE and learned vocabularies write a space
SPACE = "\u2581"  # how labels show it


@dataclasses.dataclass(frozen=True)
class Text:
    """A source or a prompt, and the target or the continuation that a model generated, or that is given."""

    source: str
    source_ids: tuple[int, ...]
    target_ids: tuple[int, ...]  # what an encoder-decoder predicts, usually with the end token
    given: bool  # whether the target is given
    ended: bool = True  # False: it reached the limit on its length


def read(
    opened: OpenGenerator,
    text: str,
    target: str | None = None,
    max_length: int | None = None,
    max_new_tokens: int | None = None,
) -> Text:
    """Encode the source, and the target if it is given; else generate it by greedy decoding.

    `max_length` cuts the source. Raises InputError for an empty text, and for more tokens than positions.
    """
    check_not_empty("text", text)
    check_not_empty("target", target)
    rules = _checked_rules(opened, generates=target is None)
    source_ids = _source_ids(opened, text, max_length)
    longest, decoder = opened.model.config.longest, isinstance(opened.model, DecoderModel)
    read = len(source_ids) if decoder else 0  # positions that the target does not have
    if target is not None:
        target_ids = (opened.tokenizer.encode if decoder else opened.tokenizer.encode_targets)([target])[0]
        _check_length("the text and the target have" if decoder else "the target has", read + len(target_ids), longest)
        return Text(text, tuple(source_ids), tuple(target_ids), given=True)
    limit = max_new_tokens or LIMITS[type(opened.model)]
    if longest is not None:
        if (max_new_tokens or 0) > longest:
            raise InputError(f"`max_new_tokens` {max_new_tokens}: the model has only {longest} positions")
        limit = min(limit, longest - read)
    if limit == 0:
        return Text(text, tuple(source_ids), (), given=False, ended=False)
    with evaluating(opened.model):
        prompt = [Prompt(source_ids, limit)]
        rows = collections.deque(steps(opened.model, prompt, rules, Strategy()), maxlen=1)[0]
    (output,) = rows.outputs()
    return Text(text, tuple(source_ids), tuple(output.token_ids), given=False, ended=output.ended)


def _checked_rules(opened: OpenGenerator, generates: bool) -> Rules:
    """Return the rules of generation, of no use with a given target. Raises CheckpointError for invalid ones."""
    config = opened.model.config
    try:
        if isinstance(opened.model, EncoderDecoder):
            token_ids("decoder_start_token_id", config.start_id, config.vocab_size)
        return Rules.of(config) if generates else Rules(end_ids=(), pad_id=0)
    except CheckpointError as error:
        raise CheckpointError(f"{opened.name}: {error}") from None


def _source_ids(opened: OpenGenerator, text: str, max_length: int | None) -> list[int]:
    longest = opened.model.config.longest
    (ids,) = opened.tokenizer.encode([text])
    if max_length is not None:
        max_length = max_length if longest is None else choose_max_length(max_length, longest, longest)
        # A decoder continues the end of a text.
        decoder = isinstance(opened.model, DecoderModel)
        ids = ids[-max_length:] if decoder else opened.tokenizer.encode([text], max_length)[0]
    _check_length("the text has", len(ids), longest)
    return ids


def _check_length(what: str, length: int, longest: int | None) -> None:
    if longest is not None and length > longest:
        raise InputError(f"{what} {length} tokens, but the model has only {longest} positions: shorten it")


def collect(opened: OpenGenerator, text: Text) -> AttentionMaps:
    """Return the attention maps of a source with its target, or of a prompt with its continuation."""
    if isinstance(opened.model, EncoderDecoder):
        return _of_encoder_decoder(opened, opened.model, text)
    ids = (*text.source_ids, *text.target_ids)
    with evaluating(opened.model), torch.no_grad():
        out = opened.model(tensor(opened, ids), need_attention=True)
    roles = ("prompt", "target" if text.given else "continuation")
    return _maps(opened, text, ids, ids, stacked(out.attentions), roles)


def _of_encoder_decoder(opened: OpenGenerator, model: EncoderDecoder, text: Text) -> AttentionMaps:
    source, labels = tensor(opened, text.source_ids), tensor(opened, text.target_ids)
    inputs = decoder_inputs(model, labels)
    with evaluating(model), torch.no_grad():
        out = model(source, inputs, need_attention=True)
    encoder, decoder, cross = (
        stacked(A) for A in (out.encoder_attentions, out.decoder_attentions, out.cross_attentions)
    )
    S, T = source.shape[1], labels.shape[1]
    layers, heads = (max(encoder.shape[axis], decoder.shape[axis]) for axis in (0, 1))
    A = np.zeros((layers, heads, S + T, S + T), dtype=encoder.dtype)
    A[: len(encoder), : encoder.shape[1], :S, :S] = encoder
    A[: len(decoder), : decoder.shape[1], S:, S:] = decoder
    A[: len(cross), : cross.shape[1], S:, :S] = cross
    kinds = (
        Kind("cross", 1, 0, *cross.shape[:2]),
        Kind("encoder", 0, 0, *encoder.shape[:2]),
        Kind("decoder", 1, 1, *decoder.shape[:2]),
    )
    ids = (*text.source_ids, *inputs[0].tolist())
    queries = (*text.source_ids, *text.target_ids)
    return dataclasses.replace(
        _maps(opened, text, ids, queries, A, ("source", "target" if text.given else "generated")), kinds=kinds
    )


def _maps(
    opened: OpenGenerator,
    text: Text,
    ids: Sequence[int],
    queries: Sequence[int],
    A: np.ndarray,
    roles: tuple[str, str],
) -> AttentionMaps:
    """Join the weights with the names of the tokens; `queries` are the ids that label the queries."""
    S = len(text.source_ids)
    labels, query_labels = labels_of(opened, ids), labels_of(opened, queries)
    special, query_special = special_of(opened, ids), special_of(opened, queries)
    differ = queries != ids
    return AttentionMaps(
        name=opened.name,
        text=text.source,
        pair=opened.tokenizer.decode(text.target_ids) if text.target_ids else None,
        tokens=tuple(opened.tokenizer.tokens(ids)),
        segments=(0,) * S + (1,) * (len(ids) - S),
        special=special,
        A=A,
        labels=(),
        probabilities=(),
        readable_tokens=labels,
        words=word_numbers(labels, special),
        spans=(*spans_of(labels[:S], special[:S], text.source), *[None] * (len(ids) - S)),
        query_tokens=query_labels if differ else (),
        query_special=query_special if differ else (),
        query_words=word_numbers(query_labels, query_special) if differ else (),
        roles=roles,
    )


def tensor(opened: OpenGenerator, ids: Sequence[int]) -> Tensor:
    """Return ids as a batch of one, `[1, S]`, on the model's device."""
    return torch.tensor([list(ids)], device=next(opened.model.parameters()).device)


def decoder_inputs(model: EncoderDecoder, labels: Tensor) -> Tensor:
    """Return the decoder's inputs for the labels `[1, T]`."""
    return shift_right(labels, model.config.start_id, pad_id=0)  # no label is padding


def stacked(attentions: Sequence[Tensor]) -> np.ndarray:
    """L × [1, H, n, m] -> [L, H, n, m]. Raises InputError for NaN."""
    A: np.ndarray = check_finite(torch.stack(list(attentions))[:, 0]).cpu().numpy()
    return A


def labels_of(opened: OpenGenerator, ids: Sequence[int]) -> tuple[str, ...]:
    """Return the labels of tokens: readable text, with "▁" before the first token of a word."""
    names, words = opened.tokenizer.tokens(ids), opened.tokenizer.words(ids)
    result = []
    for name, word in zip(names, words, strict=True):
        starts = name.startswith(WORD_STARTS)
        result.append((SPACE if starts else "") + ("" if starts and word in (name, SPACE) else word) or SPACE)
    return tuple(result)


def special_of(opened: OpenGenerator, ids: Sequence[int]) -> tuple[bool, ...]:
    """Return for each token whether it is a special one: the start, the end, or padding."""
    return tuple(i in special_ids(opened) for i in ids)


def special_ids(opened: OpenGenerator) -> frozenset[int]:
    """Return the ids of the special tokens that stand for no part of a text."""
    tokenizer, config = opened.tokenizer, opened.model.config
    end = config.end_id if isinstance(config.end_id, tuple) else (config.end_id,)
    framed = tokenizer.encode([""])[0]  # BART begins with <s>
    return frozenset({tokenizer.pad_id, tokenizer.end_id, config.start_id, config.pad_id, *end, *framed} - {None})


def word_numbers(labels: Sequence[str], special: Sequence[bool]) -> tuple[int, ...]:
    """Return the number of the word that each token belongs to: letters and digits that follow each other are one."""
    numbers: list[int] = []
    for i, label in enumerate(labels):
        before = labels[i - 1] if i else ""
        joins = (
            i > 0
            and not special[i]
            and not special[i - 1]
            and _in_word(label[:1])
            and (_in_word(before[-1:]) or before == SPACE)
        )
        numbers.append(numbers[-1] if joins else numbers[-1] + 1 if numbers else 0)
    return tuple(numbers)


def _in_word(character: str) -> bool:
    """Whether a character is part of a longer word; a Chinese, Japanese or Korean one is a word."""
    return character.isalnum() and character < "\u2e80"


def spans_of(labels: Sequence[str], special: Sequence[bool], text: str) -> tuple[tuple[int, int] | None, ...]:
    """Return the characters (first, last + 1) of each token in the text; None for those that are not found there.

    A tokenizer may normalize the text, so a token is searched only directly after the one before it, or after spaces.
    """
    spans: list[tuple[int, int] | None] = []
    at, lost = 0, False
    for label, is_special in zip(labels, special, strict=True):
        word = label.removeprefix(SPACE)
        start = text.find(word, at)
        found = bool(word) and not is_special and start >= 0 and (lost or not text[at:start].strip())
        spans.append((start, start + len(word)) if found else None)
        at, lost = (start + len(word) if found else at), not found and not is_special and bool(word)
    return tuple(spans)
