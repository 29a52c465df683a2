"""Write docs/family.md: for every model BERT ± which equations, the function of each difference, and the test.

    python lessons/family.py

The table is observed: each model is built small, with a Mathematics that records every call, and run once.
"""

import dataclasses
import functools
import inspect
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from minitf import equations
from minitf.bert import Bert, BertConfig
from minitf.mathematics import EQUATIONS, NAMES, Mathematics
from minitf.transformer import (
    DecoderConfig,
    DecoderModel,
    EncoderDecoder,
    EncoderDecoderConfig,
    Vit,
    VitConfig,
)
from minitf.transformer.family import FAMILIES

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "family.md"
N, D, H, F, PAD = 11, 8, 2, 12, 1
IDS = torch.tensor([[5, 6, 7, PAD]])
MASK = (IDS != PAD).long()

REFERENCE = "tests/transformer/test_reference.py"
ACTIVATION, POSITION = "tests/equations/test_activation.py", "tests/equations/test_position.py"
# The test of one equation; a difference without its own is proven by the comparison of the whole model.
TESTS = {
    "normalization.rms_norm": "tests/layers/test_normalization.py::test_rms_norm_is_t5s",
    "residual.pre_norm": "tests/layers/test_encoder.py::test_the_pre_norm_encoder_is_pytorchs",
    "mask.causal_mask": "tests/transformer/test_cache.py::test_a_later_target_moves_no_earlier_logit",
    "position.sinusoidal_positions": "tests/transformer/test_paper.py::test_against_torchs_transformer",
    "position.half_sinusoidal_positions": (
        f"{POSITION}::test_half_sinusoidal_positions_are_those_of_transformers_to_the_bit"
    ),
    "position.relative_position_bias": f"{POSITION}::test_relative_position_buckets_are_those_of_transformers",
    "activation.gated_gelu": f"{ACTIVATION}::test_the_gated_gelu_is_the_formula",
}


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of a function of the mathematics."""

    name: str
    arguments: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Example:
    """A small model, how to run it, and the test that compares the whole model with the reference."""

    title: str
    build: Callable[[Mathematics], nn.Module]
    run: Callable[[nn.Module], Any]
    test: str


def _bert(model_type: str) -> Example:
    settings: dict[str, Any] = {"pad_token_id": PAD if model_type == "roberta" else 0}
    settings |= {"type_vocab_size": {"distilbert": 0, "roberta": 1}.get(model_type, 2)}
    config = BertConfig(N, D, 2, H, F, max_position_embeddings=10, model_type=model_type, **settings)
    title = {"bert": "BERT", "roberta": "RoBERTa", "distilbert": "DistilBERT"}[model_type]
    return Example(
        title,
        lambda math: Bert(config, "masked-lm", math),
        lambda model: model(IDS, mask=MASK),
        "tests/bert/test_family.py::test_outputs_and_gradients",
    )


def _encoder_decoder(
    name: str, activation: str, test: str = f"{REFERENCE}::test_encoder_decoders", **own: Any
) -> Example:
    t5 = name.startswith("t5")
    own |= {"d_kv": 3, "relative_attention_num_buckets": 8, "relative_attention_max_distance": 9} if t5 else {}
    own |= {"max_position_embeddings": None, "attention_dropout": 0.1, "activation_dropout": 0.1} if t5 else {}
    config = EncoderDecoderConfig(
        N, D, 2, 2, H, H, F, F, activation_function=activation, model_type=name, pad_token_id=PAD, **own
    )
    return Example(
        FAMILIES[name].title,
        lambda math: EncoderDecoder(config, math),
        lambda model: model(IDS, IDS, MASK),
        test,
    )


def examples() -> list[Example]:
    """Every model of the family, BERT first. The numbers that files choose (√D, activation) are those of the papers."""
    gpt2, vit = DecoderConfig(N, 10, D, 2, H, F), VitConfig(D, 2, H, F, image_size=4, patch_size=2)
    plain = {"scale_embedding": False}
    return [
        _bert("bert"),
        _bert("roberta"),
        _bert("distilbert"),
        _encoder_decoder("vaswani", "relu", "tests/transformer/test_paper.py::test_against_torchs_transformer"),
        _encoder_decoder("marian", "swish"),
        _encoder_decoder("bart", "gelu", **plain),
        _encoder_decoder("t5", "relu", **plain, scale_decoder_outputs=True),
        _encoder_decoder("t5-v1.1", "gated-gelu", **plain, tie_word_embeddings=False),
        Example(
            "GPT-2", lambda math: DecoderModel(gpt2, math), lambda model: model(IDS, MASK), f"{REFERENCE}::test_gpt2"
        ),
        Example(
            "ViT",
            lambda math: Vit(vit, None, math),
            lambda model: model(torch.ones(1, 3, 4, 4)),
            "tests/transformer/test_vit.py::test_outputs_attention_and_gradients",
        ),
    ]


def record(example: Example) -> tuple[nn.Module, list[Call], Any]:
    """Build and run the model once; return it, all calls of the mathematics in order, and the output."""
    calls: list[Call] = []

    def recorded(name: str) -> Callable[..., Any]:
        function = getattr(EQUATIONS, name)
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            calls.append(Call(name, signature.bind(*arguments, **options).arguments))
            return function(*arguments, **options)

        return call

    torch.manual_seed(0)
    model = example.build(EQUATIONS.overlay(**{name: recorded(name) for name in NAMES})).eval()
    with torch.no_grad():
        return model, calls, example.run(model)


def observe(example: Example) -> dict[str, str]:
    """What the model does: aspect -> value. A function of `equations` is in backticks, `module.function`."""
    model, calls, output = record(example)
    called = {call.name for call in calls}
    attentions = [call for call in calls if call.name == "scaled_dot_product_attention"]
    blocks = called & {"post_norm", "pre_norm"}
    return {
        "input": "patches" if isinstance(model, Vit) else "words",
        "attention": _attention(model, attentions),
        "mask": "padding" * (not isinstance(model, Vit)) + " and `mask.causal_mask`" * ("causal_mask" in called)
        or "none",
        "norm": _functions(called & {"layer_norm", "rms_norm"}, "normalization"),
        "place of the norm": _functions(blocks, "residual"),
        "other norms": _other_norms(model, calls),
        "positions": _positions(model, calls),
        "segments": str(_rows(model, "segment")) if _rows(model, "segment") else "none",
        "activation": _functions(called & {"relu", "gelu", "gelu_tanh", "swish", "gated_gelu"}, "activation"),
        "biases": _biases(model),
        "scores": _scores(attentions),
        "word embedding": _word_scale(model),
        "padding's embedding": "not trained by look-ups" if _padded(model) else "trained",
        "logits": _logits(model, calls, output),
    }


def _functions(names: set[str], module: str) -> str:
    return " and ".join(f"`{module}.{name}`" for name in sorted(names))


def _padded(model: nn.Module) -> bool:
    """Whether a look-up of the padding token gives its embedding no gradient."""
    if not hasattr(model, "word"):
        return False
    row = model.word(torch.tensor([PAD]))
    return not bool(torch.autograd.grad(row.sum(), model.word.weight)[0].any())


def _rows(model: nn.Module, part: str) -> int:
    """The number of rows of an embedding table, 0 if there is none."""
    return sum(p.shape[0] for name, p in model.named_parameters() if f"{part}." in name and name.endswith("weight"))


def _attention(model: nn.Module, attentions: list[Call]) -> str:
    stacks = [name for name in ("encoder", "decoder") if isinstance(getattr(model, name, None), nn.Module)]
    cross = any("cross_attention" in name for name, _ in model.named_modules())
    return f"{' and '.join(stacks)}{', with cross-attention' if cross else ''}"


def _other_norms(model: nn.Module, calls: list[Call]) -> str:
    final = sum(
        not isinstance(part, nn.Identity) for name, part in model.named_modules() if name.endswith("final_norm")
    )
    norms = sum(call.name in ("layer_norm", "rms_norm") for call in calls)
    in_head = any(name == "head.norm" for name, _ in model.named_modules())
    sublayers = sum(call.name in ("post_norm", "pre_norm") for call in calls)
    parts = ["after the embeddings"] * (norms - final - sublayers - in_head > 0) + ["after the last layer"] * (
        final > 0
    )
    return " and ".join(parts) or "none"


def _positions(model: nn.Module, calls: list[Call]) -> str:
    names = {call.name for call in calls}
    for name in ("sinusoidal_positions", "half_sinusoidal_positions", "relative_position_bias"):
        if name in names:
            return f"`position.{name}`"
    tables = [p for name, p in model.named_parameters() if "position" in name]
    rows = [
        call.arguments["ids"]
        for call in calls
        if call.name == "look_up" and any(call.arguments["E"] is p for p in tables)
    ]
    first = min((int(ids.reshape(-1)[0]) for ids in rows), default=0)
    return "learned" + (f", from row {first}" if first else "")


def _biases(model: nn.Module) -> str:
    names = [name for name, _ in model.named_parameters() if name.endswith(".bias")]
    where = {
        "attention": any(".W_Q." in name for name in names),
        "feed-forward": any(".ffn." in name for name in names),
    }
    return "all" if all(where.values()) else " and ".join(part for part, found in where.items() if found) or "none"


def _scores(attentions: list[Call]) -> str:
    scales = {call.arguments.get("scale") for call in attentions}
    biased = any(call.arguments.get("bias") is not None for call in attentions)
    factor = {frozenset({None}): "QKᵀ / √d_k", frozenset({1.0}): "QKᵀ"}[frozenset(scales)]
    return factor + " + `position.relative_position_bias`" * biased


def _word_scale(model: nn.Module) -> str:
    if isinstance(model, Vit):
        return "none"
    scale = getattr(getattr(model, "source_embeddings", None), "scale", 1.0)
    return {1.0: "E[token]", math.sqrt(D): "√D · E[token]"}[scale]


def _logits(model: nn.Module, calls: list[Call], output: Any) -> str:
    if isinstance(model, Vit):
        return "none"
    last = next(call for call in reversed(calls) if call.name == "linear")
    X, W = last.arguments["X"], last.arguments["W"]
    word = dict(model.named_parameters()).get("word.weight", getattr(getattr(model, "embeddings", None), "word", None))
    word = word.weight if isinstance(word, nn.Module) else word
    states = getattr(output, "decoder_states", None) or output.hidden_states
    scaled = X.shape == states[-1].shape and torch.allclose(X, states[-1] / math.sqrt(D))
    trained = any(name == "head.bias" for name, _ in model.named_parameters())
    bias = " + b" if trained else " + b, not trained" if "head.bias" in model.state_dict() else ""
    dense = "act(X W + b), norm, " if isinstance(model, Bert) else ""
    return f"{dense}{'X / √D · ' if scaled else 'X '}{'Eᵀ' if W is word else 'Wᵀ'}{bias}"


def _linked(value: str) -> str:
    """The value with a link to each function."""
    return re.sub(r"`(\w+)\.(\w+)`", r"[`\1.\2`](../minitf/equations/\1.py)", value)


def _test_of(value: str, example: Example) -> str:
    name = next((name for name in re.findall(r"`([\w.]+)`", value) if name in TESTS), None)
    path, _, test = (TESTS[name] if name else example.test).partition("::")
    return f"[{test}](../{path})"


def page() -> str:
    """The whole page."""
    family = [(example, observe(example)) for example in examples()]
    _, bert = family[0]
    lines = [
        "# The family: one set of equations with a handful of differences",
        "",
        "For every model what it does otherwise than BERT, the function of each difference, and the test that",
        "proves it. Written by `python lessons/family.py`, which builds each model small, runs it with a Mathematics",
        "that records every call, and writes down what was called; a test checks that this page is up to date. Numbers",
        "that a file chooses (the activation function, √D) are those of the published models. No `forward` asks which",
        "model it is in: the differences are data in [`bert/family.py`](../minitf/bert/family.py) and",
        "[`transformer/family.py`](../minitf/transformer/family.py). Not listed: the rates of dropout, and the names",
        "in the files ([`names.py`](../minitf/checkpoints/names.py),",
        "[`transformer_names.py`](../minitf/checkpoints/transformer_names.py)).",
        "",
        "| | " + " | ".join(example.title for example, _ in family) + " |",
        "|---|" + "---|" * len(family),
    ]
    for aspect in bert:
        cells = [bert[aspect], *("·" if seen[aspect] == bert[aspect] else seen[aspect] for _, seen in family[1:])]
        lines.append(f"| {aspect} | " + " | ".join(re.sub(r"`\w+\.(\w+)`", r"`\1`", cell) for cell in cells) + " |")
    lines += ["", "A dot means: as in BERT.", ""]
    for example, seen in family[1:]:
        lines += [f"## {example.title}", "", "| | BERT | here | proven by |", "|---|---|---|---|"]
        for aspect in bert:
            if seen[aspect] != bert[aspect]:
                test = _test_of(seen[aspect], example)
                lines.append(f"| {aspect} | {_linked(bert[aspect])} | {_linked(seen[aspect])} | {test} |")
        path, _, test = example.test.partition("::")
        lines += [f"| the whole model | | | [{test}](../{path}) |", ""]
    return "\n".join(lines).rstrip() + "\n"


def every_function() -> set[str]:
    """All functions that the page names, `module.function`."""
    return set(re.findall(r"\[`([\w.]+)`\]\(\.\./minitf/equations", page()))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written to {PAGE.relative_to(ROOT)}, with {len(every_function())} functions of {equations.__name__}")
