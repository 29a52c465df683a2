"""What a classifier says of each text, and each text as a vector; of a table of any length, a part at a time."""

import csv
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

from minitf.text.judged_texts import GivenTexts, Part, TableOfTexts

if TYPE_CHECKING:
    from minitf.bert import Bert
    from minitf.tasks.wording import Wording
    from minitf.text.tokenizer import Tokenizer

Texts = GivenTexts | TableOfTexts


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
