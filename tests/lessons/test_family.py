"""docs/family.md is what the code does: it is up to date, agrees with the data of the family, and its tests exist."""

import ast
import re
import runpy
from pathlib import Path

import pytest

from minitf.transformer.family import FAMILIES

ROOT = Path(__file__).parent.parent.parent
FAMILY = runpy.run_path(str(ROOT / "lessons" / "family.py"))
EXAMPLES = {example.title: example for example in FAMILY["examples"]()}
PAGE = FAMILY["page"]()


def test_the_page_is_up_to_date():
    written = (ROOT / "docs" / "family.md").read_text(encoding="utf-8")
    assert written == PAGE, "write it again: python lessons/family.py"


def test_every_model_is_on_the_page():
    assert {family.title for family in FAMILIES.values()} < set(EXAMPLES)
    assert set(re.findall(r"^## (.+)$", PAGE, re.MULTILINE)) == set(EXAMPLES) - {"BERT"}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_observed_differences_are_those_of_the_data(name):
    family = FAMILIES[name]
    seen = FAMILY["observe"](EXAMPLES[family.title])
    assert seen["norm"] == f"`normalization.{family.norm}`"
    assert seen["place of the norm"] == f"`residual.{family.placement}`"
    assert ("after the last layer" in seen["other norms"]) == family.final_norm
    assert ("after the embeddings" in seen["other norms"]) == family.embedding_norm
    assert ("relative_position_bias" in seen["scores"]) == family.relative_bias
    assert seen["scores"].startswith("QKᵀ / √d_k") == family.scaled_scores
    assert (
        seen["biases"]
        == {(True, True): "all", (False, True): "feed-forward", (False, False): "none"}[
            family.attention_biases, family.ffn_biases
        ]
    )
    assert ("not trained" in seen["logits"]) == family.logit_bias
    assert ("gated" in seen["activation"]) == family.gated
    assert (seen["padding's embedding"] == "trained") == family.padding_is_trained
    if family.positions.endswith("sinusoidal_positions"):
        assert seen["positions"] == f"`position.{family.positions}`"
    elif family.positions == "learned":
        first = family.first_position
        assert seen["positions"] == ("learned" + (f", from row {first}" if first else ""))


def test_every_test_on_the_page_exists():
    named = set(re.findall(r"\[(test_\w+)\]\(\.\./([\w./]+)\)", PAGE))
    assert len(named) > 8
    for test, path in named:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert test in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, (test, path)


@pytest.mark.parametrize("room", ["layers", "transformer", "bert"])
def test_no_forward_asks_which_model_it_is_in(room):
    """Not by its type, its family, or the class of a part."""
    asked, forwards = re.compile(r"\b(model_type|family|isinstance|type|placement|__class__|hasattr)\b"), 0
    for path in sorted((ROOT / "minitf" / room).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name in ("forward", "encode", "decode"):
                forwards += 1
                assert not asked.search(ast.unparse(node)), f"{path.name}:{node.lineno}"
    assert forwards > 5
