"""The words that a masked language model predicts."""

from torch import Tensor

from minitf.text.tokenizer import Tokenizer


def likeliest_words(p: Tensor, tokenizer: Tokenizer, k: int) -> list[list[tuple[str, float]]]:
    """Return the k likeliest words with their probabilities, likeliest first, for each row of `p [n, N]`."""
    best = p.topk(min(k, p.shape[-1]), dim=-1)
    ids = best.indices.unique().tolist()
    words = dict(zip(ids, tokenizer.words(ids), strict=True))
    return [
        [(words[i], probability) for i, probability in zip(row, probabilities, strict=True)]
        for row, probabilities in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]
