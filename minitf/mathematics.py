"""The mathematics as a plug-in: a frozen dataclass of the functions that layers, losses and optimizers call.

`EQUATIONS` is the readable implementation, `KERNELS` the fast one; both give equal values. `overlay` replaces any
subset of the functions, for example the softmax of a whole BERT by your own:

    math = EQUATIONS.overlay(softmax=my_softmax)
    model = minitf.load("all-MiniLM-L6-v2", math=math)

No `forward` depends on which mathematics it uses.
"""

import dataclasses
import functools
import importlib.util
import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from minitf import kernels
from minitf.equations import activation, attention, loss, mask, normalization, position, projection, residual, update
from minitf.errors import InputError

Function = Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class Mathematics:
    """The functions that can be replaced, by their names in `equations/`, where their docstrings are.

    The others (`log_softmax`, `clip_by_norm`, the schedules) are called directly.
    """

    softmax: Function = attention.softmax
    scaled_dot_product_attention: Function = attention.scaled_dot_product_attention
    split_heads: Function = attention.split_heads
    merge_heads: Function = attention.merge_heads
    causal_mask: Function = mask.causal_mask
    linear: Function = projection.linear
    look_up: Function = projection.look_up
    sinusoidal_positions: Function = position.sinusoidal_positions
    half_sinusoidal_positions: Function = position.half_sinusoidal_positions
    relative_position_buckets: Function = position.relative_position_buckets
    relative_position_bias: Function = position.relative_position_bias
    relu: Function = activation.relu
    gelu: Function = activation.gelu
    gelu_tanh: Function = activation.gelu_tanh
    gated_gelu: Function = activation.gated_gelu
    swish: Function = activation.swish
    layer_norm: Function = normalization.layer_norm
    rms_norm: Function = normalization.rms_norm
    post_norm: Function = residual.post_norm
    pre_norm: Function = residual.pre_norm
    dropout: Function = normalization.dropout
    cross_entropy: Function = loss.cross_entropy
    binary_cross_entropy: Function = loss.binary_cross_entropy
    mean_squared_error: Function = loss.mean_squared_error
    l1_penalty: Function = loss.l1_penalty
    l2_penalty: Function = loss.l2_penalty
    gradient_descent: Function = update.gradient_descent
    momentum: Function = update.momentum
    rmsprop: Function = update.rmsprop
    adam: Function = update.adam
    adamw: Function = update.adamw

    def overlay(self, **functions: Function) -> "Mathematics":
        """Return a copy in which `functions` replace those of the same names.

        A replaced softmax or dropout must also be used inside attention. The fused attention calls neither, so it is
        then replaced by the equation, unless `functions` has an attention too.

        Raises InputError for an unknown name.
        """
        unknown = sorted(set(functions) - set(NAMES))
        if unknown:
            raise InputError(f"no equation is called {', '.join(unknown)}; choose from: {', '.join(NAMES)}")
        fused = self.scaled_dot_product_attention is kernels.scaled_dot_product_attention
        if fused and {"softmax", "dropout"} & set(functions) and "scaled_dot_product_attention" not in functions:
            functions["scaled_dot_product_attention"] = attention.scaled_dot_product_attention
        return dataclasses.replace(self, **functions)

    def attend(
        self,
        Q: Any,
        K: Any,
        V: Any,
        mask: Any,
        dropout: float,
        need_attention: bool,
        *,
        bias: Any = None,
        scale: float | None = None,
    ) -> Any:
        """Call `scaled_dot_product_attention` with the softmax and dropout of this mathematics.

        `bias` and `scale` are passed only if they are not None, so a function without these keywords works for every
        model that does not need them.
        """
        f = self.scaled_dot_product_attention
        given = {name: x for name, x in (("bias", bias), ("scale", scale)) if x is not None}
        if given and (missing := sorted(given.keys() - _keywords(f))) and not _takes_any_keyword(f):
            raise InputError(
                f"your scaled_dot_product_attention has no keyword {', '.join(missing)}, which this model needs"
            )
        return f(Q, K, V, mask, dropout, need_attention, **_accepted_parts(f, self.softmax, self.dropout), **given)


NAMES = tuple(field.name for field in dataclasses.fields(Mathematics))

EQUATIONS = Mathematics()
KERNELS = dataclasses.replace(EQUATIONS, **{name: getattr(kernels, name) for name in NAMES if hasattr(kernels, name)})

_BY_NAME = {"equations": EQUATIONS, "kernels": KERNELS}


def mathematics(choice: "str | Mathematics") -> Mathematics:
    """Return the Mathematics for `choice`: "equations", "kernels", a Mathematics, or the path of a .py file.

    The functions in the file that have the name of an equation replace those of EQUATIONS.
    Raises InputError for anything else, and for a file that defines none of the names.
    """
    if isinstance(choice, Mathematics):
        return choice
    if isinstance(choice, str) and choice in _BY_NAME:
        return _BY_NAME[choice]
    if not isinstance(choice, str | Path):
        raise InputError(f"`math` must be equations, kernels, a Mathematics or a Python file, not {choice!r}")
    path = Path(choice)
    if path.suffix != ".py":
        raise InputError(f"`math` {choice}: give equations, kernels, or a Python file with functions of the same names")
    if not path.is_file():
        raise InputError(f"`math` {choice}: no such file")
    module = _module_at(path)
    functions = {name: f for name in NAMES if callable(f := getattr(module, name, None))}
    if not functions:
        raise InputError(f"`math` {choice}: defines none of {', '.join(NAMES)}")
    return EQUATIONS.overlay(**functions)


@functools.lru_cache(maxsize=64)
def _keywords(f: Function) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(f).parameters)
    except (TypeError, ValueError):  # built-ins without a signature
        return frozenset()


def _takes_any_keyword(f: Function) -> bool:
    """Whether `f` has **keywords, or no signature."""
    try:
        return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        return True


def _accepted_parts(f: Function, softmax: Function, dropout: Function) -> dict[str, Function]:
    """Return `softmax` and `drop`, each only if `f` accepts a keyword of this name."""
    keywords = _keywords(f)
    parts = {"softmax": softmax, "drop": dropout}
    return {name: part for name, part in parts.items() if name in keywords}


def _module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a learner's file can raise any exception
        line = getattr(error, "lineno", None) or _last_line_in(error, path)
        raise InputError(f"`math` {path}:{line}: {type(error).__name__}: {error}; correct the file") from error
    return module


def _last_line_in(error: BaseException, path: Path) -> int:
    """Return the last line of the file at `path` in the traceback, or 1."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno for f in reversed(frames) if f.filename == str(path) and f.lineno), 1)
