"""The words that a masked language model holds likely in the places of others: `text.augment`'s fill-in function."""

from collections.abc import Sequence

import torch

from minitf.bert import Bert
from minitf.datasets.augmentation import Candidates, split_punctuation
from minitf.tasks.masked_lm.words import likeliest_words
from minitf.text.batches import pad
from minitf.text.tokenizer import Tokenizer

LIKELIEST = 10  # to draw from: the hundredth word is seldom one that fits
SIZE = 32  # texts at once
BEGINNINGS = ("Ġ", "▁")  # how BPE and Unigram mark that a word begins; WordPiece marks that it goes on, by ##


class MaskedLanguageModel:
    """`model` has a masked-LM head; what it says is asked for without dropout and without gradients."""

    def __init__(self, model: Bert, tokenizer: Tokenizer, max_length: int):
        self.model, self.tokenizer, self.max_length = model, tokenizer, max_length
        # Whole words: no pieces that go on, no [UNK], [SEP] or [unused7], no punctuation.
        ids = range(tokenizer.highest_id + 1)
        pieces = list(zip(tokenizer.tokens(ids), tokenizer.words(ids), strict=True))
        begins = next((s for s in BEGINNINGS if any(p.startswith(s) and len(p) > 1 for p, _ in pieces)), "")
        self.allowed = torch.tensor(
            [p.startswith(begins) and not p.startswith("##") and word.isalnum() for p, word in pieces]
        )

    @torch.no_grad()
    def __call__(self, texts: Sequence[tuple[list[str], list[int]]]) -> list[Candidates]:
        """For each hidden place of each text the likeliest words and their probabilities; none beyond `max_length`."""
        found: list[Candidates] = []
        for i in range(0, len(texts), SIZE):
            found += self._batch(texts[i : i + SIZE])
        return found

    def _batch(self, texts: Sequence[tuple[list[str], list[int]]]) -> list[Candidates]:
        mask = self.tokenizer.special.mask
        hidden = []
        for words, places in texts:
            words = list(words)
            for n in places:
                before, _, after = split_punctuation(words[n])
                words[n] = f"{before}{mask}{after}"
            hidden.append(" ".join(words))
        tokens = self.tokenizer.encode(hidden, None, self.max_length)
        batch = pad(tokens, self.tokenizer.pad_id).to(next(self.model.parameters()).device)
        logits = self.model(batch.token_ids, batch.segment_ids, batch.mask).logits
        found: list[Candidates] = []
        for row, (words, places) in enumerate(texts):
            where = [s for s, token in enumerate(tokens[row].ids) if token == self.tokenizer.mask_id]
            candidates: Candidates = [[] for _ in places]
            if not any(mask in word for word in words):  # else which is which cannot be told
                for n, s in enumerate(where):
                    candidates[n] = self._likeliest(logits[row, s])
            found.append(candidates)
        return found

    def _likeliest(self, z: torch.Tensor) -> list[tuple[str, float]]:
        allowed = self.allowed[: len(z)].to(z.device)
        p = z[: len(allowed)].double().softmax(dim=-1) * allowed
        return likeliest_words(p[None], self.tokenizer, LIKELIEST)[0]
