"""The list of tasks: what each spec promises without torch is what its task does, and which task labels suggest."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from minitf.datasets.dataset import Dataset, Example
from minitf.errors import InputError
from minitf.mathematics import EQUATIONS
from minitf.tasks import registry
from minitf.tasks.classification.metrics import ClassificationMetrics
from minitf.tasks.language_model.metrics import LanguageModelMetrics
from minitf.tasks.multilabel.metrics import MultiLabelMetrics
from minitf.tasks.question_answering.metrics import SpanMetrics
from minitf.tasks.regression.metrics import RegressionMetrics
from minitf.tasks.seq2seq.metrics import Seq2SeqMetrics
from minitf.tasks.spec import TaskSettings
from minitf.tasks.tagging.metrics import EntityMetrics

ROOT = Path(__file__).parent.parent.parent
METRICS = {
    "classification": ClassificationMetrics,
    "multilabel": MultiLabelMetrics,
    "regression": RegressionMetrics,
    "tagging": EntityMetrics,
    "qa": SpanMetrics,
    "seq2seq": Seq2SeqMetrics,
    "language-model": LanguageModelMetrics,
}
LOWER_IS_BETTER = {"loss", "rmse", "perplexity"}


def dataset(*labels: str) -> Dataset:
    examples = tuple(Example(f"text {i}", None, label, i + 2) for i, label in enumerate(labels))
    return Dataset("t.csv", examples, "text", None, "labels", "0" * 64)


@dataclasses.dataclass(frozen=True)
class Config:
    """What a spec reads of a saved model's configuration."""

    labels: tuple[str, ...] = ("a", "b")
    num_labels: int = 2
    problem_type: str | None = None


@pytest.mark.parametrize("name", registry.SPECS)
def test_a_spec_describes_its_task(name: str) -> None:
    """Its metrics are fields of the task's metrics, and it says for each which direction is better."""
    spec = registry.SPECS[name]
    task = spec.restore(Config(), TaskSettings(), EQUATIONS)
    assert (task.name, task.head) == (spec.name, spec.head) == (name, spec.head)
    assert set(spec.metrics) <= {field.name for field in dataclasses.fields(METRICS[name])}
    assert spec.lower_is_better & set(spec.metrics) == LOWER_IS_BETTER & set(spec.metrics)


def test_a_task_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SPECS", dict(registry.SPECS))
    spec = dataclasses.replace(registry.SPECS["classification"], name="mine", metrics=("mine_alone", "loss"))
    registry.register(spec)
    assert registry.SPECS["mine"] is spec
    assert "mine_alone" in registry.metrics()


@pytest.mark.parametrize("module", ["registry", "spec"])
def test_specs_and_data_need_no_torch(module: str) -> None:
    """Seen in a fresh Python; the registry imports every spec, and each spec its data module."""
    program = f"""
import sys
import minitf.tasks.{module}
print(sorted({{"torch", "numpy", "tokenizers", "safetensors"}} & set(sys.modules)))
print(sorted(name for name in sys.modules if name.startswith("minitf.tasks.") and name.endswith((".spec", ".data"))))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy, modules = done.stdout.splitlines()
    assert heavy == "[]"
    if module == "registry":
        files = [*(ROOT / "minitf/tasks").rglob("spec.py"), *(ROOT / "minitf/tasks").rglob("data.py")]
        names = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files)
        assert modules == str(names)


@pytest.mark.parametrize(
    ("labels", "task", "why"),
    [
        (["a", "b|c", ""], "multilabel", "several labels in a cell (row 3: 'b|c')"),
        (["0.5", "1", "2"], "regression", "3 different numbers, not all of them whole"),
        ([str(n) for n in range(21)], "regression", "21 different whole numbers"),
        ([str(n) for n in range(20)], "classification", "20 different labels (`task` regression predicts the number)"),
        (["1", "5", "1"], "classification", "2 different labels"),
        (["1.0", "2.0"], "classification", "2 different labels"),
        (["0.5", "nan"], "classification", "2 different labels"),
        (["a", "b", ""], "classification", "2 different labels"),
        (["a"], "classification", "1 different label"),
        (["", ""], "classification", "0 different labels"),
    ],
)
def test_the_task_that_labels_suggest(labels: list[str], task: str, why: str) -> None:
    spec, reason = registry.by_labels(dataset(*labels))
    assert spec.name == task
    assert reason.startswith("column 'labels' ")
    assert why in reason


@pytest.mark.parametrize(
    ("head", "config", "task"),
    [
        ("classification", Config(), "classification"),
        ("classification", Config(problem_type="multi_label_classification"), "multilabel"),
        ("classification", Config(problem_type="regression"), "regression"),
        ("classification", Config(num_labels=1), "regression"),
        ("tagging", Config(), "tagging"),
        ("qa", Config(), "qa"),
    ],
)
def test_the_task_of_a_checkpoint(head: str, config: Config, task: str) -> None:
    assert registry.of_checkpoint("m", head, config).name == task


@pytest.mark.parametrize("head", ["masked-lm", None])
def test_a_checkpoint_without_a_task(head: str | None) -> None:
    with pytest.raises(InputError, match=r"^m: has no head for predictions"):
        registry.of_checkpoint("m", head, Config())
