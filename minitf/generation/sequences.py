"""The rows of a batch while they grow, and the outputs that they become: what the strategies share."""

import dataclasses

import torch
from torch import Tensor

from minitf.generation.decoding import Request


@dataclasses.dataclass(frozen=True)
class Output:
    """One generated output."""

    token_ids: list[int]  # without the prompt; with the end token, if there is one
    ended: bool  # whether the model ended it; else it reached the limit
    score: float  # Σ log P(token) / n^α over its n tokens, with the length penalty α


@dataclasses.dataclass(frozen=True)
class Sequences:
    """Rows that grow by one token at a time."""

    request: Request
    ids: Tensor  # [R, T], each beginning with its prompt
    log_p: Tensor  # [R], Σ log P(token) of the generated tokens
    finished: Tensor  # [R], whether the row has ended

    @classmethod
    def start(cls, request: Request) -> "Sequences":
        """Return rows that have only their prompts."""
        prompt = request.decoding.prompt
        zeros = torch.zeros(len(prompt), device=prompt.device)
        return cls(request, prompt, zeros, zeros.bool())

    @property
    def done(self) -> bool:
        """Whether every row has ended or has reached the limit."""
        count = self.ids.shape[1] - self.request.decoding.prompt.shape[1]
        return count >= self.request.limit or bool(self.finished.all())

    def extended(self, tokens: Tensor, log_p: Tensor) -> "Sequences":
        """Append `tokens` [R] with their log-probabilities out of `log_p` [R, N]; rows that have ended get padding."""
        gained = log_p.gather(-1, tokens[:, None]).squeeze(-1)
        tokens = tokens.masked_fill(self.finished, self.request.rules.pad_id)
        return Sequences(
            self.request,
            torch.cat([self.ids, tokens[:, None]], dim=1),
            self.log_p + gained.masked_fill(self.finished, 0.0),
            self.finished | is_end(tokens, self.request),
        )

    def outputs(self, length_penalty: float = 1.0) -> list[Output]:
        """Return the output of each row.

        The score is that of Wu et al. 2016, equation 14, with n^α as in `transformers` for their ((5 + n) / 6)^α: α = 1
        is the mean log P, α = 0 the sum.
        """
        prompt = self.request.decoding.prompt.shape[1]
        rows = [trimmed(ids, self.request) for ids in self.ids[:, prompt:].tolist()]
        return [
            Output(ids, ended, log_p / len(ids) ** length_penalty)
            for (ids, ended), log_p in zip(rows, self.log_p.tolist(), strict=True)
        ]


def is_end(tokens: Tensor, request: Request) -> Tensor:
    """Return which of `tokens` end an output; boolean."""
    return torch.isin(tokens, torch.tensor(request.rules.end_ids, device=tokens.device))


def trimmed(generated: list[int], request: Request) -> tuple[list[int], bool]:
    """Return the generated ids up to the first end token, and whether the model itself ended the output.

    An end token that the rules force at the limit does not count.
    """
    n = next((i for i, token in enumerate(generated, 1) if token in request.rules.end_ids), None)
    return generated[:n], n is not None and not (n == request.limit and request.rules.last_ids)
