"""The mathematics as a plug-in: the functions of both records, and that a replaced function is used everywhere."""

import dataclasses
import functools
import importlib
import inspect
import pkgutil

import pytest
import torch

from minitf import equations, kernels, layers
from minitf.bert import Bert, BertConfig
from minitf.equations import attention, normalization
from minitf.errors import InputError
from minitf.mathematics import EQUATIONS, KERNELS, NAMES, Mathematics, mathematics

BOTH = pytest.mark.parametrize("math", [EQUATIONS, KERNELS], ids=["equations", "kernels"])

FUSED = {
    "softmax",
    "dropout",
    "scaled_dot_product_attention",
    "linear",
    "look_up",
    "relu",
    "gelu",
    "gelu_tanh",
    "gated_gelu",
    "swish",
    "layer_norm",
    "rms_norm",
    "cross_entropy",
    "binary_cross_entropy",
    "mean_squared_error",
    "adam",
    "adamw",
}

# Functions of a model that a BERT does not use.
NOT_IN_BERT = {
    "causal_mask",
    "sinusoidal_positions",
    "half_sinusoidal_positions",
    "relative_position_buckets",
    "relative_position_bias",
    "relu",
    "gelu_tanh",
    "gated_gelu",
    "swish",
    "rms_norm",
    "pre_norm",
}

# Functions that are called directly, not through a Mathematics.
ELSEWHERE = {"log_softmax", "clip_by_norm"}


def public_functions(module):
    return {
        name: f
        for name, f in vars(module).items()
        if inspect.isfunction(f) and f.__module__ == module.__name__ and not name.startswith("_")
    }


def test_equations_has_every_equation():
    rooms = [f"{equations.__name__}.{room.name}" for room in pkgutil.iter_modules(equations.__path__)]
    rooms.remove("minitf.equations.schedule")  # on numbers, chosen by name where it is used
    rooms.remove("minitf.equations.domain")  # checks, not equations
    rooms.remove("minitf.equations.gradient")  # by hand, on NumPy arrays, for reading only
    functions = {}
    for room in rooms:
        functions |= public_functions(importlib.import_module(room))
    assert set(NAMES) == set(functions) - ELSEWHERE
    assert all(getattr(EQUATIONS, name) is functions[name] for name in NAMES)


def test_kernels_has_the_kernels_and_the_equations_for_the_rest():
    assert set(public_functions(kernels)) == FUSED
    for name in NAMES:
        expected = getattr(kernels, name) if name in FUSED else getattr(EQUATIONS, name)
        assert getattr(KERNELS, name) is expected
    assert all(getattr(KERNELS, name) is not getattr(EQUATIONS, name) for name in FUSED)


@BOTH
def test_a_mathematics_is_frozen(math):
    with pytest.raises(dataclasses.FrozenInstanceError):
        math.softmax = torch.softmax
    before = dataclasses.asdict(math)
    math.overlay(softmax=torch.sigmoid, gelu=torch.tanh)
    assert dataclasses.asdict(math) == before


# --- overlays


def uniform(x):
    """A softmax with equal weights for all keys, masked or not."""
    return torch.full_like(x, 1.0 / x.shape[-1])


@BOTH
def test_overlay_replaces_what_it_names_and_nothing_else(math):
    ours = math.overlay(gelu=torch.tanh, momentum=torch.sub)
    assert isinstance(ours, Mathematics)
    changed = {name for name in NAMES if getattr(ours, name) is not getattr(math, name)}
    assert changed == {"gelu", "momentum"}
    assert ours.gelu is torch.tanh and ours.momentum is torch.sub
    assert math.overlay() == math


@BOTH
def test_overlay_of_an_unknown_name_lists_the_names(math):
    with pytest.raises(InputError) as error:
        math.overlay(softmax=uniform, sofmax=uniform, gelu_erf=torch.tanh)
    message = str(error.value)
    assert message.startswith("no equation is called gelu_erf, sofmax; choose from: ")
    assert all(name in message for name in NAMES)
    assert "\n" not in message


