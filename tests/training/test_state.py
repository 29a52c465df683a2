"""A run that is stopped after any step and resumed ends with the same bits; a damaged state is refused in one line."""

import contextlib
import dataclasses
import itertools
import json
import random
import zlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from minitf.bert.frozen import FrozenLayers
from minitf.errors import InputError
from minitf.mathematics import KERNELS
from minitf.tasks.classification.task import Classification
from minitf.training import loop, state
from minitf.training.optimizer import Optimizer, Recipe
from minitf.training.precision import FULL, Half, Precision, choose_precision
from minitf.training.strategy import Strategy, freeze
from minitf.training.workers import ALONE, Workers
from tests.support.small_training import TINY, loaded, texts, train, weights

L = 2


class StoppedError(Exception):
    pass


@dataclasses.dataclass
class Events:
    """The events of a run, over its parts; steps that are repeated after resuming count once."""

    steps: list = dataclasses.field(default_factory=list)
    epochs: list = dataclasses.field(default_factory=list)


class Training:
    """A small training with dropout, in float32; the state is saved after each event but the last step of an epoch."""

    def __init__(self, source, folder: Path, recipe: Recipe | None = None, strategy: Strategy | None = None, **more):
        self.source, self.folder = source, folder
        self.recipe = recipe or Recipe(lr=3e-3)
        self.strategy = strategy or Strategy()
        self.precision: Precision = more.pop("precision", FULL)
        self.more = {"epochs": 3, "batch_size": 4, "accumulate": 1} | more

    def run(self, stop: int | None, events: Events, resume: bool) -> dict[str, torch.Tensor]:
        """Run until the `stop`-th state is saved; return the weights."""
        torch.manual_seed(random.randrange(2**31) if resume else 7)  # on resuming the seed must not matter
        model, epochs = loaded(self.source, dtype=torch.float32, math=KERNELS), self.more["epochs"]
        if not resume:
            torch.manual_seed(7)
        freeze(model, L, self.strategy.frozen)
        size = self.more["batch_size"] * self.more["accumulate"]
        examples = texts(22)
        known = [(tuple(t.ids), tuple(t.segments)) for t in examples.tokens]
        optimizer = Optimizer(model, self.recipe, epochs * -(-22 // size), KERNELS, self.strategy.scale(L))
        progress = state.restore_state(self.folder, optimizer, self.precision) if resume else None
        if resume:
            done = state.read_extra(self.folder)
            events.steps, events.epochs = events.steps[: done["steps"]], events.epochs[: done["epochs"]]
        layers, calls = FrozenLayers(model, known), itertools.count(1)
        progress = progress or loop.Progress()

        def stage(epoch: int):
            lowest = self.strategy.lowest(L, epoch, epochs)
            freeze(model, L, lowest)
            return layers.below(lowest)

        def save() -> None:
            extra = {"steps": len(events.steps), "epochs": len(events.epochs)}
            state.save_state(self.folder, optimizer, progress, extra, self.precision)
            if next(calls) == stop:
                raise StoppedError

        def on_step(step: loop.Step) -> None:
            events.steps.append(step.to_dict())
            if not step.ends_epoch:
                save()

        def on_epoch(epoch: loop.Epoch) -> None:
            events.epochs.append(epoch)
            save()

        task = Classification(("a", "b"), math=KERNELS)
        train(
            model, task, examples, texts(9, seed=2), optimizer, seed=5, progress=progress, precision=self.precision,
            stage=stage, on_step=on_step, on_epoch=on_epoch, **self.more
        )  # fmt: skip
        return weights(model)

    def whole(self) -> tuple[dict, Events, dict]:
        events = Events()
        return self.run(None, events, False), events, load_file(self.folder / state.FILE)

    def in_parts(self, stops: list[int]) -> tuple[dict, Events, dict]:
        events = Events()
        for n, stop in enumerate(stops):
            with pytest.raises(StoppedError):
                self.run(stop, events, bool(n))
        return self.run(None, events, True), events, load_file(self.folder / state.FILE)


def without_times(events: Events) -> tuple:
    return events.steps, [dataclasses.replace(epoch, seconds=0.0) for epoch in events.epochs]


def assert_same(first, second) -> None:
    for one, other in ((first[0], second[0]), (first[2], second[2])):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert json.dumps(first[1].steps) == json.dumps(second[1].steps)
    for one, other in zip(without_times(first[1])[1], without_times(second[1])[1], strict=True):
        assert json.dumps(dataclasses.asdict(one)) == json.dumps(dataclasses.asdict(other))


SETTINGS = {
    "adamw": {},
    "accumulate": {"accumulate": 2},
    "gradual": {"strategy": Strategy(gradual=True, layer_decay=0.7), "epochs": 4},
    "frozen": {"strategy": Strategy(frozen=2)},
    "early stopping": {"epochs": 6, "patience": 1, "recipe": Recipe(lr=1e-12)},
    "bf16": {"precision": "bf16"},
    **{rule: {"recipe": Recipe(rule, lr=1e-3, weight_decay=0.0, l2=1e-3)} for rule in ("gd", "momentum", "rmsprop")},
    "adam as Google's": {"recipe": Recipe("adam", lr=1e-3, weight_decay=0.0, bias_correction=False)},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_resumed_after_any_step_it_ends_with_the_same_bits(write_bert, tmp_path: Path, name: str) -> None:
    """After each step and each epoch, and stopped several times."""
    more = dict(SETTINGS[name])
    if "precision" in more:
        more["precision"] = choose_precision(more["precision"], torch.device("cpu"))
    training = Training(write_bert(**(TINY | {"num_hidden_layers": L}))[0], tmp_path / "last", **more)
    expected = training.whole()
    if name == "early stopping":
        assert len(expected[1].epochs) == 2
    calls = len(expected[1].steps)  # a state is saved after each step, or the epoch that it ends
    stops = range(1, calls + 1, 2 if name == "adamw" else 6)
    for stop in stops:
        assert_same(training.in_parts([stop]), expected)
    assert_same(training.in_parts([1, 1, 3, 2]), expected)


def test_every_part_of_the_state_is_needed(write_bert, tmp_path: Path, monkeypatch) -> None:
    """Without any part of the state the bits differ."""
    training = Training(write_bert(**(TINY | {"num_hidden_layers": L}))[0], tmp_path / "last")
    expected = training.whole()
    restore = state.restore_state

    def without_moments(folder, optimizer, *more):
        progress = restore(folder, optimizer, *more)
        optimizer.state = {name: {} for name in optimizer.state}
        return progress

    def without_steps(folder, optimizer, *more):
        progress = restore(folder, optimizer, *more)
        optimizer.steps = 0
        return progress

    def without_random_state(*given):
        progress = restore(*given)
        torch.manual_seed(1)
        return progress

    def without_losses(*given):
        return dataclasses.replace(restore(*given), losses=[])

    for wrong in (without_moments, without_steps, without_random_state, without_losses):
        monkeypatch.setattr(state, "restore_state", wrong)
        with pytest.raises(AssertionError):
            assert_same(training.in_parts([8]), expected)
    monkeypatch.setattr(state, "restore_state", restore)
    assert_same(training.in_parts([8]), expected)


def test_the_loss_scale_of_float16_is_restored(write_bert, tmp_path: Path) -> None:
    optimizer = Optimizer(loaded(write_bert(**TINY)[0]), Recipe(), 1)
    half = Half(torch.float16, torch.device("cpu"), scale=32.0)
    half.good = 7
    state.save_state(tmp_path, optimizer, loop.Progress(), {}, half)
    other = Half(torch.float16, torch.device("cpu"))
    state.restore_state(tmp_path, optimizer, other)
    assert (other.scale, other.good) == (32.0, 7)


# Damage ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(write_bert, tmp_path: Path) -> tuple[Path, Optimizer]:
    """A saved state, and an optimizer that fits it."""
    training = Training(write_bert(**(TINY | {"num_hidden_layers": L}))[0], tmp_path / "last")
    with pytest.raises(StoppedError):
        training.run(8, Events(), False)
    return training.folder, Optimizer(loaded(training.source, dtype=torch.float32), Recipe(), 18)


def read(folder: Path, optimizer: Optimizer, workers: Workers = ALONE) -> None:
    state.read_extra(folder)
    state.restore_state(folder, optimizer, FULL, workers)


def refusal(folder: Path, optimizer: Optimizer, workers: Workers | None = None) -> str:
    """The error of restoring the state: one line that names the folder."""
    with pytest.raises(InputError) as caught:
        read(folder, optimizer, workers or Workers())
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{}", b"\0" * 100, b"\xff" * 100, b"not a state at all, but a text"])
def test_another_file_in_its_place(saved, content: bytes) -> None:
    folder, optimizer = saved
    (folder / state.FILE).write_bytes(content)
    assert "cannot be read" in refusal(folder, optimizer)
    assert "start again with `overwrite`" in refusal(folder, optimizer)


def test_cut_off_anywhere(saved) -> None:
    folder, optimizer = saved
    whole = (folder / state.FILE).read_bytes()
    draw = random.Random(0)
    for size in (1, 8, 9, len(whole) - 1, *(draw.randrange(len(whole)) for _ in range(20))):
        (folder / state.FILE).write_bytes(whole[:size])
        assert "cannot be read" in refusal(folder, optimizer)


def test_any_bit_changed(saved) -> None:
    """In the header or in a tensor: refused, unless it changes nothing (the padding of the header)."""
    folder, optimizer = saved
    whole = (folder / state.FILE).read_bytes()
    length, draw, unseen = int.from_bytes(whole[:8], "little"), random.Random(1), []
    read(folder, optimizer)
    right = {name: p.detach().clone() for name, p in optimizer.parameters.items()}, state.read_extra(folder)
    for n in range(300):
        damaged = bytearray(whole)
        place = draw.randrange(8 + length) if n % 2 else draw.randrange(8 + length, len(whole))
        damaged[place] ^= 1 << draw.randrange(8)
        (folder / state.FILE).write_bytes(bytes(damaged))
        with contextlib.suppress(InputError):
            read(folder, optimizer)
            unseen.append(whole[max(0, place - 20) : place + 20])
            assert all(torch.equal(p, right[0][name]) for name, p in optimizer.parameters.items())
            assert state.read_extra(folder) == right[1]
    assert len(unseen) < 5, unseen


def rewritten(folder: Path, content: dict, tensors: dict | None = None) -> None:
    """Write the state with another content and a valid checksum."""
    text, tensors = json.dumps(content), load_file(folder / state.FILE) if tensors is None else tensors
    sums = zlib.crc32(text.encode(), state._sum_of((name, tensors[name]) for name in sorted(tensors)))
    save_file(tensors, folder / state.FILE, {"state": text, "crc32": str(sums)})


@pytest.mark.parametrize("part", ["version", "steps", "shrinkage", "optimizer", "progress", "extra"])
def test_a_part_is_missing(saved, part: str) -> None:
    folder, optimizer = saved
    content = state._content(folder)
    del content[part]
    rewritten(folder, content)
    assert "cannot be read" in refusal(folder, optimizer)


def test_a_tensor_is_missing(saved) -> None:
    folder, optimizer = saved
    content, tensors = state._content(folder), load_file(folder / state.FILE)
    for prefix, message in (("weights/", "another model"), ("random/", "another number of processes")):
        name = next(name for name in tensors if name.startswith(prefix))
        fewer = {n: t for n, t in tensors.items() if n != name}
        rewritten(folder, content, fewer)
        assert message in refusal(folder, optimizer)


@pytest.mark.parametrize("version", [1, state.VERSION + 1])
def test_of_another_version(saved, version: int) -> None:
    folder, optimizer = saved
    rewritten(folder, state._content(folder) | {"version": version})
    assert "was saved by another version of minitf" in refusal(folder, optimizer)


def test_of_another_model(saved, write_bert) -> None:
    folder, _ = saved
    other = Optimizer(loaded(write_bert(name="other", **TINY)[0]), Recipe(), 18)
    assert "another model" in refusal(folder, other)
    wider = TINY | {"num_hidden_layers": L, "hidden_size": 24}
    other = Optimizer(loaded(write_bert(name="wider", **wider)[0]), Recipe(), 18)
    assert "has another shape" in refusal(folder, other)


def test_of_another_number_of_processes(saved) -> None:
    folder, optimizer = saved
    two = Workers()
    two.count = 2
    assert "another number of processes; resume with the same number" in refusal(folder, optimizer, two)


def test_the_digest_of_weights(write_bert) -> None:
    """It depends on every bit of the named weights, not on their order, and not on the other weights."""
    model = loaded(write_bert(**TINY)[0], dtype=torch.float32)
    names = [name for name, _ in model.named_parameters()]
    found = state.digest(model, names[:-1])
    assert state.digest(model, reversed(names[:-1])) == found
    with torch.no_grad():
        model.get_parameter(names[-1]).add_(1.0)
        assert state.digest(model, names[:-1]) == found
        p = model.get_parameter(names[0]).view(-1)
        p[-1] = torch.nextafter(p[-1], torch.tensor(9.0))
    assert state.digest(model, names[:-1]) != found
