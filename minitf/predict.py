"""Ask a fine-tuned model: `python -m minitf.predict DIR "text" ["text" …]`, or a file in, a file out.

--fill asks a pre-trained model which words [MASK] hides. --embed gives sentence vectors, from any BERT: the mean over
the tokens of the last layer, of length 1. That is what the default model was made for; a classifier reads [CLS] all
the same, since fine-tuning teaches it to.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from minitf import kinds
from minitf.answers import question_answering, tagging
from minitf.console import Parser, number, run
from minitf.errors import CheckpointError, InputError
from minitf.files import whole
from minitf.notes import read_note
from minitf.text.judged_texts import GivenTexts, TableOfTexts, look_through

if TYPE_CHECKING:
    from minitf.bert import Bert
    from minitf.tasks.wording import Wording
    from minitf.text.judged_texts import Part
    from minitf.text.tokenizer import Tokenizer

Texts = GivenTexts | TableOfTexts
# By the name of the head: those that have a module of their own.
ANSWERS: dict[str, Any] = {"tagging": tagging, "qa": question_answering}


def parser() -> argparse.ArgumentParser:
    p = Parser(prog="python -m minitf.predict", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    count = number(1, whole=True)
    p.add_argument("model", metavar="DIR", help="a run's best/, or any source of a model that finetune takes")
    p.add_argument("texts", nargs="*", metavar="text", help="what to judge")
    p.add_argument("--pair", metavar="TEXT|COL", help="the second text of the pair; with --input its column")
    p.add_argument(
        "--input",
        metavar="FILE",
        help="a table with a text column, CSV, TSV or JSON lines;\nfor a tagger CoNLL columns, for qa SQuAD's JSON",
    )
    p.add_argument("--text", metavar="COL", help="with --input: the column of the text (default: as in training)")
    p.add_argument(
        "--output", metavar="FILE", help="where the answers go: CSV, or as the input (default: the terminal)"
    )
    p.add_argument("--fill", metavar="TEXT", help="the five likeliest words for each [MASK] in TEXT")
    p.add_argument("--embed", action="store_true", help="sentence vectors, one JSON line each, instead of labels")
    p.add_argument("--max-length", type=count, metavar="N", help="tokens a text is cut to (default: as in training)")
    p.add_argument("--batch-size", type=count, default=32, metavar="N", help="default: %(default)s")
    p.add_argument("--math", default="kernels", metavar="WHICH", help="equations, kernels or a .py file")
    p.add_argument("--hidden-act", choices=["gelu", "gelu_tanh", "relu"], help="activation (default: the checkpoint's)")
    p.add_argument("--no-verify", action="store_true", help="do not check the checksums of a TensorFlow checkpoint")
    p.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: %(default)s")
    p.add_argument("--offline", action="store_true", help="use no network")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_intermixed_args(argv)
    check(arguments)
    trained = read_note(Path(arguments.model))
    head = head_asked(arguments, trained)
    reader = ANSWERS.get(head or "")
    asked = reader.read(arguments, trained) if reader else None
    asked_of_itself = arguments.fill is not None or reader
    texts: Texts = GivenTexts([], None) if asked_of_itself else read_texts(arguments, trained)
    model, tokenizer = open_model(arguments, head)
    usual = min(kinds.KINDS[head].max_length if head in kinds.KINDS else 128, model.config.longest)
    max_length = arguments.max_length or trained.get("max_length") or usual
    if max_length > model.config.longest:
        raise InputError(f"--max-length {max_length}: this model has learned only {model.config.longest} positions")
    told, size, as_table = wording_of(arguments, model), arguments.batch_size, bool(arguments.output)
    with nullcontext(sys.stdout) if arguments.output is None else whole(Path(arguments.output)) as out:
        if arguments.fill is not None:
            fill(model, tokenizer, arguments.fill, max_length, out)
        elif arguments.embed:
            embed(model, tokenizer, texts, max_length, size, out, as_table=as_table)
        elif reader:
            reader.tell(asked, model, tokenizer, max_length, trained, size, out, as_table=as_table)
        elif told is not None:
            classify(model, tokenizer, texts, max_length, size, out, told, trained, as_table=as_table)
    return 0


def check(arguments: argparse.Namespace) -> None:
    """Raises InputError for flags that do not go together."""
    given = [name for name, value in (("texts", arguments.texts), ("--input", arguments.input)) if value]
    if arguments.fill is not None:
        others = [*given, *(["--embed"] if arguments.embed else []), *(["--pair"] if arguments.pair else [])]
        if others:
            raise InputError(f"--fill has a text of its own; leave {others[0]} out")
        return
    if len(given) != 1:
        raise InputError("give either texts or --input FILE")
    if arguments.text and not arguments.input:
        raise InputError(f"--text {arguments.text} names a column of --input FILE; texts stand by themselves")
    if arguments.input and arguments.output and Path(arguments.input).resolve() == Path(arguments.output).resolve():
        raise InputError(f"--output {arguments.output}: is the table that is read; give another file")


def head_asked(arguments: argparse.Namespace, trained: dict[str, Any]) -> str | None:
    """The name of the head that answers; None for sentence vectors."""
    if arguments.fill is not None or arguments.embed:
        return None if arguments.fill is None else "masked-lm"
    head = trained.get("task")
    if not trained:  # nobody has noted it, so what the files hold must say
        from minitf.checkpoints import sources
        from minitf.checkpoints.official import OfficialFiles

        # What is wrong with them is for the loader to say.
        with suppress(CheckpointError):
            head = OfficialFiles(sources.find(arguments.model, offline=arguments.offline, say=_say)).held_head()
    return head if head in ANSWERS else "classification"


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def open_model(arguments: argparse.Namespace, head: str | None) -> "tuple[Bert, Tokenizer]":
    """The model with the head that is asked for, and its tokenizer. Raises InputError if it has no such head."""
    from minitf.bert.device import choose_device
    from minitf.checkpoints import load

    model, loaded = load.load_with_report(
        arguments.model,
        head=head,
        math=arguments.math,
        device=choose_device(arguments.device),
        offline=arguments.offline,
        say=_say,
        hidden_act=arguments.hidden_act,
        verify=not arguments.no_verify,
    )
    if any(name.startswith("head.") for name in loaded.new):
        held = loaded.files.held_head()
        if arguments.fill is not None:
            raise InputError(
                f"{arguments.model}: cannot fill in words, for it holds no masked-LM head ({held or 'nor any other'});"
                " take a model as it was pre-trained, bert-base-uncased say"
            )
        what = f"its head is {held}" if held else "fine-tune it first"
        raise InputError(f"{arguments.model}: holds no trained classifier; {what}, or ask for --embed")
    tokenizer = loaded.checked_tokenizer()
    if loaded.warning:
        print(f"minitf: warning: {loaded.warning}", file=sys.stderr)
    return model, tokenizer


def wording_of(arguments: argparse.Namespace, model: "Bert") -> "Wording | None":
    """How the model's logits are told; None where it is asked for something else."""
    from minitf.tasks.wording import wording

    if model.head_name != "classification":
        return None
    try:
        return wording(model.config)
    except InputError as error:
        raise InputError(f"{arguments.model}: {error}") from None


