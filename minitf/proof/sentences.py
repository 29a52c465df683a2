"""The sentences on which minitf and the reference are compared."""

from minitf.errors import InputError
from minitf.text.batches import Batch
from minitf.text.tokenizer import Tokenizer

# Of different lengths, with a negation, an accent, a number, Chinese, and a character outside the vocabulary.
SENTENCES = (
    "No.",
    "Every equation is one short function.",
    "The soup was cold, the café was colder, and I have been back four times since March.",
    "Hardly anyone in this supposed comedy says anything funny, though to be fair they all say it very loudly.",
    "注意力机制 is Chinese for attention mechanism, and ⚗ is not in the vocabulary.",
    "He sat on the bank of the river and counted 1,234,567 ducks; not one of them counted him.",
)
LABELS = (0, 1, 1, 0, 1, 0)
MAX_LENGTH = 64  # longer than each of them


def encode_sentences(tokenizer: Tokenizer, positions: int, max_length: int | None = None) -> Batch:
    """Encode the sentences as one padded batch, for a model with so many `positions`.

    Raises InputError if `max_length` is larger than `positions`.
    """
    if max_length is not None and max_length > positions:
        raise InputError(f"`max_length` {max_length}: the model has only {positions} positions")
    return tokenizer(SENTENCES, max_length=max_length or min(MAX_LENGTH, positions))
