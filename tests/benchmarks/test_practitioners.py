"""The long measurements of fine-tuning: their settings exist, and their tables show the measurements."""

import dataclasses

import pytest
import torch

from benchmarks import folklore, record, tasks
from minitf.bert import Bert, BertConfig
from minitf.cli import finetune
from minitf.fine_tuning.config import FineTuneConfig
from minitf.tasks import registry
from minitf.tasks.whole_text import encoding
from minitf.text.batches import Batch


@pytest.mark.parametrize("claim", folklore.CLAIMS, ids=lambda claim: claim.name)
def test_every_claim_changes_the_usual_recipe(claim):
    usual, changed = (
        FineTuneConfig.of(**finetune.given(flags)).settings()
        for flags in (folklore.USUAL, (*folklore.USUAL, *claim.flags))
    )
    differs = {name for name in usual if usual[name] != changed[name]}
    assert bool(differs) == bool(claim.flags)
    assert bool(claim.claimed) == bool(claim.flags) and claim.source


def test_every_claim_has_its_own_file_name():
    assert len({claim.slug for claim in folklore.CLAIMS}) == len(folklore.CLAIMS)


def test_the_table():
    usual = {"name": "usual", "claimed": "", "source": "s", "accuracy": [0.8, 0.9], "mean": 0.85, "sd": 0.07}
    other = usual | {"name": "other", "claimed": "better", "accuracy": [0.7, 0.9], "mean": 0.8}
    rows = [usual | {"difference_points": 0.0, "confidence_95_points": None}]
    rows.append(other | {"difference_points": -5.0, "confidence_95_points": [-68.5, 58.5]})
    assert folklore.table(rows).splitlines()[2:] == [
        "| usual | s | 85.0 ± 7.0 | 80.0 |  |",
        "| other | better (s) | 80.0 ± 7.0 | 70.0 | -5.0 [-68.5, +58.5] |",
    ]


@pytest.mark.parametrize("name", tasks.ROWS)
def test_every_row_is_a_task_with_its_metric(name):
    row = tasks.ROWS[name]
    assert row.task in tasks.CLASSES
    of_the_task = dataclasses.asdict(row.settings)
    assert not of_the_task.pop("strict") and not of_the_task.pop("bleu_rouge")  # settings of evaluations alone
    settings = FineTuneConfig().replace(task=row.task, metric=row.metric, **of_the_task).settings()
    assert registry.SPECS[row.task].problem(settings) is None
    assert len(row.seeds) in (1, 3)


def test_colas_files_get_a_header(tmp_path):
    (tmp_path / "cola.tsv").write_text("gj04\t1\t\tOur friends.\n")
    tasks.add_header(tmp_path / "cola.tsv", tmp_path / "with.tsv")
    table = registry.CLASSIFICATION.read(str(tmp_path / "with.tsv"), text="sentence", pair=None, label="label")
    assert [(e.text, e.label) for e in table.examples] == [("Our friends.", "1")]


def test_equal_draws_are_those_of_the_whole_model():
    """Computing the last layer for [CLS] only draws fewer random numbers, so those after it differ."""
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
    model = Bert(BertConfig(vocab_size=9, max_position_embeddings=5, labels=("a", "b"), **sizes), "classification")
    ids = torch.arange(2, 7).expand(3, 5)
    batch = Batch(ids, torch.zeros_like(ids), torch.ones_like(ids))

    def drawn(logits):
        torch.manual_seed(0)
        return logits().tolist(), torch.rand(1).item()

    expected = drawn(lambda: model(ids, batch.segment_ids, batch.mask).logits)
    assert drawn(lambda: encoding.logits_of_texts(model, batch)) != expected
    with tasks.equal_draws():
        assert drawn(lambda: encoding.logits_of_texts(model, batch)) == expected
    assert drawn(lambda: encoding.logits_of_texts(model, batch)) != expected


def test_finished_results_are_read_again(tmp_path):
    calls = []
    cache = tmp_path / "work" / "cola-0.json"
    for path in (cache, cache, None):
        assert record.once(path, lambda: calls.append("computed") or {"seed": 0}) == {"seed": 0}
    assert len(calls) == 2


def test_a_record_has_no_path_of_the_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(record.sys, "argv", ["tasks.py", "--data", str(tmp_path / "data"), "cola", "--work", "../kept"])
    assert record.surroundings()["command"].endswith(" --data data cola --work ../kept")
