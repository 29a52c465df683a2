"""The judge: correct functions pass in any form, every known mistake is named, and no function breaks the judge."""

import contextlib
import functools
import random
import re
import time

import numpy as np
import pytest
import torch

from minitf.exercises import EXERCISES, by_name
from minitf.exercises.exercise import Case, Exercise, WrongAnswer
from minitf.exercises.judge import in_bert
from minitf.exercises.judge.calls import SECONDS
from minitf.exercises.judge.inspection import uses_numpy
from minitf.exercises.judge.judging import judge
from minitf.proof.mistakes import MISTAKES
from tests.support.right_answers import RIGHT

# Pairs of wrong answers with the same results in all cases. There are none.
TWINS: set[tuple[str, str]] = set()


@pytest.fixture
def small_bert(monkeypatch):
    """Replace the official model by the one that the judge uses without it."""
    monkeypatch.setattr(in_bert, "MODEL", "no/such-model")
    in_bert._target_run.cache_clear()
    yield
    in_bert._target_run.cache_clear()


@pytest.mark.parametrize("name", EXERCISES)
def test_the_target_itself_passes(name):
    """In the official model, where a BERT uses it."""
    exercise = EXERCISES[name]
    verdict = judge(exercise, exercise.target)
    assert verdict.passed, str(verdict)
    assert bool(verdict) and str(verdict).startswith(f"{name}: passed")
    if exercise.in_bert:
        assert "all-MiniLM-L6-v2: 7 hidden states equal" in verdict.checks["in a BERT"]
        assert verdict.checks["training"].startswith("3 steps")


ANSWERS = [pytest.param(name, f, id=f"{name}-{f.__name__}") for name, fs in RIGHT.items() for f in fs]


@pytest.mark.parametrize(("name", "function"), ANSWERS)
def test_a_right_answer_passes_however_it_is_written(name, function, small_bert):
    verdict = judge(EXERCISES[name], function)
    assert verdict.passed, str(verdict)


def test_there_are_enough_of_both():
    assert len(ANSWERS) >= 25
    assert len({w.explanation for e in EXERCISES.values() for w in e.wrong}) >= 100
    in_equations = {m.name for m in MISTAKES if m.overlay}
    assert in_equations <= {w.name for e in EXERCISES.values() for w in e.wrong}


def test_every_known_mistake_is_named():
    """The confusion matrix: the planted mistake along the rows, the named one along the columns."""
    table = {}
    for name, exercise in EXERCISES.items():
        for wrong in exercise.wrong:
            verdict = judge(exercise, wrong.function)
            assert not verdict.passed, f"{name}: {wrong.name} passes"
            table[name, wrong.name] = verdict.mistake
            if verdict.mistake == wrong.name:
                assert f"this is what you get when {wrong.explanation}" in str(verdict)
    beside = {made: named for made, named in table.items() if made[1] != named and (made[1], named) not in TWINS}
    assert len(table) - len(beside) >= 0.95 * len(table)
    assert not beside


@pytest.mark.parametrize("name", EXERCISES)
def test_mistakes_of_an_exercise_have_names_and_sentences_of_their_own(name):
    wrong = EXERCISES[name].wrong
    assert len(wrong) >= 3
    assert len({w.name for w in wrong}) == len({w.explanation for w in wrong}) == len(wrong)
    for w in wrong:
        assert not w.explanation.endswith(".")


def verdict_text(name, function):
    return str(judge(EXERCISES[name], function))


def test_numbers_for_truth_values_are_not_called_the_target_plus_0():
    text = verdict_text("padding_mask", lambda lengths, S: EXERCISES["padding_mask"].target(lengths, S) * 1.0)
    assert "0 and 1 are returned instead of False and True" in text and "plus 0" not in text
    assert "plus 0" not in verdict_text(
        "padding_mask", lambda lengths, S: (torch.arange(S) < lengths[:, None]).int()[:, None, None]
    )


def test_a_step_with_the_old_v_is_not_called_a_blank():
    def momentum(theta, g, state, lr, mu=0.9):
        v = state.setdefault("v", torch.zeros_like(theta))
        theta -= lr * v
        v *= mu
        v += g

    verdict = judge(EXERCISES["momentum"], momentum)
    assert verdict.mistake == "old v" and "blank" not in str(verdict)