def attention_inputs():
    random = torch.Generator().manual_seed(0)
    return [torch.randn(2, 2, 4, 3, dtype=torch.float64, generator=random) for _ in range(3)]


@BOTH
@pytest.mark.parametrize("need_attention", [False, True])
def test_attend_uses_the_softmax_and_dropout_of_the_record(math, need_attention):
    Q, K, V = attention_inputs()
    mask = torch.tensor([True, True, True, False])[None, None, None]
    context, A = math.attend(Q, K, V, mask, 0.0, need_attention)
    expected, expected_A = attention.scaled_dot_product_attention(Q, K, V, mask, 0.0, True)
    assert (context - expected).abs().max() < 1e-15
    assert (A is not None) == need_attention
    if need_attention:
        assert (A - expected_A).abs().max() < 1e-15


@BOTH
@pytest.mark.parametrize("need_attention", [False, True])
def test_an_overlaid_softmax_reaches_the_attention(math, need_attention):
    Q, K, V = attention_inputs()
    context, A = math.overlay(softmax=uniform).attend(Q, K, V, None, 0.0, need_attention)
    assert (context - V.mean(dim=2, keepdim=True)).abs().max() < 1e-15
    if need_attention:
        assert torch.equal(A, torch.full((2, 2, 4, 4), 0.25, dtype=torch.float64))


@BOTH
@pytest.mark.parametrize("need_attention", [False, True])
def test_an_overlaid_dropout_reaches_the_attention(math, need_attention):
    Q, K, V = attention_inputs()
    rates = []

    def no_drop_but_double(x, p):
        rates.append(p)
        return x * 2.0

    context, A = math.overlay(dropout=no_drop_but_double).attend(Q, K, V, None, 0.3, need_attention)
    expected, expected_A = attention.scaled_dot_product_attention(Q, K, V, need_attention=True)
    assert rates == [0.3]
    assert (context - 2.0 * expected).abs().max() < 1e-15
    if need_attention:
        assert (A - expected_A).abs().max() < 1e-15  # before dropout


def average(Q, K, V, mask=None, dropout=0.0, need_attention=False):
    """A custom attention that takes neither `softmax` nor `drop`."""
    return V.mean(dim=2, keepdim=True).expand_as(V), None


@BOTH
def test_a_custom_attention_is_called_as_it_is(math):
    Q, K, V = attention_inputs()
    context, _ = math.overlay(scaled_dot_product_attention=average).attend(Q, K, V, None, 0.0, False)
    assert torch.equal(context, V.mean(dim=2, keepdim=True).expand_as(V))


@BOTH
def test_a_custom_softmax_does_not_replace_a_custom_attention(math):
    together = math.overlay(scaled_dot_product_attention=average, softmax=uniform)
    one_after_the_other = math.overlay(scaled_dot_product_attention=average).overlay(softmax=uniform)
    the_other_way = math.overlay(softmax=uniform).overlay(scaled_dot_product_attention=average)
    for ours in (together, one_after_the_other, the_other_way):
        assert ours.scaled_dot_product_attention is average and ours.softmax is uniform


@BOTH
def test_an_attention_gets_the_parts_that_it_has_keywords_for(math):
    def with_softmax_only(Q, K, V, mask, dropout, need_attention, *, softmax):
        return softmax(Q @ K.mT) @ V, None

    Q, K, V = attention_inputs()
    ours = math.overlay(scaled_dot_product_attention=with_softmax_only, softmax=uniform)
    context, _ = ours.attend(Q, K, V, None, 0.0, False)
    assert (context - V.mean(dim=2, keepdim=True)).abs().max() < 1e-15


# --- through a whole BERT

CONFIG = BertConfig(
    vocab_size=13,
    hidden_size=8,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=12,
    max_position_embeddings=6,
    labels=("no", "yes"),
)


