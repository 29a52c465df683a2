"""Generate text with a saved model: `minitf.generator`, and what the command `generate` does."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from minitf.checkpoints.metadata import read_metadata
from minitf.datasets.table_writer import TableFormat
from minitf.errors import CheckpointError, InputError
from minitf.files import to_json
from minitf.fine_tuning.generation_settings import (
    GenerationSettings,
    choose_strategy,
    new_tokens,
    read_settings,
    stated_settings,
)
from minitf.fine_tuning.saved import ModelOptions, loading
from minitf.fine_tuning.terminal import Say, silent
from minitf.tasks.spec import say_if_cut

if TYPE_CHECKING:
    from minitf.generation.batch import Prompt, Strategy
    from minitf.generation.rules import Rules
    from minitf.generation.sequences import Output
    from minitf.text.sequence_tokenizer import SequenceTokenizer
    from minitf.transformer import DecoderModel, EncoderDecoder

BATCH_SIZE = 16
PART = 32  # batches whose texts are sorted by length
COLUMNS = ("source", "rank", "text", "score", "ended")  # of a table of records


@dataclasses.dataclass
class Counts:
    """What there is to say about a generation when it is done."""

    texts: int = 0
    cut: int = 0  # texts longer than requested
    long: int = 0  # texts longer than in training
    outputs: int = 0
    unended: int = 0  # outputs that reached the limit on their length


@dataclasses.dataclass(frozen=True)
class Generator:
    """A loaded model that generates text. Called with texts, it returns a list of records."""

    model: "EncoderDecoder | DecoderModel"
    tokenizer: "SequenceTokenizer"
    rules: "Rules"
    max_length: int | None = None  # tokens of a text; longer ones are cut
    trained_length: int | None = None  # tokens of a text in training
    batch_size: int = BATCH_SIZE
    say: Say = silent  # gets warnings

    def __call__(self, texts: Sequence[str], **settings: Any) -> list[dict[str, Any]]:
        """Generate for each text: a target for a source, or the continuation of a text.

        `settings` are those of `GenerationSettings`. The records of a text, one or `n_best`, follow each other; their
        keys: `source`, `rank` (from 1), `text`, `token_ids`, `score` (Σ log P / length^A), `ended` (False: the output
        reached its limit). Raises InputError.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise InputError("give a list of texts")
        return list(self.records([list(texts)], read_settings(settings)))

    def records(self, parts: Iterable[Sequence[str]], settings: GenerationSettings) -> Iterator[dict[str, Any]]:
        """Yield the records of the texts of all parts; say at the end what was cut."""
        from minitf.generation.batch import generate

        strategy, counts = self.strategy(settings), Counts()
        for texts in parts:
            prompts = self.prompts(texts, settings, counts)
            found = generate(self.model, prompts, self.rules, strategy, self.batch_size)
            for text, best in zip(texts, found, strict=True):
                counts.outputs += len(best)
                counts.unended += sum(not output.ended for output in best)
                for rank, output in enumerate(best, 1):
                    yield {"source": text, "rank": rank, **self.record(output)}
        self.say_counts(counts)

    def stream(self, text: str, settings: GenerationSettings) -> Iterator[str]:
        """Yield the generated text after each token of greedy decoding or sampling; say at the end what was cut."""
        from minitf.generation.batch import steps

        counts = Counts(outputs=1)
        prompts = self.prompts([text], settings, counts)
        for rows in steps(self.model, prompts, self.rules, self.strategy(settings)):
            (output,) = rows.outputs()
            yield self.tokenizer.decode(output.token_ids)
        counts.unended = int(not output.ended)
        self.say_counts(counts)

    def strategy(self, settings: GenerationSettings) -> "Strategy":
        """Return the strategy for these settings. Raises InputError."""
        return choose_strategy(settings, self.model.config.generation)

    def record(self, output: "Output") -> dict[str, Any]:
        """Return what a record says of an output."""
        text = self.tokenizer.decode(output.token_ids)
        return {"text": text, "token_ids": output.token_ids, "score": output.score, "ended": output.ended}

    def prompts(self, texts: Sequence[str], settings: GenerationSettings, counts: Counts) -> "list[Prompt]":
        """Encode the texts, which `counts` counts.

        Raises InputError for an empty text, and for one with more tokens than positions.
        """
        from minitf.generation.batch import Prompt

        config, continues = self.model.config, not hasattr(self.model, "encode")
        prompts = []
        for text, ids in zip(texts, self.tokenizer.encode(texts), strict=True):
            counts.texts += 1
            if not ids or not text.strip():
                raise InputError(f"text {counts.texts} is empty: there is nothing to generate from")
            if self.max_length is not None and len(ids) > self.max_length:
                counts.cut += 1
                # The end of a text is what is continued.
                ids = ids[-self.max_length :] if continues else self.tokenizer.encode([text], self.max_length)[0]
            if config.longest is not None and len(ids) > config.longest:
                raise InputError(
                    f"text {counts.texts} has {len(ids)} tokens, but the model has only {config.longest} positions:"
                    f" shorten it, or cut it with `max_length` {config.longest}"
                )
            counts.long += self.trained_length is not None and len(ids) > self.trained_length
            limit = new_tokens(settings, config.generation, len(ids) if continues else 1, config.longest)
            prompts.append(Prompt(ids, limit, counts.texts))
        return prompts

    def say_counts(self, counts: Counts) -> None:
        """Say how many texts were cut or are longer than in training, and how many outputs reached their limit."""
        say_if_cut(counts.cut, counts.texts, self.max_length or 0, self.say)
        if counts.long:
            self.say(
                f"minitf: warning: {counts.long} of {counts.texts} texts are longer than the {self.trained_length}"
                " tokens with which the model was trained"
            )
        if counts.unended:
            which = f"{counts.unended} of {counts.outputs} outputs" if counts.outputs > 1 else "the output"
            self.say(f"minitf: {which} did not end before the limit: `max_new_tokens`, or the positions of the model")


