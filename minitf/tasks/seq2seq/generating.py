"""placeholder until generation has its decoders"""
import torch
from torch import Tensor, nn

from minitf.generation.decoding import Task
from minitf.generation.greedy import greedy
from minitf.generation.rules import Rules
from minitf.generation.sequences import Output


class _Cached:
    def __init__(self, model, source_ids, mask):
        self.model, self.mask = model, mask
        self.memory = model.encode(source_ids, mask)[0][-1]
        self.prompt = source_ids.new_full((len(source_ids), 1), model.config.start_id)
        self.cache = model.new_cache()

    def next_logits(self, ids: Tensor) -> Tensor:
        return self.model.decode(ids[:, self.cache.length :], self.memory, self.mask, cache=self.cache).logits[:, -1]

    def repeat(self, times: int) -> None: ...

    def reorder(self, rows: Tensor) -> None: ...


@torch.no_grad()
def generate(model: nn.Module, source_ids: Tensor, mask: Tensor, limit: int) -> list[Output]:
    end = model.config.end_id
    ends = end if isinstance(end, tuple) else (end,)
    rules = Rules(end_ids=ends, pad_id=model.config.pad_id)
    for rows in greedy(Task(_Cached(model, source_ids, mask), rules, limit)):
        pass
    return rows.outputs()
