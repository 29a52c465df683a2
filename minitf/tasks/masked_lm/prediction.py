"""The words that a pre-trained model predicts for [MASK], for the command `predict`."""

from typing import TextIO

import torch

from minitf.errors import InputError
from minitf.tasks.inference import check_finite
from minitf.tasks.masked_lm.words import likeliest_words
from minitf.tasks.spec import Loaded
from minitf.visible import visible

MOST = 5  # words per [MASK]


def fill(loaded: Loaded, text: str, out: TextIO) -> None:
    """Write the likeliest words for each [MASK] in `text`, with their probabilities. Raises InputError."""
    model, tokenizer = loaded.model, loaded.tokenizer
    if tokenizer.mask_id is None:
        raise InputError(f"this vocabulary has no {tokenizer.special.mask}, so it cannot predict masked words")
    masked_text = text.replace("[MASK]", tokenizer.special.mask)
    batch = tokenizer([masked_text], max_length=loaded.max_length)
    positions = (batch.token_ids[0] == tokenizer.mask_id).nonzero().flatten()
    if len(positions) == 0:
        if tokenizer.special.mask in masked_text:
            raise InputError(f"`fill`: the [MASK] is beyond the {loaded.max_length} tokens of `max_length`")
        raise InputError("`fill`: the text has no [MASK]; write it in place of the word to predict")
    b = batch.to(next(model.parameters()).device)
    with torch.no_grad():
        logits = check_finite(model(b.token_ids, b.segment_ids, b.mask).logits[0, positions])  # [masks, N]
    print(" ".join(text.split()), file=out)
    for n, words in enumerate(likeliest_words(logits.double().softmax(dim=-1), tokenizer, MOST), 1):
        if len(positions) > 1:
            print(f"[MASK] {n}", file=out)
        for word, probability in words:
            print(f"  {probability:.4f}  {visible(word)}", file=out)
