"""Lines for the terminal while a run trains."""

from minitf.training.loop import Epoch


def epoch_line(epoch: Epoch, of: int) -> str:
    """The result of an epoch of `of`."""
    scores = "  ".join(f"{name} {value:.4f}" for name, value in epoch.scores.items())
    return (
        f"epoch {epoch.number}/{of}  train loss {epoch.train_loss:.4f}  valid loss {epoch.valid['loss']:.4f}"
        f"  {scores}  {epoch.seconds:.0f} s{'  best so far' if epoch.best else ''}"
    )


def duration(seconds: float) -> str:
    """`58 s`, `2 min 38 s`."""
    return f"{seconds:.0f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60} s"