def read_texts(arguments: argparse.Namespace, trained: dict[str, Any]) -> Texts:
    """The texts to judge, and their second texts. Raises InputError if the model was trained on pairs and has none."""
    pair = arguments.pair
    if arguments.input:
        columns = {"text": arguments.text or trained.get("text"), "pair": pair or trained.get("pair")}
        return look_through(Path(arguments.input), **columns)
    if trained.get("pair") and pair is None and not arguments.embed:
        raise InputError(
            f"this model judges pairs ({trained.get('text')}, {trained['pair']}): give the second with --pair"
        )
    if pair is not None and not pair.strip():
        raise InputError("--pair is empty: give the second text")
    empty = [i for i, text in enumerate(arguments.texts, 1) if not text.strip()]
    if empty:
        raise InputError(f"text {empty[0]} is empty: there is nothing to judge")
    return GivenTexts(arguments.texts, None if pair is None else [pair] * len(arguments.texts))


def progressing(texts: Texts, size: int, *, shown: bool) -> "Iterator[Part]":
    """The texts `size` at a time, with a bar on the terminal if it is `shown`."""
    from tqdm import tqdm

    with tqdm(total=texts.count, unit="text", disable=None if shown else True, leave=False) as bar:
        for part in texts.parts(size):
            yield part
            bar.update(len(part[0]))


