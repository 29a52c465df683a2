"""Valid tokenizer files of the models that generate text, as they were before tokenizer.json: SentencePiece and BPE."""

import io
import json
from pathlib import Path

import sentencepiece
from tokenizers import ByteLevelBPETokenizer

TEXTS = ["the film was so good", "a bad film, and so long", "was the film good or bad", "so the dog sat on a mat"]


def write_marian(folder: Path, layers: int) -> tuple[int, int, int]:
    """Write source.spm, target.spm and vocab.json; return N and the ids of padding and end."""
    pieces: dict[str, int] = {"</s>": 0, "<unk>": 1}
    for name in ("source.spm", "target.spm"):
        content = _trained(layers)
        (folder / name).write_bytes(content)
        model = sentencepiece.SentencePieceProcessor(model_proto=content)
        for i in range(len(model)):
            pieces.setdefault(model.IdToPiece(i), len(pieces))
    pieces["<pad>"] = len(pieces)
    (folder / "vocab.json").write_text(json.dumps(pieces))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "MarianTokenizer"}))
    return len(pieces), pieces["<pad>"], 0


def write_t5(folder: Path, layers: int) -> tuple[int, int, int]:
    """Write spiece.model; return the same."""
    content = _trained(layers, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    (folder / "spiece.model").write_bytes(content)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "T5Tokenizer", "extra_ids": 3}))
    return len(sentencepiece.SentencePieceProcessor(model_proto=content)) + 3, 0, 1


def write_gpt2(folder: Path, layers: int) -> tuple[int, int, int]:
    """Write vocab.json and merges.txt; return the same."""
    trained = ByteLevelBPETokenizer()
    end = "<|endoftext|>"
    trained.train_from_iterator(TEXTS, vocab_size=270 + layers, special_tokens=[end], show_progress=False)
    trained.save_model(str(folder))
    return trained.get_vocab_size(), trained.token_to_id(end), trained.token_to_id(end)


def _trained(layers: int, **ids: int) -> bytes:
    content = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 3),
        model_writer=content,
        vocab_size=40 + layers,
        hard_vocab_limit=False,
        minloglevel=2,
        **ids,
    )
    return content.getvalue()


OLDER = {"marian": write_marian, "t5": write_t5, "gpt2": write_gpt2}
