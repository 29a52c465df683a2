"""Which words a pre-trained model guesses behind [MASK]."""

from typing import TYPE_CHECKING, TextIO

from minitf.errors import InputError

if TYPE_CHECKING:
    from minitf.bert import Bert
    from minitf.text.tokenizer import Tokenizer


def fill(model: "Bert", tokenizer: "Tokenizer", text: str, max_length: int, out: TextIO) -> None:
    """The five likeliest words for each [MASK] in `text`, with their probabilities."""
    import torch

    from minitf.tasks.masked_lm import likeliest_words

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
    best = likeliest_words(logits.double().softmax(dim=-1), tokenizer, 5)
    print(" ".join(text.split()), file=out)
    for n, words in enumerate(best, 1):
        if len(places) > 1:
            print(f"[MASK] {n}", file=out)
        for word, probability in words:
            print(f"  {probability:.4f}  {word}", file=out)
