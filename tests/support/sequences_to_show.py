"""Tiny models that generate text, as `transformers` writes them, with a learned vocabulary."""

from pathlib import Path
from typing import Any

from minitf.text.learned_vocabulary import learn_vocabulary
from tests.support.transformer_models import write_reference

SOURCE, TARGET = "the 3 films, 今天", "les 3 films"
TEXTS = ["the film was great", "le film est grand", SOURCE, TARGET] * 3
IDS = {"pad_token_id": 0, "eos_token_id": 1}


def write_generator(folder: Path, name: str, seed: int = 0, **changes: Any) -> Any:
    """Write the model and its tokenizer; return the reference model, in float64."""
    tokenizer = learn_vocabulary(TEXTS, 300, ends=name != "gpt2")
    ids = IDS | {"bos_token_id": 1} if name == "gpt2" else IDS | {"decoder_start_token_id": 0}
    theirs = write_reference(folder, name, seed=seed, vocab_size=tokenizer.vocab_size, **(ids | changes))
    tokenizer.save(folder, max_length=20)
    return theirs
