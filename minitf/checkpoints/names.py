"""The rename tables: what the official files call a tensor, and what minitf calls it. Reading one is reading BERT.

`{}` stands for the number of a layer. None marks what is left out on purpose: it is no part of the model asked for.
A name that ends in `*` means every name that begins so.
"""

import re
from collections.abc import Iterable

Table = tuple[tuple[str, str | None], ...]

# What `transformers` writes, without the prefix `bert.`
BERT: Table = (
    ("embeddings.word_embeddings.weight", "embeddings.word.weight"),
    ("embeddings.token_type_embeddings.weight", "embeddings.segment.weight"),
    ("embeddings.position_embeddings.weight", "embeddings.position.weight"),
    ("embeddings.LayerNorm.weight", "embeddings.norm.gamma"),
    ("embeddings.LayerNorm.bias", "embeddings.norm.beta"),
    ("encoder.layer.{}.attention.self.query.weight", "encoder.layers.{}.attention.W_Q.weight"),
    ("encoder.layer.{}.attention.self.query.bias", "encoder.layers.{}.attention.W_Q.bias"),
    ("encoder.layer.{}.attention.self.key.weight", "encoder.layers.{}.attention.W_K.weight"),
    ("encoder.layer.{}.attention.self.key.bias", "encoder.layers.{}.attention.W_K.bias"),
    ("encoder.layer.{}.attention.self.value.weight", "encoder.layers.{}.attention.W_V.weight"),
    ("encoder.layer.{}.attention.self.value.bias", "encoder.layers.{}.attention.W_V.bias"),
    ("encoder.layer.{}.attention.output.dense.weight", "encoder.layers.{}.attention.W_O.weight"),
    ("encoder.layer.{}.attention.output.dense.bias", "encoder.layers.{}.attention.W_O.bias"),
    ("encoder.layer.{}.attention.output.LayerNorm.weight", "encoder.layers.{}.attention_norm.gamma"),
    ("encoder.layer.{}.attention.output.LayerNorm.bias", "encoder.layers.{}.attention_norm.beta"),
    ("encoder.layer.{}.intermediate.dense.weight", "encoder.layers.{}.ffn.W_1.weight"),
    ("encoder.layer.{}.intermediate.dense.bias", "encoder.layers.{}.ffn.W_1.bias"),
    ("encoder.layer.{}.output.dense.weight", "encoder.layers.{}.ffn.W_2.weight"),
    ("encoder.layer.{}.output.dense.bias", "encoder.layers.{}.ffn.W_2.bias"),
    ("encoder.layer.{}.output.LayerNorm.weight", "encoder.layers.{}.ffn_norm.gamma"),
    ("encoder.layer.{}.output.LayerNorm.bias", "encoder.layers.{}.ffn_norm.beta"),
    ("pooler.dense.weight", "pooler.W.weight"),
    ("pooler.dense.bias", "pooler.W.bias"),
    ("classifier.weight", "head.W.weight"),
    ("classifier.bias", "head.W.bias"),
    ("embeddings.position_ids", None),  # 0 … 511, written by old versions of `transformers`
    ("cls.*", None),  # the pre-training heads
)

# Parameters of LayerNorm in the first PyTorch files, converted from TensorFlow.
OLD_NAMES = ((".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias"))

PREFIX = "bert."


def ours(theirs: str, table: Table = BERT) -> tuple[bool, str | None]:
    """`(known, our name)` of an official name, with or without the prefix; `(True, None)` if left out on purpose."""
    name = theirs.removeprefix(PREFIX)
    for old, new in OLD_NAMES:
        name = name.removesuffix(old) + new if name.endswith(old) else name
    plain = re.sub(r"\.(\d+)\.", ".{}.", name, count=1)
    number = re.search(r"\.(\d+)\.", name)
    for row, target in table:
        if row == plain or (row.endswith("*") and name.startswith(row[:-1])):
            return True, target.replace("{}", number[1]) if target and number else target
    return False, None


def theirs(our_name: str, table: Table = BERT) -> str:
    """The official name, without a prefix, of our tensor `our_name`. Raises KeyError for a name not in the table."""
    plain = re.sub(r"\.(\d+)\.", ".{}.", our_name, count=1)
    number = re.search(r"\.(\d+)\.", our_name)
    official = {target: row for row, target in table if target}[plain]
    return official.replace("{}", number[1]) if number else official


def prefixed(official_names: Iterable[str]) -> dict[str, str]:
    """Each official name as a model with a head writes it: the encoder's under `bert.`, the head's bare."""
    return {name: name if name.startswith(("classifier.", "cls.")) else PREFIX + name for name in official_names}
