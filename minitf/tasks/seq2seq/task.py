"""A target text for each source text, with an encoder-decoder (Vaswani et al. 2017; Sutskever et al. 2014).

Training is teacher-forced: the decoder reads the true target, shifted right by one, and predicts each token after the
true ones before it. Evaluation also generates the text greedily, from the source alone.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from minitf.datasets.dataset import Dataset
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.tasks.base import Mistake
from minitf.tasks.example_scores import ExampleScores, mean
from minitf.tasks.generated_text.generating import generate
from minitf.tasks.generated_text.teacher_forcing import teacher_forced
from minitf.tasks.seq2seq.encoding import Output, TextPairs, encode_pairs
from minitf.tasks.seq2seq.library_scores import bleu, rouge_l
from minitf.tasks.seq2seq.metrics import Seq2SeqMetrics, chrf
from minitf.text.batches import IGNORED, Batch, Examples
from minitf.text.sequence_tokenizer import SequenceTokenizer
from minitf.transformer import EncoderDecoder, shift_right
from minitf.transformer.encoder_decoder import HEAD

SLACK = 2  # a generated text may be so many times as long as the longest target of its batch


@dataclasses.dataclass(frozen=True)
class Seq2Seq:
    """Cross-entropy of the target's tokens, with label smoothing ε in training (Vaswani et al. 2017, §5.4)."""

    math: Mathematics = EQUATIONS
    label_smoothing: float = 0.0
    bleu_rouge: bool = False  # whether BLEU and ROUGE-L are measured too
    labels: ClassVar[tuple[str, ...]] = ()
    name: ClassVar[str] = "seq2seq"
    head: ClassVar[str] = HEAD
    problem_type: ClassVar[str | None] = None

    def encode(self, table: Dataset, tokenizer: SequenceTokenizer, max_length: int) -> TextPairs:
        return encode_pairs(table, tokenizer, max_length)

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """Compute the teacher-forced logits of the target's tokens, `[B, T, N]`."""
        assert isinstance(model, EncoderDecoder) and batch.target_ids is not None
        shifted = shift_right(batch.target_ids, model.config.start_id, model.config.pad_token_id)
        logits: Tensor = model(batch.token_ids, shifted, batch.mask).logits
        return logits

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean cross-entropy of the tokens, a scalar; `logits [B, T, N]`, `targets [B, T]`."""
        loss: Tensor = self.math.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), label_smoothing=self.label_smoothing, ignore_index=IGNORED
        )
        return loss

    def weight(self, targets: Tensor) -> float:
        """The number of target tokens."""
        return float((targets != IGNORED).sum())

    def unpad(self, logits: Tensor, batch: Batch) -> Sequence[Tensor]:
        assert batch.target_ids is not None
        return [row[: int(n)] for row, n in zip(logits, (batch.target_ids != IGNORED).sum(dim=1), strict=True)]

    def outputs(self, model: nn.Module, batch: Batch) -> Sequence[Tensor]:
        """Return an `Output` of each pair: its teacher-forced losses, and the text that the model generates."""
        assert isinstance(model, EncoderDecoder) and batch.target_ids is not None
        losses, right = teacher_forced(self.logits(model, batch), batch.target_ids)
        sources = [ids[:n] for ids, n in zip(batch.token_ids.tolist(), batch.mask.sum(dim=1).tolist(), strict=True)]
        generated = generate(model, sources, SLACK * batch.target_ids.shape[1], len(sources))
        lengths = (batch.target_ids != IGNORED).sum(dim=1).tolist()
        rows = zip(losses, right, lengths, generated, strict=True)
        return [Output(loss[:n], hits[:n], made.token_ids, made.ended).pack() for loss, hits, n, made in rows]

    def measure(self, logits: Sequence[Tensor], examples: Examples) -> Seq2SeqMetrics:
        """Compute the metrics from the packed outputs."""
        assert isinstance(examples, TextPairs)
        outputs = [Output.unpack(packed) for packed in logits]
        texts, true = generated_texts(outputs, examples), examples.target_texts
        losses, right = (torch.cat([getattr(o, name) for o in outputs]) for name in ("losses", "right"))
        return Seq2SeqMetrics(
            loss=float(losses.mean()),
            exact_match=sum(a == b for a, b in zip(texts, true, strict=True)) / len(true),
            chrf=chrf(texts, true),
            token_accuracy=float(right.mean()),
            sequence_accuracy=sum(bool(o.right.all()) for o in outputs) / len(outputs),
            unfinished=sum(not o.ended for o in outputs),
            bleu=bleu(texts, true) if self.bleu_rouge else None,
            rouge_l=rouge_l(texts, true) if self.bleu_rouge else None,
        )

    def example_scores(self, logits: Sequence[Tensor], examples: Examples) -> ExampleScores:
        """Whether each generated text is the target."""
        assert isinstance(examples, TextPairs)
        texts = generated_texts([Output.unpack(packed) for packed in logits], examples)
        right = [[float(a == b)] for a, b in zip(texts, examples.target_texts, strict=True)]
        return ExampleScores(torch.tensor(right, dtype=torch.float64), mean, is_share=True)

    def mistakes(self, logits: Sequence[Tensor], examples: Examples, table: Dataset) -> list[Mistake]:
        """Return the pairs whose generated text is not the target, with the mean loss of the target's tokens."""
        assert isinstance(examples, TextPairs)
        outputs = [Output.unpack(packed) for packed in logits]
        rows = zip(table.examples, generated_texts(outputs, examples), outputs, strict=True)
        return [
            Mistake(e.row, e.text, None, str(e.label), text, float(output.losses.mean()))
            for e, text, output in rows
            if text != e.label
        ]

    def report_details(self, logits: Sequence[Tensor], examples: Examples, table: Dataset, most: int) -> dict[str, Any]:
        return {}

    def baseline(self, examples: Examples) -> str:
        return f"always the most frequent target: chrF {_constant(examples):.4f}"

    def learned(self, metrics: Any, examples: Examples) -> bool:
        assert isinstance(metrics, Seq2SeqMetrics)
        return metrics.chrf > _constant(examples)


def generated_texts(outputs: Sequence[Output], examples: TextPairs) -> list[str]:
    """Return the texts that the model generates."""
    return [examples.decode(output.generated) for output in outputs]


def _constant(examples: Examples) -> float:
    """Return the chrF of the most frequent target as the prediction for every source."""
    assert isinstance(examples, TextPairs)
    ((most, _),) = Counter(examples.target_texts).most_common(1)
    return chrf([most] * len(examples), examples.target_texts)
