"""Mutated config.json and generation_config.json: loaded, or refused with an error that names the folder."""

import functools
import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.checkpoints.load import STORED_HEAD, load_with_report
from minitf.errors import InputError
from tests.support.transformer_models import REFERENCES, write_reference
from tests.transformer import test_vit

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=60)
NAMES = [*sorted(REFERENCES), "vit"]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 60),
    st.sampled_from([2**24, 2**31, 10**30, -(2**63)]),
    st.floats(),
    st.sampled_from(["", "relu", "gelu", "gated-gelu", "t5", "gpt2", "marian", "bert", "\ud800", "x" * 300]),
    st.lists(st.integers(-1, 60), max_size=3),
    st.sampled_from([{}, {"0": "a"}, [[]], [None], ["a"]]),
)


@functools.cache
def folder_of(name: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="minitf-test-"))
    if name == "vit":
        test_vit.opened(folder, "classification")
    else:
        write_reference(folder, name)
    return folder


@PROPERTY
@given(st.sampled_from(NAMES), st.sampled_from(["config.json", "generation_config.json"]), st.data())
def test_a_mutated_config_is_loaded_or_refused(name, file, data):
    folder = folder_of(name)
    path = folder / file
    original = path.read_bytes() if path.exists() else b"{}"
    content = json.loads(original)
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(st.sampled_from([*sorted(content), "new", "eos_token_id"]))
        content[key] = data.draw(VALUES)
    refused = ""
    try:
        path.write_text(json.dumps(content))
        model, report = load_with_report(folder, STORED_HEAD)
        str(report).encode()
        assert json.loads(json.dumps(model.config.to_dict()))
        assert isinstance(model.config.generation_dict(), dict)
    except InputError as error:
        refused = str(error)
    finally:
        path.write_bytes(original)
    assert not refused or str(folder) in refused
    assert "\n" not in refused or "do not fit config.json" in refused


@pytest.fixture(scope="module", autouse=True)
def removed():
    yield
    for name in NAMES:
        shutil.rmtree(folder_of(name))