def test_a_blank_is_a_blank():
    for blank in (lambda x: ..., lambda x: None, ...):
        verdict = judge(EXERCISES["softmax"], blank)
        assert not verdict.passed
        assert "the blank is still there" in str(verdict)

    def half(Q, K, V, mask=None):
        scores = ...
        return scores @ V, scores

    assert "the blank is still there" in verdict_text("scaled_dot_product_attention", half)
    assert "the blank is still there" in verdict_text("adam", lambda theta, g, state, lr, **settings: ...)

    def nothing(theta, g, state, lr, mu=0.9):
        """θ moves."""

    assert "θ does not change: the blank is still there" in verdict_text("momentum", nothing)


def test_an_exception_is_shown_at_the_learners_own_line():
    def helper(x):
        return torch.cat([x, 3])  # line 2 of the two

    def softmax(x):
        return helper(x)

    text = verdict_text("softmax", softmax)
    line = helper.__code__.co_firstlineno + 1
    assert f"at your line {line}: return torch.cat([x, 3])" in text
    assert "TypeError" in text and "target" in text


def test_an_endless_loop_ends_with_a_message():
    def softmax(x):
        while True:
            with contextlib.suppress(Exception):  # not even so
                x = x + 1

    start = time.monotonic()
    assert "did not finish" in verdict_text("softmax", softmax)
    assert time.monotonic() - start < 10 * SECONDS


def test_an_endless_recursion_ends_with_a_message():
    def softmax(x):
        return softmax(x)

    assert "RecursionError" in verdict_text("softmax", softmax)


def test_a_function_that_changes_its_arguments_is_rejected():
    def relu(x):
        x[x < 0] = 0
        return x

    assert "changes its first argument in place" in verdict_text("relu", relu)

    def descent(theta, g, state, lr):
        g *= lr
        theta -= g

    assert "the gradient g is changed in place" in verdict_text("gradient_descent", descent)


def test_a_returned_theta_is_not_an_update_in_place():
    text = verdict_text("gradient_descent", lambda theta, g, state, lr: theta - lr * g)
    assert "your function returns it; write it into theta instead" in text


def test_a_gradient_that_is_cut_off_is_seen():
    assert "no gradient reaches the inputs" in verdict_text("gelu", lambda x: torch.nn.functional.gelu(x.detach()))

    exercise = Exercise("mean", lambda x: x.mean(-1, keepdim=True), (Case("one", (torch.ones(2).double(),)),))
    text = str(judge(exercise, lambda x: x.mean(-1, keepdim=True).detach() + 0.0 * x.sum()))
    assert "the value is correct, but its gradient is not" in text


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x: torch.softmax(x, -1).mT if x.dim() > 1 else torch.softmax(x, -1), "has the shape"),
        (lambda x: "no", "is of type str, not numbers"),
        (lambda x: [1.0], "shape [1], not [2]"),
        (lambda x: torch.softmax(x, -1) > 0.5, "True and False, not numbers"),
        (lambda x: 3.0 * torch.softmax(x, -1), "it is the target times 3"),
        (lambda x: torch.softmax(x, -1) + 0.5, "it is the target plus 0.5"),
        (lambda x: -torch.softmax(x, -1), "wrong sign"),
        (lambda x: torch.softmax(x.float(), -1), "the precision of float32"),
        (lambda x: torch.softmax(x, -1) + 1e-8 * x.abs(), "an added ε"),
        (lambda x: torch.softmax(x, -2) * 3.0, "at your line"),
        (lambda x: torch.softmax(x, -1) * torch.nan, "it is NaN at [0]"),
        (lambda x, y: x, "missing 1 required positional argument"),
        (7, "it is of type int: give the function itself"),
    ],
)
def test_what_it_says_of_an_unknown_mistake(function, says):
    text = verdict_text("softmax", function)
    assert says in text
    assert "this is what you get" not in text


def test_one_value_in_the_place_of_two():
    text = verdict_text("scaled_dot_product_attention", lambda Q, K, V, mask=None: Q)
    assert "it is an array of shape [1, 1, 1, 4], not 2 values" in text


class Strange:
    """Raises an exception in every conversion."""

    def __array__(self, *args, **kwargs):
        raise RuntimeError

    def __repr__(self):
        raise RuntimeError


class StrangeTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, *args, **kwargs):
        raise RuntimeError


