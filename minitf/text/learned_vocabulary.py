"""Learn a vocabulary from texts, for a model that is trained from scratch.

The tokens are single characters and, with a `size`, frequent sequences of them: byte-pair encoding (Sennrich et al.
2016). A character that the texts do not have is encoded as its bytes in UTF-8, so no text has an unknown token, and
every text is decoded to itself. Digits are never joined, and neither are Chinese characters, so a number is read digit
by digit.
"""

import json
from collections.abc import Iterable

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as FastTokenizer

from minitf.datasets.strings import is_unicode
from minitf.errors import InputError
from minitf.text.library_codec import LibraryCodec
from minitf.text.sequence_tokenizer import SequenceTokenizer

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"  # with the ids 0, 1 and 2
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]  # the names of the library for single bytes
SMALLEST = len((PAD, END, UNKNOWN)) + len(BYTES)
LARGEST = 100_000
# Digits, Chinese characters, words with the space before them, punctuation, and white space: no token has characters of
# two of them, and a digit or a Chinese character is a token of its own. So no learned token has the name of a byte.
WORDS = r"\p{N}|\p{Han}| ?[\p{L}&&[^\p{Han}]]+| ?[^\s\p{L}\p{N}]+|\s"


def learn_vocabulary(texts: Iterable[str], size: int | None = None, ends: bool = True) -> SequenceTokenizer:
    """Return a tokenizer whose vocabulary is learned from `texts`, of at most `size` tokens.

    Without a size the tokens are the characters of the texts. `ends`: each source ends with the end token, as in
    Marian; else only targets do, as a language model needs it. Raises InputError without texts, or for a wrong size.
    """
    if size is not None and (type(size) is not int or not SMALLEST < size <= LARGEST):
        raise InputError(f"the size of a vocabulary must be from {SMALLEST + 1} to {LARGEST:,}, not {size!r}")
    trained = FastTokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Split(Regex(WORDS), "isolated")
    available = LARGEST if size is None else size - SMALLEST
    trainer = trainers.BpeTrainer(
        vocab_size=0 if size is None else available, limit_alphabet=available, show_progress=False
    )
    trained.train_from_iterator((text for text in texts if is_unicode(text)), trainer)
    model = json.loads(trained.to_str())["model"]
    merges = [(left, right) for left, right in model["merges"]]
    learned = [token for token, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    if not learned:
        raise InputError("there are no texts from which a vocabulary can be learned")
    tokens = [PAD, END, UNKNOWN, *BYTES, *learned]
    fast = FastTokenizer(
        models.BPE({token: i for i, token in enumerate(tokens)}, merges, unk_token=UNKNOWN, byte_fallback=True)
    )
    fast.pre_tokenizer = trained.pre_tokenizer
    fast.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    fast.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in (PAD, END, UNKNOWN)])
    if ends:
        fast.post_processor = processors.TemplateProcessing(
            single=f"$A {END}", pair=f"$A {END} $B {END}", special_tokens=[(END, tokens.index(END))]
        )
    special = {"pad_token": PAD, "eos_token": END, "unk_token": UNKNOWN}
    return SequenceTokenizer(LibraryCodec(fast, {"tokenizer_class": "PreTrainedTokenizerFast"}, special), start_id=0)
