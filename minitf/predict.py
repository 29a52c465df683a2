"""Ask a fine-tuned model: `python -m minitf.predict DIR "text" ["text" …]`, or a file in, a file out.

--fill asks a pre-trained model which words [MASK] hides. --embed gives sentence vectors, from any BERT: the mean over
the tokens of the last layer, of length 1. That is what the default model was made for; a classifier reads [CLS] all
the same, since fine-tuning teaches it to.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf import kinds
from minitf.answers import filling, question_answering, tagging
from minitf.answers import texts as judged
from minitf.answers.texts import Texts
from minitf.checkpoints.metadata import read_metadata
from minitf.cli.console import Parser, number, run
from minitf.errors import CheckpointError, InputError
from minitf.files import open_text
from minitf.text.judged_texts import GivenTexts, look_through

if TYPE_CHECKING:
    from minitf.bert import Bert
    from minitf.tasks.wording import Wording
    from minitf.text.tokenizer import Tokenizer

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
    trained = read_metadata(Path(arguments.model))
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
    with nullcontext(sys.stdout) if arguments.output is None else open_text(Path(arguments.output)) as out:
        if arguments.fill is not None:
            filling.fill(model, tokenizer, arguments.fill, max_length, out)
        elif arguments.embed:
            judged.embed(model, tokenizer, texts, max_length, size, out, as_table=as_table)
        elif reader:
            reader.tell(asked, model, tokenizer, max_length, trained, size, out, as_table=as_table)
        elif told is not None:
            judged.classify(model, tokenizer, texts, max_length, size, out, told, trained, as_table=as_table)
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
            head = OfficialFiles(sources.find(arguments.model, offline=arguments.offline, say=_say)).stored_head()
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
        held = loaded.files.stored_head()
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


if __name__ == "__main__":
    run(main)
