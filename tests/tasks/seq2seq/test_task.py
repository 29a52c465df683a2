"""The task: teacher forcing and its loss, what the metrics need of a pair, generated texts."""

import pytest
import torch
from torch.nn import functional

from minitf.fine_tuning.config import FineTuneConfig
from minitf.fine_tuning.new_model import create
from minitf.mathematics import EQUATIONS
from minitf.tasks.inference import predict_logits
from minitf.tasks.seq2seq.data import read_pairs
from minitf.tasks.seq2seq.encoding import Output, TextPairs
from minitf.tasks.seq2seq.metrics import chrf
from minitf.tasks.seq2seq.spec import SEQ2SEQ
from minitf.tasks.seq2seq.task import Seq2Seq
from minitf.text.batches import IGNORED
from minitf.transformer import EncoderDecoder, shift_right
from tests.support.tiny import redraw

ROWS = [{"source": f"say {i}", "target": f"{i} said" + " twice" * (i % 3)} for i in range(9)]
TABLE = read_pairs(ROWS)


@pytest.fixture(scope="module")
def model() -> tuple[EncoderDecoder, TextPairs, object]:
    config = FineTuneConfig.of(from_scratch=True, layers=1, width=16, heads=2, vocabulary=300)
    torch.manual_seed(0)
    made, report = create(SEQ2SEQ, {"train": TABLE}, config, EQUATIONS, torch.device("cpu"))
    redraw(made)
    return made.double(), Seq2Seq().encode(TABLE, report.tokenizer, 30), report.tokenizer


def test_encoded(model) -> None:
    _, examples, tokenizer = model
    batch, targets = examples.batch([2, 0])
    assert batch.target_ids is targets
    assert targets.shape == (2, len(tokenizer.encode_targets([ROWS[2]["target"]])[0]))
    assert targets[1].tolist() == [*tokenizer.encode_targets(["0 said"])[0], IGNORED, IGNORED]
    assert tokenizer.decode(t for t in targets[1].tolist() if t != IGNORED) == "0 said"
    assert batch.to("cpu").target_ids is not None
    cut = Seq2Seq().encode(TABLE, tokenizer, 4)
    assert [len(t) for t in cut.tokens] == [min(4, len(t)) for t in examples.tokens]
    assert cut.notes() == ["3 targets are longer than `max_length` tokens and are cut"]
    assert examples.notes() == []


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss(model, smoothing: float) -> None:
    """PyTorch's cross-entropy of the tokens of all pairs; padding and the other pairs do not matter."""
    made, examples, _ = model
    task = Seq2Seq(label_smoothing=smoothing)
    batch, targets = examples.batch(range(9))
    logits = task.logits(made, batch)
    start, pad = made.config.start_id, made.config.pad_token_id
    assert shift_right(targets, start, pad)[0].tolist() == [start, *targets[0, :-1].clamp(min=pad).tolist()]
    expected = functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, label_smoothing=smoothing
    )
    torch.testing.assert_close(task.loss(logits, targets), expected, rtol=0, atol=1e-12)
    alone = [examples.batch([i]) for i in range(9)]
    weights = [task.weight(own) for _, own in alone]
    losses = [task.loss(task.logits(made, one), own) * w for (one, own), w in zip(alone, weights, strict=True)]
    assert sum(weights) == task.weight(targets)
    torch.testing.assert_close(sum(losses) / sum(weights), expected, rtol=0, atol=1e-12)
    shapes = [tuple(row.shape) for row in task.unpad(logits, batch)]
    assert shapes == [(int(w), made.config.vocab_size) for w in weights]


def test_outputs_and_metrics(model) -> None:
    """The teacher-forced losses are those of training; the generated text is the greedy one, token by token."""
    made, examples, tokenizer = model
    task = Seq2Seq()
    packed = predict_logits(made, task, examples, 4)
    outputs = [Output.unpack(one) for one in packed]
    metrics = task.measure(packed, examples)
    batch, targets = examples.batch(range(9))
    loss = float(task.loss(task.logits(made, batch), targets).detach())
    assert abs(metrics.loss - loss) < 1e-12
    hits = [
        task.unpad(task.logits(made, one), one)[0].argmax(-1) == own[0]
        for one, own in map(examples.batch, [[i] for i in range(9)])
    ]
    assert metrics.token_accuracy == float(torch.cat(hits).double().mean())
    assert metrics.sequence_accuracy == sum(bool(h.all()) for h in hits) / 9
    texts = [tokenizer.decode(output.generated) for output in outputs]
    assert metrics.chrf == chrf(texts, [row["target"] for row in ROWS])
    assert metrics.unfinished == sum(not output.ended for output in outputs)
    for i, output in enumerate(outputs):
        one, _ = examples.batch([i])
        ids = [made.config.start_id]
        for _ in output.generated:
            with torch.no_grad():
                logits = made(one.token_ids, torch.tensor([ids]), one.mask).logits[0, -1]
            ids.append(int(logits.argmax()))
        assert ids[1:] == output.generated
        assert output.ended == (ids[-1] == made.config.end_id)


def test_right_and_wrong(model) -> None:
    """Outputs that are made up: which texts are mistakes, and the share of right ones."""
    _, examples, tokenizer = model
    task = Seq2Seq()
    packed = []
    for i, target in enumerate(examples.targets):
        ids = target.tolist() if i else tokenizer.encode_targets(["1 said"])[0]
        packed.append(Output(torch.full((len(target),), 0.5), torch.ones(len(target)), ids, i != 3).pack())
    metrics = task.measure(packed, examples)
    assert (metrics.exact_match, metrics.unfinished, metrics.loss) == (8 / 9, 1, 0.5)
    assert metrics.token_accuracy == metrics.sequence_accuracy == 1.0
    (mistake,) = task.mistakes(packed, examples, TABLE)
    assert (mistake.row, mistake.text, mistake.true, mistake.said, mistake.loss) == (
        1,
        "say 0",
        "0 said",
        "1 said",
        0.5,
    )
    scores = task.example_scores(packed, examples)
    assert scores.is_share
    assert float(scores.score(scores.values)) == 8 / 9
    assert task.learned(metrics, examples)
    assert task.baseline(examples).startswith("always the most frequent target: chrF 0.")


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("generated", [[], [5], [5, 0, 7, 1]])
def test_packed(generated: list[int], ended: bool) -> None:
    """Through one tensor and back, whichever part is longer."""
    output = Output(torch.tensor([0.25, 0.0]), torch.tensor([True, False]), generated, ended)
    again = Output.unpack(output.pack())
    assert again.losses.tolist() == [0.25, 0.0]
    assert again.right.tolist() == [1.0, 0.0]
    assert (again.generated, again.ended) == (generated, ended)