def bert(math):
    """A BERT in float64 with weights far from their initial values, the same for each mathematics."""
    model = Bert(CONFIG, head="classification", math=math).double().eval()
    random = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, dtype=torch.float64, generator=random) * 0.5
    return model


TOKENS = torch.tensor([[1, 5, 9, 2, 12], [1, 4, 2, 0, 0]])
SEGMENTS = torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def test_both_mathematics_make_the_same_bert():
    ours, theirs = (bert(math)(TOKENS, SEGMENTS, MASK) for math in (EQUATIONS, KERNELS))
    for a, b in zip(ours.hidden_states, theirs.hidden_states, strict=True):
        assert (a - b).abs().max() < 1e-12
    assert (ours.logits - theirs.logits).abs().max() < 1e-12


@pytest.mark.parametrize("need_attention", [False, True])
def test_an_overlaid_softmax_reaches_every_layer_of_a_bert(need_attention):
    outputs = []
    for math in (EQUATIONS, KERNELS):
        calls = []

        def counted(x, calls=calls):
            calls.append(x.shape)
            return uniform(x)

        out = bert(math.overlay(softmax=counted))(TOKENS, SEGMENTS, MASK, need_attention)
        assert calls == [(2, 2, 5, 5)] * CONFIG.num_hidden_layers
        assert len(out.attentions) == (CONFIG.num_hidden_layers if need_attention else 0)
        assert all((A == 0.2).all() for A in out.attentions)
        outputs.append(out)
    assert (outputs[0].logits - outputs[1].logits).abs().max() < 1e-12
    assert (outputs[0].logits - bert(EQUATIONS)(TOKENS, SEGMENTS, MASK).logits).abs().max() > 1e-3


@BOTH
@pytest.mark.parametrize("name", NAMES[: NAMES.index("cross_entropy")])
def test_every_function_of_a_model_is_called_through_the_record(math, name):
    """The functions before `cross_entropy` in the record are those of a model: a BERT calls an overlay of each."""
    calls = []
    original = getattr(math, name)

    def counted(*args, **kwargs):
        calls.append(name)
        return original(*args, **kwargs)

    model = bert(
        math.overlay(softmax=math.softmax, **{name: counted}) if name != "softmax" else math.overlay(softmax=counted)
    )
    model.train()(TOKENS, SEGMENTS, MASK)
    assert bool(calls) == (name not in NOT_IN_BERT)


@BOTH
@pytest.mark.parametrize("name", sorted(NOT_IN_BERT | {"scaled_dot_product_attention", "post_norm", "layer_norm"}))
def test_the_functions_of_other_models_are_called_through_the_record(math, name):
    """By a decoder, T5's encoder layer, and the embeddings of the paper and of Marian."""
    calls = []
    original = getattr(math, name)

    @functools.wraps(original)
    def counted(*args, **kwargs):
        calls.append(name)
        return original(*args, **kwargs)

    ours = math.overlay(**{name: counted})
    T5 = layers.LayerParts("pre_norm", layers.RMSNorm, layers.GatedFeedForward, bias=False, d_k=3, scale=1.0)
    X = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    bias = layers.RelativePositionBias(2, math=ours)(3, 3)
    layers.Encoder(1, 4, 2, 6, "gated_gelu", math=ours, parts=T5, final_norm=True)(X, bias=bias)
    for activation in ("relu", "gelu_tanh", "swish"):
        layers.Decoder(1, 4, 2, 6, activation, math=ours)(X, X, ours.causal_mask(3))
    for positions in ("sinusoidal_positions", "half_sinusoidal_positions"):
        layers.SinusoidalEmbeddings(5, 4, math=ours, positions=positions)(torch.tensor([[1, 2]]))
    assert calls