def generator(model: str | Path, batch_size: int = BATCH_SIZE, **options: Any) -> Generator:
    """Load a model that generates text: an encoder-decoder or a decoder.

        generate = minitf.generator("runs/dates/best")
        generate(["the third of May 1998"], beams=4, max_new_tokens=40)[0]["text"]

    `model` is any source that the commands take; `options` are those of `ModelOptions`. Raises InputError.
    """
    return open_generator(str(model), ModelOptions(**options), batch_size, silent)


def open_generator(source: str, options: ModelOptions, batch_size: int, say: Say) -> Generator:
    """Load a model that generates text. Raises InputError, in one line, for one that cannot."""
    from minitf.checkpoints import sources
    from minitf.checkpoints.load import load_model
    from minitf.checkpoints.official import OfficialFiles
    from minitf.generation.rules import Rules, token_ids
    from minitf.text import sequence_tokenizer
    from minitf.transformer import DecoderConfig, DecoderModel, EncoderDecoder, EncoderDecoderConfig

    found = sources.find(source, offline=options.offline, say=say, revision=options.revision)
    config = OfficialFiles(found, verify=not options.no_verify).config
    if not isinstance(config, EncoderDecoderConfig | DecoderConfig):
        raise InputError(
            f"{source}: cannot generate text, because it is an encoder ({config.model_type}); give an encoder-decoder"
            " (marian, bart, t5) or a decoder (gpt2)"
        )
    try:
        rules = Rules.of(config)
        if isinstance(config, EncoderDecoderConfig):
            token_ids("decoder_start_token_id", config.start_id, config.vocab_size)
        stated_settings(config.generation)
    except CheckpointError as error:
        raise CheckpointError(f"{found.folder}: {error}") from None
    tokenizer = sequence_tokenizer.from_folder(found.folder)
    if tokenizer.vocab_size > config.vocab_size:
        raise CheckpointError(
            f"{found.folder}: the vocabulary has {tokenizer.vocab_size:,} tokens, but the word embedding has only"
            f" {config.vocab_size:,} rows: they do not belong together"
        )
    if options.max_length is not None and config.longest is not None and options.max_length > config.longest:
        raise InputError(f"`max_length` {options.max_length}: the model has only {config.longest} positions")
    cls: Any = EncoderDecoder if isinstance(config, EncoderDecoderConfig) else DecoderModel
    model, _ = load_model(source, cls, **loading(options, say))
    trained_length = read_metadata(found.folder).get("max_length")
    return Generator(model, tokenizer, rules, options.max_length, trained_length, batch_size, say)


def write_records(records: Iterable[dict[str, Any]], out: TextIO, table: TableFormat) -> None:
    """Write records as JSON lines or as a table."""
    if table.json_lines:
        out.writelines(to_json(record, indent=None) for record in records)
        return
    write_row = table.writer(out)
    write_row(COLUMNS)
    for record in records:
        row = record | {"score": f"{record['score']:.6f}", "ended": str(record["ended"]).lower()}
        write_row([str(row[name]) for name in COLUMNS])
