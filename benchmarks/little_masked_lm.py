"""Train a small masked language model in minutes, for machines without an official one.

    python -m benchmarks.little_masked_lm FOLDER

The encoder is the default model's; its head is new. One word in three of the built-in corpus is predicted; half of
these are masked, half left as they are (Devlin et al. 2019, §3.1, with larger shares, because the corpus is small). The
model is for demonstrations only: its head is trained on only 800 short reviews.
"""

import argparse
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m benchmarks.little_masked_lm", description=__doc__)
    p.add_argument("folder", type=Path)
    p.add_argument("--steps", type=int, default=400)
    return p


def main() -> None:
    arguments = parser().parse_args()
    make(arguments.folder, arguments.steps)


def make(folder: Path, steps: int) -> None:
    """Train the model and save it."""
    import torch

    import minitf
    from minitf.checkpoints.save import save
    from minitf.datasets.dataset import built_in_corpus
    from minitf.layers import padding_mask

    torch.manual_seed(0)
    name = "all-MiniLM-L6-v2"
    model, tokenizer = minitf.load(name, head="masked-lm").train(), minitf.load_tokenizer(name)
    model.embeddings.requires_grad_(False)  # half of the weights; the head multiplies by them
    texts = built_in_corpus("hard-reviews")[0].texts
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-4, total_steps=steps, pct_start=0.1)
    generator = torch.Generator().manual_seed(0)
    special = torch.tensor(sorted(tokenizer.special_ids))
    for step in range(steps):
        rows = torch.randint(len(texts), (16,), generator=generator)
        batch = tokenizer([texts[i] for i in rows])
        word = (batch.mask == 1) & ~torch.isin(batch.token_ids, special)
        draw = torch.rand(word.shape, generator=generator)
        predicted, masked = word & (draw < 1 / 3), word & (draw < 1 / 6)
        E = model.embeddings(batch.token_ids.masked_fill(masked, tokenizer.mask_id), batch.segment_ids)
        states, _ = model.encoder(E, padding_mask(batch.mask))
        _, logits = model.read_out(states[-1][predicted][None])  # at these positions only: the vocabulary is large
        loss = torch.nn.functional.cross_entropy(logits[0], batch.token_ids[predicted])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 20 == 19:
            print(f"step {step + 1}/{steps}  loss {loss.item():.3f}", flush=True)
    save(model.eval(), tokenizer, folder)


if __name__ == "__main__":
    main()
