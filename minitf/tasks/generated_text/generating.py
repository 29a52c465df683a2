"""The text that a model generates greedily for each row of a batch, and for texts of any number."""

import dataclasses
from collections.abc import Iterator
from typing import Any, TextIO

import torch
from torch import Tensor

from minitf.errors import InputError
from minitf.files import to_json
from minitf.generation.decoding import DecoderDecoding, EncoderDecoderDecoding, Task
from minitf.generation.greedy import greedy
from minitf.generation.rules import Rules
from minitf.generation.sequences import Output, Sequences
from minitf.tasks.generated_text.encoding import source_tokens
from minitf.tasks.spec import Loaded, say_if_cut
from minitf.tasks.whole_text.inputs import TextSource
from minitf.tasks.whole_text.prediction import parts_with_progress
from minitf.text.batches import Batch, Tokens, pad
from minitf.text.sequence_tokenizer import SequenceTokenizer
from minitf.transformer import DecoderModel, EncoderDecoder
from minitf.visible import visible


def generate(model: EncoderDecoder | DecoderModel, token_ids: Tensor, mask: Tensor, limit: int) -> list[Output]:
    """Generate at most `limit` tokens for each row of `token_ids [B, S]`: a source, or a text to continue.

    The texts to continue are padded on the left. Raises InputError for a model without an end token.
    """
    config = model.config
    if config.end_id is None:
        raise InputError("the vocabulary of the model has no end token, so no generated text would end")
    ends = config.end_id if isinstance(config.end_id, tuple) else (config.end_id,)
    if isinstance(model, EncoderDecoder):
        decoding: EncoderDecoderDecoding | DecoderDecoding = EncoderDecoderDecoding(model, token_ids, mask)
        used = 0
    else:
        decoding, used = DecoderDecoding(model, token_ids, mask), token_ids.shape[1]
    if config.longest is not None:
        limit = min(limit, config.longest - used)
    task = Task(decoding, Rules(ends, ends[0] if config.pad_id is None else config.pad_id), limit)
    *_, last = Sequences.start(task), *greedy(task)
    return last.outputs()


@dataclasses.dataclass(frozen=True)
class GeneratedTexts:
    """The text that the model generates greedily for each text."""

    loaded: Loaded
    texts: TextSource

    def records(self) -> Iterator[dict[str, Any]]:
        for text, generated in self._generated(shown=False):
            yield {"text": text, "generated": generated}

    def write(self, out: TextIO, *, as_table: bool) -> None:
        """Write each text and, on the next line, the generated one, or a table in the format of `loaded.table`."""
        if not as_table:
            for text, generated in self._generated(shown=False):
                print(f"{' '.join(text.split())}\n  {visible(generated)}", file=out)
        elif self.loaded.table.json_lines:
            pairs = self._generated(shown=True)
            out.writelines(to_json({"text": text, "generated": made}, indent=None) for text, made in pairs)
        else:
            write_row = self.loaded.table.writer(out)
            write_row(["text", "generated"])
            for pair in self._generated(shown=True):
                write_row(list(pair))

    def _generated(self, *, shown: bool) -> Iterator[tuple[str, str]]:
        loaded, cut, endless = self.loaded, 0, 0
        for texts, _ in parts_with_progress(self.texts, loaded.batch_size, shown=shown):
            tokens, outputs = self._outputs(texts)
            cut += sum(text.cut for text in tokens)
            endless += sum(not output.ended for output in outputs)
            decode = self._tokenizer.decode
            yield from ((text, decode(output.token_ids)) for text, output in zip(texts, outputs, strict=True))
        say_if_cut(cut, self.texts.count, loaded.max_length, loaded.say)
        if endless:
            loaded.say(
                f"minitf: warning: {endless} of {self.texts.count} generated texts had no end and were stopped at the"
                f" limit of {loaded.max_length} tokens"
            )

    @property
    def _tokenizer(self) -> SequenceTokenizer:
        assert isinstance(self.loaded.tokenizer, SequenceTokenizer)
        return self.loaded.tokenizer

    def _outputs(self, texts: list[str]) -> tuple[list[Tokens], list[Output]]:
        """Return the tokens of the texts and what is generated for them."""
        model, longest = self.loaded.model, self.loaded.max_length
        if isinstance(model, EncoderDecoder):
            tokens = source_tokens(self._tokenizer, texts, longest)
            batch = pad(tokens, self._tokenizer.pad_id)
        else:
            tokens = source_tokens(self._tokenizer, texts, min(longest, model.config.longest - 1))
            batch = pad_left(tokens, self._tokenizer.pad_id)
        batch = batch.to(next(model.parameters()).device)
        with torch.no_grad():
            return tokens, generate(model, batch.token_ids, batch.mask, longest)


def pad_left(texts: list[Tokens], pad_id: int) -> Batch:
    """Return one batch, padded on the left to its longest text, so that all texts are continued at the same place."""
    flipped = pad([Tokens(text.ids[::-1], text.segments[::-1]) for text in texts], pad_id)
    return Batch(*(part.flip(1) for part in (flipped.token_ids, flipped.segment_ids, flipped.mask)))
