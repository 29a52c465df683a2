"""Record every intermediate tensor of a forward pass under the path of the module that computes it.

The layers themselves contain no code for this: the recorder wraps the mathematics and registers hooks.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from minitf.mathematics import NAMES, Mathematics

# The functions of the forward pass that are recorded.
_FORWARD = {
    *("softmax", "scaled_dot_product_attention", "split_heads", "merge_heads"),
    *("linear", "look_up", "relu", "gelu", "gelu_tanh", "gated_gelu", "swish", "layer_norm", "rms_norm"),
}


class Recorder:
    """Build a model with `recorder.mathematics(base)`, then run it inside `recorder.watching(model)`.

    `tensors` then holds, in the order of computation: `path/function` (`encoder.layers.3.attention/softmax`), the
    result of a function; `path/function.in`, its first argument; `path`, the output of a module; `path.in`, its input.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._path: list[str] = []

    def mathematics(self, base: Mathematics) -> Mathematics:
        """Return `base` with every function of the forward pass wrapped."""
        return dataclasses.replace(base, **{n: self._recorded(n, getattr(base, n)) for n in NAMES if n in _FORWARD})

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Record what `model` computes inside the block. Earlier records are deleted."""
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
    """Return the result of `run()`, and the output of every module of `model`, from any library, by its path."""
    recorder = Recorder()
    with recorder.watching(model):
        result = run()
    return result, dict(recorder.tensors)
