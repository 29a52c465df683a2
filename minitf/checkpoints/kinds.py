"""The kinds of models that checkpoints have: for each its config, its model class, its heads and its rename tables."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from minitf.bert import Bert, BertConfig
from minitf.bert.heads import check_head
from minitf.checkpoints.fitting import has_pooler, with_labels
from minitf.checkpoints.renaming import PYTORCH, TRANSFORMER, Table
from minitf.errors import CheckpointError, InputError
from minitf.mathematics import Mathematics
from minitf.transformer import (
    DecoderConfig,
    DecoderModel,
    EncoderDecoder,
    EncoderDecoderConfig,
    Vit,
    VitConfig,
)
from minitf.transformer.encoder_decoder import HEAD
from minitf.transformer.family import FAMILIES
from minitf.transformer.vit import HEADS

Model = Bert | EncoderDecoder | DecoderModel | Vit
Config = BertConfig | EncoderDecoderConfig | DecoderConfig | VitConfig
Labels = tuple[str, ...]

# The name of a head -> the ending of the class of `transformers` that has it.
CLASS_ENDINGS = {
    None: "Model",
    "masked-lm": "ForMaskedLM",
    "next-sentence": "ForNextSentencePrediction",
    "pretraining": "ForPreTraining",
    "classification": "ForSequenceClassification",
    "multiple-choice": "ForMultipleChoice",
    "tagging": "ForTokenClassification",
    "qa": "ForQuestionAnswering",
}


class BertKind:
    """BERT, RoBERTa, XLM-RoBERTa and DistilBERT."""

    name = "an encoder (bert, roberta, xlm-roberta, distilbert)"
    model: type[Any] = Bert
    config: type[Any] = BertConfig
    tables: Mapping[str, Table] = PYTORCH  # by the `model_type` of minitf's config
    model_types: tuple[str, ...] = tuple(PYTORCH)  # in config.json

    def choose_head(self, head: str | None, config: Any) -> str | None:
        """Return the head for the requested one. Raises InputError for a head that the model cannot have."""
        check_head(head, config.model_type)
        return head

    def prepare(
        self, config: Any, state: dict[str, Tensor], head: str | None, num_labels: int | None, labels: Labels | None
    ) -> tuple[Any, Labels]:
        """Return the config that fits the tensors, and the names of the head's tensors that are to be replaced."""
        return with_labels(config, state, head, num_labels, labels)

    def with_generation(self, config: Any, generation: Mapping[str, Any] | None) -> Any:
        """Return the config: an encoder does not generate."""
        return config

    def with_activation(self, config: Any, hidden_act: str) -> Any:
        """Return the config with another activation function."""
        return dataclasses.replace(config, hidden_act=hidden_act)

    def build(self, config: Any, head: str | None, math: Mathematics, state: Mapping[str, Tensor]) -> Any:
        """Build the model for these tensors."""
        return Bert(config, head, math, pooler=has_pooler(state))

    def class_name(self, config: Any, head: str | None) -> str:
        """Return the name of the class of `transformers` that has this head."""
        prefix: str = config.family.class_prefix
        return prefix + CLASS_ENDINGS[head]

    def head_in_config(self, official: Mapping[str, Any], config: Any) -> str | None:
        """Return the head of the class that a config names, None if it names no known class."""
        classes = official.get("architectures")
        name = classes[0] if isinstance(classes, list) and classes else None
        return next((head for head in CLASS_ENDINGS if head and self.class_name(config, head) == name), None)


class VitKind(BertKind):
    """ViT."""

    name = "an encoder of images (vit)"
    model = Vit
    config = VitConfig
    tables = {"vit": TRANSFORMER["vit"]}  # noqa: RUF012
    model_types = ("vit",)

    def choose_head(self, head: str | None, config: Any) -> str | None:
        """Return the requested head. Raises InputError for a head that the model cannot have."""
        if head not in HEADS:
            raise InputError(f"is {config.title}, {self.name}, which has no {head} head; only {BertKind.name} has")
        return head

    def build(self, config: Any, head: str | None, math: Mathematics, state: Mapping[str, Tensor]) -> Any:
        """Build the model for these tensors."""
        return Vit(config, head, math, pooler=has_pooler(state))

    def class_name(self, config: Any, head: str | None) -> str:
        """Return the name of the class of `transformers` that has this head."""
        return "ViTModel" if head is None else "ViTForImageClassification"

    def head_in_config(self, official: Mapping[str, Any], config: Any) -> str | None:
        """Return the head of the class that a config names."""
        return "classification" if official.get("architectures") == ["ViTForImageClassification"] else None


