"""Words that a masked language model predicts in place of other words: the `Fill` of `datasets.augmentation`."""

from collections.abc import Sequence

import torch

from minitf.bert import Bert
from minitf.datasets.augmentation import Candidates, split_punctuation
from minitf.tasks.masked_lm.words import likeliest_words
from minitf.text.batches import pad
from minitf.text.tokenizer import Tokenizer

MOST = 10  # candidates per masked word; less likely words rarely fit
BATCH_SIZE = 32  # texts per forward pass
WORD_STARTS = ("Ġ", "▁")  # the first character of a word's first piece in BPE and Unigram; WordPiece has none

MaskedText = tuple[list[str], list[int]]  # the words of a text, and the positions of those to mask


class MaskedLanguageModel:
    """Predicts masked words with `model`, which has a masked-LM head and is in eval mode."""

    def __init__(self, model: Bert, tokenizer: Tokenizer, max_length: int):
        self.model, self.tokenizer, self.max_length = model, tokenizer, max_length
        # Whole words only: no continuation pieces, no special tokens such as [SEP] or [unused7], no punctuation.
        ids = range(tokenizer.highest_id + 1)
        pieces = list(zip(tokenizer.tokens(ids), tokenizer.words(ids), strict=True))
        start = next((s for s in WORD_STARTS if any(p.startswith(s) and len(p) > 1 for p, _ in pieces)), "")
        self.allowed = torch.tensor(
            [p.startswith(start) and not p.startswith("##") and word.isalnum() for p, word in pieces]
        )

    @torch.no_grad()
    def __call__(self, texts: Sequence[MaskedText]) -> list[Candidates]:
        """Return the likeliest words and their probabilities for each masked word; none beyond `max_length`."""
        found: list[Candidates] = []
        for i in range(0, len(texts), BATCH_SIZE):
            found += self._batch(texts[i : i + BATCH_SIZE])
        return found

    def _batch(self, texts: Sequence[MaskedText]) -> list[Candidates]:
        tokens = self.tokenizer.encode([self._masked(*text) for text in texts], None, self.max_length)
        batch = pad(tokens, self.tokenizer.pad_id).to(next(self.model.parameters()).device)
        logits = self.model(batch.token_ids, batch.segment_ids, batch.mask).logits
        found: list[Candidates] = []
        for row, (words, masked) in enumerate(texts):
            mask_positions = [s for s, token in enumerate(tokens[row].ids) if token == self.tokenizer.mask_id]
            candidates: Candidates = [[] for _ in masked]
            if not any(self.tokenizer.special.mask in word for word in words):  # a [MASK] in the text is ambiguous
                for n, s in enumerate(mask_positions):
                    candidates[n] = self._likeliest(logits[row, s])
            found.append(candidates)
        return found

    def _masked(self, words: Sequence[str], masked: Sequence[int]) -> str:
        """Replace the words by [MASK]; keep the punctuation around them."""
        parts = list(words)
        for n in masked:
            before, _, after = split_punctuation(parts[n])
            parts[n] = f"{before}{self.tokenizer.special.mask}{after}"
        return " ".join(parts)

    def _likeliest(self, z: torch.Tensor) -> list[tuple[str, float]]:
        allowed = self.allowed[: len(z)].to(z.device)
        p = z[: len(allowed)].double().softmax(dim=-1) * allowed
        return likeliest_words(p[None], self.tokenizer, MOST)[0]
