"""A Marian trains to the same weights as in `transformers`: the same batches, AdamW, float64, no dropout."""

from pathlib import Path

import torch

from minitf.checkpoints.kinds import TRANSFORMER
from minitf.checkpoints.load import load
from minitf.checkpoints.tensors import divide
from minitf.tasks.seq2seq.encoding import TextPairs
from minitf.tasks.seq2seq.task import Seq2Seq
from minitf.text.batches import Tokens
from minitf.training import loop
from minitf.training.optimizer import Optimizer, Recipe, is_decayed
from tests.support.transformer_models import END, PAD, N, write_reference

STEPS, BATCH = 50, 4
NO_DROPOUT = {"dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}


def random_pairs(n: int) -> TextPairs:
    """Pairs of 2 to 12 tokens, each with the end token."""
    generator = torch.Generator().manual_seed(0)

    def ids() -> list[int]:
        length = int(torch.randint(1, 12, (), generator=generator))
        return [*torch.randint(END + 1, N, (length,), generator=generator).tolist(), END]

    sources, targets = [ids() for _ in range(n)], [torch.tensor(ids()) for _ in range(n)]
    return TextPairs([Tokens(source, [0] * len(source)) for source in sources], targets, PAD)


def test_fifty_steps_as_in_the_reference(tmp_path: Path) -> None:
    """Learning rate with warm-up and linear decay, weight decay on matrices only, clipped gradients."""
    theirs = write_reference(tmp_path, "marian", shrink=0.3, **NO_DROPOUT).train()
    ours = load(tmp_path, dtype=torch.float64)
    before = {name: p.detach().clone() for name, p in ours.named_parameters()}
    task, examples = Seq2Seq(), random_pairs(STEPS * BATCH)
    optimizer = Optimizer(ours, Recipe(lr=1e-3, warmup=0.1, weight_decay=0.01, clip=1.0), STEPS)
    decays = {True: 0.01, False: 0.0}
    rename = TRANSFORMER["marian"].renamer(ours.head_name)
    groups: dict[bool, list] = {True: [], False: []}
    for name, p in theirs.named_parameters():
        if p.requires_grad:
            groups[is_decayed(rename(name)[1].removesuffix("ᵀ"))].append(p)
    reference = torch.optim.AdamW([{"params": p, "weight_decay": decays[d]} for d, p in groups.items()])
    ours.train()
    for step in range(STEPS):
        indices = range(step * BATCH, (step + 1) * BATCH)
        for group in reference.param_groups:
            group["lr"] = optimizer.rate()
        loss, _ = loop.update(ours, task, examples, indices, optimizer, BATCH)
        batch, labels = examples.batch(indices)
        out = theirs(input_ids=batch.token_ids, attention_mask=batch.mask, labels=labels)
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        reference.step()
        reference.zero_grad()
        assert abs(loss - float(out.loss.detach())) < 1e-9, step
    table = TRANSFORMER["marian"]
    official = {name: p.detach() for name, p in theirs.named_parameters() if p.requires_grad}
    after = {rename(name)[1]: p for name, p in divide(table, official)}
    for name, p in ours.named_parameters():
        torch.testing.assert_close(p.detach(), after[name], rtol=0, atol=1e-9)
    moved = {name: float((p.detach() - before[name]).abs().max()) for name, p in ours.named_parameters()}
    # The same number in all keys changes no attention weight, so the bias of K has no gradient.
    assert min(change for name, change in moved.items() if not name.endswith("W_K.bias")) > 1e-4