IN_ITSELF = []
IN_ITSELF.append(IN_ITSELF)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (lambda x: Strange(), "it is of type Strange, not numbers"),
        (lambda x: torch.softmax(x, -1) + 1j, "complex numbers, not real ones"),
        (lambda x: torch.softmax(x, -1).bfloat16(), "the largest difference"),
        (lambda x: torch.softmax(x, -1).half(), "the largest difference"),
        (lambda x: torch.softmax(x, -1).to_sparse(), "a sparse tensor, not numbers"),
        (lambda x: x.to("meta"), "not numbers"),
        (lambda x: torch.quantize_per_tensor(x.float(), 0.1, 0, torch.quint8), "not numbers"),
        (lambda x: (each for each in x), "of type generator, not numbers"),
        (lambda x: [[1.0], [1.0, 2.0]], "of type list, not numbers"),
        (lambda x: IN_ITSELF, "of type list, not numbers"),
        (lambda x: torch.ones(2).as_subclass(StrangeTensor), "of type StrangeTensor and cannot be compared"),
        (lambda x: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "of type Tensor and cannot be compared"),
        (lambda x: np.array(["1", "2"]), "not numbers"),
        (lambda x: np.array([None, 2]), "not numbers"),
        (lambda x: np.zeros(2, dtype=[("a", int)]), "not numbers"),
        (lambda x: np.zeros(2, dtype="datetime64[D]"), "not numbers"),
        (lambda x: [10**400, 1], "of type list, not numbers"),
        (torch.zeros_like, "the largest difference"),
        (lambda x: RIGHT["softmax"][1](x.detach()).requires_grad_(), "no gradient reaches the inputs"),
    ],
)
def test_whatever_a_function_returns(value, says):
    verdict = judge(EXERCISES["softmax"], value)
    assert says in str(verdict)
    assert "times 0" not in str(verdict)
    verdict.figure()


def test_whatever_a_function_raises():
    class Silent(BaseException):
        def __str__(self):
            raise RuntimeError

    def softmax(x):
        raise Silent

    assert "Silent, at your line" in verdict_text("softmax", softmax)
    assert "GeneratorExit" in verdict_text("softmax", lambda x: (_ for _ in ()).throw(GeneratorExit))


def test_global_settings_of_a_function_are_restored(small_bert):
    def softmax(x):
        torch.set_default_dtype(torch.float64)
        torch.manual_seed(1)
        np.random.seed(1)
        random.seed(1)
        print("heard by nobody")
        return RIGHT["softmax"][1](x)

    np.random.seed(3)
    random.seed(3)
    expected = np.random.rand(), random.random()
    np.random.seed(3)
    random.seed(3)
    try:
        assert judge(EXERCISES["softmax"], softmax).passed
        assert torch.get_default_dtype() is torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    assert (np.random.rand(), random.random()) == expected

    def off(x):
        torch.set_grad_enabled(False)
        return torch.relu(x)

    assert "no gradient reaches" in verdict_text("relu", off)
    assert torch.is_grad_enabled()


class NumpyRelu:
    def __call__(self, x):
        return np.maximum(x, 0.0)

    def method(self, x):
        return np.maximum(x, 0.0)


@pytest.mark.parametrize(
    "function",
    [
        NumpyRelu(),
        NumpyRelu().method,
        functools.partial(np.maximum, 0.0),
        functools.partial(lambda least, x: np.maximum(x, least), 0.0),
        np.vectorize(lambda x: max(x, 0.0)),
    ],
)
def test_numpy_in_whatever_can_be_called(function, small_bert):
    verdict = judge(EXERCISES["relu"], function)
    assert verdict.passed, str(verdict)
    assert verdict.checks["gradients"] == "not checked: NumPy has no gradients"


def test_a_list_of_numbers_of_pytorch_has_its_gradients():
    exercise = Exercise("double", lambda x: 2.0 * x, (Case("twenty", (torch.arange(20.0).double().reshape(4, 5),)),))
    assert judge(exercise, lambda x: list(2.0 * x)).passed


def test_a_word_of_numpy_is_a_word():
    target = EXERCISES["wordpiece"].target
    assert judge(EXERCISES["wordpiece"], lambda word, vocabulary: list(np.array(target(word, vocabulary)))).passed