class LanguageModelKind:
    """A model whose only head gives the logits of the next token: an encoder-decoder, or a decoder."""

    def __init__(self, name: str, model: type[Any], config: type[Any]):
        self.name, self.model, self.config = name, model, config
        self.tables: Mapping[str, Table] = {name: TRANSFORMER[name] for name in config.MODELS if name in TRANSFORMER}
        self.model_types = tuple(dict.fromkeys(FAMILIES[name].model_type for name in self.tables))

    def choose_head(self, head: str | None, config: Any) -> str | None:
        """Return the only head. Raises InputError for another one."""
        if head not in (None, HEAD):
            raise InputError(f"is {config.title}, {self.name}, which has no {head} head; only {BertKind.name} has")
        return HEAD

    def prepare(
        self, config: Any, state: dict[str, Tensor], head: str | None, num_labels: int | None, labels: Labels | None
    ) -> tuple[Any, Labels]:
        """Return the config that fits the tensors: T5's matrix of the logits is tied to the word embedding or not."""
        if num_labels is not None or labels is not None:
            raise InputError(f"{self.name} has no labels; leave num_labels and labels out")
        own = state.get("head.W.weight")
        if own is None or "word.weight" not in state:
            return (_tied(config) if state else config), ()
        if torch.equal(own, state["word.weight"]):
            del state["head.W.weight"]
            return _tied(config), ()
        return dataclasses.replace(config, tie_word_embeddings=False), ()

    def with_generation(self, config: Any, generation: Mapping[str, Any] | None) -> Any:
        """Return the config with what `generation_config.json` adds to it; None if there is no such file."""
        if generation is None:
            return config

        def is_same(name: str, value: Any) -> bool:
            own = getattr(config, name, None)
            return type(own) is type(value) and bool(own == value)  # true is not the token 1

        return dataclasses.replace(config, generation={k: v for k, v in generation.items() if not is_same(k, v)})

    def with_activation(self, config: Any, hidden_act: str) -> Any:
        """Refuse: there is one reading of these files."""
        raise InputError(f"`hidden_act` {hidden_act}: is only for {BertKind.name}; leave it out")

    def build(self, config: Any, head: str | None, math: Mathematics, state: Mapping[str, Tensor]) -> Any:
        """Build the model."""
        return self.model(config, math)

    def class_name(self, config: Any, head: str | None) -> str:
        """Return the name of the class of `transformers`."""
        name: str = config.family.class_name
        return name

    def head_in_config(self, official: Mapping[str, Any], config: Any) -> str | None:
        """Return the only head."""
        return HEAD


def _tied(config: Any) -> Any:
    fixed = isinstance(config, DecoderConfig) or config.tie_word_embeddings
    return config if fixed else dataclasses.replace(config, tie_word_embeddings=True)


Kind = BertKind | LanguageModelKind
BERT = BertKind()
KINDS: tuple[Kind, ...] = (
    BERT,
    LanguageModelKind("an encoder-decoder", EncoderDecoder, EncoderDecoderConfig),
    LanguageModelKind("a decoder", DecoderModel, DecoderConfig),
    VitKind(),
)


def kind_of_file(official: Mapping[str, Any]) -> Kind:
    """Return the kind of model that a parsed `config.json` describes. Raises CheckpointError for an unknown one."""
    model_type = official.get("model_type")
    if model_type is None:
        return BERT  # Google's files have no model_type
    known = [name for kind in KINDS for name in kind.model_types]
    for kind in KINDS:
        if model_type in kind.model_types:
            return kind
    raise CheckpointError(f"config: model_type = {model_type!r:.80} is not supported; choose from: {', '.join(known)}")


def kind_of_config(config: Config) -> Kind:
    """Return the kind of model that has this config."""
    return next(kind for kind in KINDS if isinstance(config, kind.config))


def check_model(kind: Kind, config: Config, only: type) -> None:
    """Raise InputError, in one line, unless the model is an `only`: a command or a task may need one kind."""
    if kind.model is not only:
        needed = next(other.name for other in KINDS if other.model is only)
        raise InputError(f"is {config.title}, {kind.name}; this needs {needed}")
