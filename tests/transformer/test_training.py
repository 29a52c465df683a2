"""Training continues to the same weights as that of the reference: 50 updates of AdamW, float64, dropout 0."""

import torch

from minitf.checkpoints.kinds import TRANSFORMER
from minitf.checkpoints.load import load
from minitf.equations.loss import cross_entropy
from tests.support.transformer_models import pairs, write_reference

RATE, DECAY = 1e-3, 0.01


def test_fifty_updates_of_marian(tmp_path):
    theirs = write_reference(tmp_path, "marian", dropout=0.0, encoder_layers=1, decoder_layers=2)
    ours = load(tmp_path, dtype=torch.float64).train()
    theirs.train()
    trained = [p for p in theirs.parameters() if p.requires_grad]  # not the sinusoids
    optimizers = [torch.optim.AdamW(ps, lr=RATE, weight_decay=DECAY) for ps in (list(ours.parameters()), trained)]
    for step in range(50):
        p = pairs(ours.config.start_id, seed=2 * step)
        out = ours(p.source, p.inputs, p.mask)
        losses = [
            cross_entropy(out.logits.flatten(0, 1), p.labels.flatten(), ignore_index=-100),
            theirs(input_ids=p.source, attention_mask=p.mask, labels=p.labels).loss,
        ]
        for loss, optimizer in zip(losses, optimizers, strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    rename, state = TRANSFORMER["marian"].renamer(ours.head_name), ours.state_dict()
    for official, tensor in theirs.state_dict().items():
        if (name := rename(official)[1]) is not None:
            torch.testing.assert_close(
                state[name], tensor, rtol=0, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}"
            )