def _attending(change):
    def attend(Q, K, V, mask=None):
        scores = Q @ K.mT / Q.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~change(mask), -torch.inf)
        A = torch.softmax(scores, -1).nan_to_num(0.0)
        return A @ V, A

    return attend


def _of_four_axes(mask):
    B, H, S, T = mask.shape
    return mask.reshape(B, H, S, T)


def _half_drawn(x, p):
    if p in (0.0, 1.0):
        return x * (1.0 - p)
    flat = x.reshape(-1, x.shape[-1])
    return (flat * (torch.rand(len(flat) // 2, flat.shape[1]) >= p).repeat(2, 1) / (1.0 - p)).reshape(x.shape)


def _weights_forgotten_when_smoothed(z, y, class_weights=None, label_smoothing=0.0):
    weights = None if label_smoothing else class_weights
    return torch.nn.functional.cross_entropy(z, y, weight=weights, label_smoothing=label_smoothing)


def _put_into_the_list(gradients, most):
    norm = EXERCISES["clip_by_norm"].target([g.clone() for g in gradients], most)
    for i, g in enumerate(gradients):
        gradients[i] = g * min(1.0, float(most / (norm + 1e-6)))
    return norm


KEPT = {}


def _one_velocity_for_all(theta, g, state, lr, mu=0.9):
    if not state:
        KEPT[theta.shape] = torch.zeros_like(theta)
    state["begun"] = True
    KEPT[theta.shape] = mu * KEPT[theta.shape] + g
    theta -= lr * KEPT[theta.shape]


def _the_first_rate(theta, g, state, lr, **settings):
    EXERCISES["adam"].target(theta, g, state, state.setdefault("lr", lr), **settings)


def _no_width_1(X, H):
    B, S, D = X.shape
    return X.reshape(B, S, H, D // H).transpose(1, 2) if D > H else X.reshape(B, H, S, 1)


@pytest.mark.parametrize(
    ("name", "function", "says"),
    [
        ("scaled_dot_product_attention", _attending(lambda m: m[:1] if m.shape[-2] > 1 else m), "[B, 1, S, S]"),
        ("scaled_dot_product_attention", _attending(_of_four_axes), "[S, S]"),
        ("scaled_dot_product_attention", _attending(lambda m: m if m.dim() < 4 else m[:, :1]), "[1, H, 1, S]"),
        ("dropout", _half_drawn, "drawn alike"),
        ("dropout", lambda x, p: torch.dropout(x, p, train=x.dim() < 3), "three axes"),
        ("cross_entropy", _weights_forgotten_when_smoothed, "class weights and label smoothing"),
        ("mean_squared_error", lambda y, t: np.sum((y - t) ** 2) / len(y), "divided by the number of rows"),
        ("clip_by_norm", _put_into_the_list, "the list has new gradients"),
        ("momentum", _one_velocity_for_all, "updating two parameters in turn changes the results"),
        ("adam", _the_first_rate, "a learning rate that decreases"),
        ("split_heads", _no_width_1, "heads of width 1"),
    ],
)
def test_an_answer_wrong_at_one_place_alone(name, function, says):
    verdict = judge(EXERCISES[name], function)
    assert not verdict.passed
    assert says in str(verdict)


def test_options_that_a_function_does_not_take_are_not_judged_and_it_says_so(small_bert):
    verdict = judge(EXERCISES["cross_entropy"], RIGHT["cross_entropy"][0])
    assert verdict.passed
    assert "class_weights, label_smoothing: your function does not take them" in str(verdict)


def test_a_gradient_of_nan_where_there_is_nothing_to_look_at_is_seen():
    """nan_to_num corrects the value, not the gradient."""
    text = verdict_text("softmax", lambda x: torch.nan_to_num(torch.softmax(x, -1)))
    assert "wrong for a row that is −∞ everywhere" in text
    assert "the value is correct, but its gradient is not: it is NaN" in text


def test_the_example_of_an_overflow_is_of_huge_numbers():
    verdict = judge(EXERCISES["softmax"], lambda x: x.exp() / x.exp().sum(-1, keepdim=True))
    assert verdict.mistake == "overflow"
    assert "wrong for huge numbers" in str(verdict)


def test_what_is_right_to_nine_digits_is_not_called_the_target_times_1():
    text = verdict_text("softmax", lambda x: EXERCISES["softmax"].target(x) * (1.0 + 5e-10))
    assert "times 1" not in text and "about seven digits only" in text


def test_numbers_that_look_alike_are_shown_to_more_digits():
    text = verdict_text(
        "layer_norm", lambda x, gamma, beta, eps: EXERCISES["layer_norm"].target(x, gamma, beta, eps) + 1e-7
    )
    assert "it is the target plus 1e-07" in text
    assert re.search(r"yours   \[\[-?\d\.\d{9,}", text)


def test_shapes_and_names_are_printed():
    text = verdict_text(
        "scaled_dot_product_attention", lambda Q, K, V, mask=None: (V.mean(-2, keepdim=True) + 0 * Q[..., :1], None)
    )
    assert "Q = [[1., 0., 1., 0.]], shape [1, 1, 1, 4]" in text
    assert "of the context" in text


def test_a_second_mistake_does_not_hide_the_first():
    """Over the first axis, and overflowing too."""
    verdict = judge(EXERCISES["softmax"], lambda x: torch.exp(x) / torch.exp(x).sum(0))
    assert verdict.mistake == "first axis"


def test_nan_of_a_second_mistake_does_not_hide_the_first():
    """Over the queries, by PyTorch's softmax, which gives NaN where a key is hidden from all."""

    def attend(Q, K, V, mask=None):
        scores = Q @ K.mT / Q.shape[-1] ** 0.5
        A = torch.softmax(scores if mask is None else scores.masked_fill(~mask, -torch.inf), -2)
        return A @ V, A

    assert judge(EXERCISES["scaled_dot_product_attention"], attend).mistake == "softmax over queries"


def test_numpy_is_distinguished_from_torch():
    array = np.zeros(2)
    assert uses_numpy(RIGHT["softmax"][2])
    assert uses_numpy(RIGHT["scaled_dot_product_attention"][2])  # through a helper
    assert not uses_numpy(RIGHT["softmax"][0])
    assert not uses_numpy(lambda x: x + 1)
    assert not uses_numpy(len)
    assert uses_numpy(lambda x: np.exp(x) + array)


def test_it_leaves_random_numbers_as_they_were():
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    judge(EXERCISES["dropout"], EXERCISES["dropout"].target)
    assert torch.equal(torch.rand(3), expected)


def test_right_by_itself_but_not_in_a_model(small_bert):
    """A function that is wrong for seven tokens, a length in no case of the exercise, is rejected in the model."""

    def softmax(x):
        out = EXERCISES["softmax"].target(x)
        return out if x.shape[-1] != 7 else out * 2

    text = verdict_text("softmax", softmax)
    assert "correct on its own, but not inside a whole BERT: hidden state 1" in text


class TestPicture:
    def test_yours_beside_the_target(self, tmp_path):
        verdict = judge(EXERCISES["softmax"], lambda x: torch.softmax(x, 0))
        figure = verdict.figure()
        assert [axes.get_title() for axes in figure.axes[:3]] == ["yours", "target", "yours − target"]
        shown = figure.axes[0].images[0].get_array()
        x = verdict.example.case.inputs[0]
        np.testing.assert_allclose(shown, torch.softmax(x, 0))
        assert verdict.save(tmp_path / "it.png") and (tmp_path / "it.png").stat().st_size > 1000

    def test_none_of_a_pass_or_a_single_number(self):
        assert judge(EXERCISES["log_softmax"], EXERCISES["log_softmax"].target).figure() is None
        assert judge(EXERCISES["cross_entropy"], lambda z, y: z.sum()).figure() is None

    def test_of_other_shapes_without_a_difference(self):
        wrong = next(w for w in EXERCISES["merge_heads"].wrong if w.name == "summed")
        figure = judge(EXERCISES["merge_heads"], wrong.function).figure()
        assert [axes.get_title() for axes in figure.axes[:2]] == ["yours", "target"]


def test_two_exercises_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two exercises are called relu"):
        by_name([EXERCISES["relu"], EXERCISES["gelu"], EXERCISES["relu"]])


def test_a_planted_twin_is_seen_by_the_confusion_table():
    """Of two equal wrong answers the second gets the name of the first, which the confusion matrix reports."""
    exercise = EXERCISES["relu"]
    twin = WrongAnswer("twin", "it is the same", torch.abs)
    both = Exercise(exercise.name, exercise.target, exercise.cases, (*exercise.wrong, twin))
    assert judge(both, twin.function).mistake == "absolute value"
