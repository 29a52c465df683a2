"""Train a small ViT from scratch on scikit-learn's handwritten digits (8 × 8 pixels), without any download.

    python lessons/digits_with_vit.py [--epochs 20]

Needs scikit-learn. Each image becomes 16 patches of 2 × 2 pixels: to the encoder they are tokens, as words are to BERT.
"""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from minitf.equations.loss import cross_entropy
from minitf.mathematics import KERNELS
from minitf.transformer import Vit, VitConfig

CONFIG = VitConfig(
    hidden_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    intermediate_size=96,
    image_size=8,
    patch_size=2,
    num_channels=1,
    initializer_range=0.1,  # the width is small
    labels=tuple("0123456789"),
)
BATCH, RATE, TEST = 64, 2e-3, 360


def read_digits() -> tuple[Tensor, Tensor]:
    """Return 1,797 images `[B, 1, 8, 8]`, from −1 to 1, and their labels `[B]`, in random order."""
    digits = load_digits()
    order = torch.randperm(len(digits.target))
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 8 - 1
    return images[order], torch.tensor(digits.target)[order]


def accuracy(model: Vit, images: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        return float((model(images).logits.argmax(-1) == labels).float().mean())


def train(epochs: int, seed: int = 0) -> float:
    """Train, print the loss and the accuracy of every epoch, and return the last accuracy on the test images."""
    torch.manual_seed(seed)
    images, labels = read_digits()
    model = Vit(CONFIG, "classification", KERNELS)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    updates = epochs * -(-(len(labels) - TEST) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=updates)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(labels) - TEST} images, {TEST} to test")
    for epoch in range(1, epochs + 1):
        losses = []
        for rows in (TEST + torch.randperm(len(labels) - TEST)).split(BATCH):
            loss = cross_entropy(model(images[rows]).logits, labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        score = accuracy(model, images[:TEST], labels[:TEST])
        print(f"epoch {epoch}: loss {sum(losses) / len(losses):.4f}, accuracy {score:.4f}")
    return score


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=20)
    train(parser.parse_args().epochs)