def classify(
    model: "Bert",
    tokenizer: "Tokenizer",
    texts: Texts,
    max_length: int,
    size: int,
    out: TextIO,
    told: "Wording",
    trained: dict[str, Any],
    *,
    as_table: bool,
) -> None:
    """Each text's answer, with the probability of every label: a line each, or a CSV."""
    import torch

    from minitf.tasks.texts import logits_of_texts
    from minitf.text import long_texts

    long_text = long_texts.LongText(trained.get("long_text", "truncate"), trained.get("stride"))
    device = next(model.parameters()).device
    table = csv.writer(out, lineterminator="\n")
    if as_table:
        table.writerow(["text", *told.columns()])
    for part, pairs in progressing(texts, size, shown=as_table):
        batch = long_texts.batch(tokenizer, part, pairs, max_length, long_text).to(device)
        with torch.no_grad():
            logits = logits_of_texts(model, batch).cpu()
        for text, z in zip(part, logits, strict=True):
            if as_table:
                table.writerow([text, *told.cells(z)])
            else:
                print(f"{told.line(z)}  {' '.join(text.split())}", file=out)


def fill(model: "Bert", tokenizer: "Tokenizer", text: str, max_length: int, out: TextIO) -> None:
    """The five likeliest words for each [MASK] in `text`, with their probabilities."""
    import torch

    if tokenizer.mask_id is None:
        raise InputError(f"this vocabulary has no {tokenizer.special.mask}, so there is nothing to fill in")
    wanted = text.replace("[MASK]", tokenizer.special.mask)
    batch = tokenizer([wanted], max_length=max_length)
    places = (batch.token_ids[0] == tokenizer.mask_id).nonzero().flatten()
    if len(places) == 0:
        cut = tokenizer.special.mask in wanted
        raise InputError(
            f"--fill: the [MASK] is beyond the {max_length} tokens of --max-length"
            if cut
            else "--fill: the text has no [MASK]; write it where a word is to be guessed"
        )
    b = batch.to(next(model.parameters()).device)
    with torch.no_grad():
        logits = model(b.token_ids, b.segment_ids, b.mask).logits[0, places]  # [masks, N]
    p, ids = logits.double().softmax(dim=-1).topk(min(5, logits.shape[-1]))
    print(" ".join(text.split()), file=out)
    for n, (probabilities, numbers) in enumerate(zip(p.tolist(), ids.tolist(), strict=True), 1):
        if len(places) > 1:
            print(f"[MASK] {n}", file=out)
        for probability, word in zip(probabilities, tokenizer.words(numbers), strict=True):
            print(f"  {probability:.4f}  {word}", file=out)


def embed(
    model: "Bert", tokenizer: "Tokenizer", texts: Texts, max_length: int, size: int, out: TextIO, *, as_table: bool
) -> None:
    """Each text's vector, as one JSON line."""
    import torch

    from minitf.bert.head import mean_pooled

    device = next(model.parameters()).device
    for part, pairs in progressing(texts, size, shown=as_table):
        b = tokenizer(part, pairs, max_length).to(device)
        with torch.no_grad():
            vectors = mean_pooled(model(b.token_ids, b.segment_ids, b.mask).hidden_states[-1], b.mask)
        for text, vector in zip(part, vectors.tolist(), strict=True):
            out.write(json.dumps({"text": text, "vector": [round(x, 7) for x in vector]}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    run(main)