@BOTH
@pytest.mark.parametrize("need_attention", [False, True])
def test_attend_passes_a_bias_and_a_scale_only_if_there_is_one(math, need_attention):
    Q, K, V = attention_inputs()
    bias = torch.randn(1, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    context, _ = math.attend(Q, K, V, None, 0.0, need_attention, bias=bias, scale=0.5)
    expected = ((Q @ K.mT) * 0.5 + bias).softmax(-1)
    assert (context - expected @ V).abs().max() < 1e-14
    seen = []

    def spy(Q, K, V, mask=None, dropout=0.0, need_attention=False, **given):
        seen.append(set(given))
        return V, None

    ours = math.overlay(scaled_dot_product_attention=spy)
    ours.attend(Q, K, V, None, 0.0, need_attention)
    ours.attend(Q, K, V, None, 0.0, need_attention, bias=bias)
    ours.attend(Q, K, V, None, 0.0, need_attention, scale=1.0)
    assert seen == [set(), {"bias"}, {"scale"}]


@BOTH
def test_an_attention_without_a_bias_is_refused_by_a_model_that_needs_one(math):
    Q, K, V = attention_inputs()
    ours = math.overlay(scaled_dot_product_attention=average)
    with pytest.raises(InputError, match="your scaled_dot_product_attention has no keyword bias, scale"):
        ours.attend(Q, K, V, None, 0.0, False, bias=torch.zeros(4, 4), scale=1.0)


@BOTH
def test_dropout_in_training_is_the_records(math):
    rates = []

    def counted(x, p):
        rates.append(p)
        return normalization.dropout(x, p)

    model = bert(math.overlay(dropout=counted))
    model.eval()(TOKENS, SEGMENTS, MASK)
    assert set(rates) == {0.0}
    rates.clear()
    model.train()(TOKENS, SEGMENTS, MASK)
    # One after the embeddings, three a layer (A, attention, FFN), one before the classifier.
    assert rates == [0.1] * (1 + 3 * CONFIG.num_hidden_layers + 1)


# --- the mathematics by name, or from a file


def test_mathematics_by_name_or_as_it_is():
    assert mathematics("equations") is EQUATIONS
    assert mathematics("kernels") is KERNELS
    ours = EQUATIONS.overlay(softmax=uniform)
    assert mathematics(ours) is ours


def test_the_functions_of_a_file_replace_those_of_the_equations(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "import torch\n"
        "momentum = 0.9  # a number, no update rule\n"
        "def softmax(x):\n    return helper(x)\n"
        "def helper(x):\n    return torch.full_like(x, 1.0 / x.shape[-1])\n",
        encoding="utf-8",
    )
    ours = mathematics(str(path))
    changed = {name for name in NAMES if getattr(ours, name) is not getattr(EQUATIONS, name)}
    assert changed == {"softmax"}
    assert ours.softmax(torch.zeros(1, 4)).tolist() == [[0.25] * 4]
    Q, K, V = attention_inputs()
    context, _ = ours.attend(Q, K, V, None, 0.0, False)
    assert (context - V.mean(dim=2, keepdim=True)).abs().max() < 1e-15


def test_two_files_with_the_same_name_are_two_mathematics(tmp_path):
    for folder, factor in (("a", 2.0), ("b", 3.0)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(f"def gelu(x):\n    return {factor} * x\n", encoding="utf-8")
    a, b = (mathematics(str(tmp_path / folder / "mine.py")) for folder in "ab")
    assert (a.gelu(1.0), b.gelu(1.0)) == (2.0, 3.0)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("fast", None, "give equations, kernels, or a Python file"),
        ("mine.txt", "def softmax(x): pass", "give equations, kernels, or a Python file"),
        ("missing.py", None, "no such file"),
        ("empty.py", "", "defines none of softmax, "),
        ("other.py", "def sofmax(x): pass\nsoftmax = 1", "defines none of softmax, "),
    ],
)
def test_an_invalid_choice_is_an_error(tmp_path, name, text, reason):
    path = tmp_path / name
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        mathematics(str(path))
    message = str(error.value)
    assert message.startswith(f"`math` {path}: ") and reason in message and "\n" not in message
