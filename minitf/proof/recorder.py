"""Every intermediate tensor of a forward pass, by where it was computed. The layers need not know."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from minitf.mathematics import NAMES, Mathematics

# What is worth recording: the functions of the forward pass.
_FORWARD = {
    *("softmax", "scaled_dot_product_attention", "split_heads", "merge_heads"),
    *("linear", "look_up", "relu", "gelu", "gelu_tanh", "layer_norm"),
}


class Recorder:
    """Give a model `recorder.mathematics(base)`, then run it inside `recorder.watching(model)`.

    `tensors` then maps `path/function` (`encoder.layers.3.attention/softmax`) and `path/function.in` (its first
    argument) to tensors, `path` alone to a module's output and `path.in` to its input, in the order of computation.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._path: list[str] = []

    def mathematics(self, base: Mathematics) -> Mathematics:
        """`base`, every forward function of it recorded."""
        return dataclasses.replace(base, **{n: self._recorded(n, getattr(base, n)) for n in NAMES if n in _FORWARD})

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Record what `model` computes inside the block; what was recorded before is forgotten."""
        self.tensors.clear()
        handles = []
        for path, module in model.named_modules():
            handles.append(module.register_forward_pre_hook(functools.partial(self._enter, path)))
            handles.append(module.register_forward_hook(self._leave))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._path.clear()

    def _enter(self, path: str, module: nn.Module, inputs: Any) -> None:
        self._path.append(path)
        self._note(f"{path}.in", inputs)

    def _leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._note(self._path.pop(), output)

    def _recorded(self, name: str, f: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(f)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            result = f(*args, **kwargs)
            if self._path:
                self._note(f"{self._path[-1]}/{name}.in", args[0])
                self._note(f"{self._path[-1]}/{name}", result)
            return result

        return recorded

    def _note(self, key: str, value: Any) -> None:
        first = value[0] if isinstance(value, tuple) and value else value
        if isinstance(first, Tensor):
            self.tensors[key] = first.detach()


def record_modules(model: nn.Module, run: Callable[[], Any]) -> tuple[Any, dict[str, Tensor]]:
    """What `run()` returns, and the output of every module of `model` by its path. For a model not of our making."""
    recorder = Recorder()
    with recorder.watching(model):
        result = run()
    return result, dict(recorder.tensors)
