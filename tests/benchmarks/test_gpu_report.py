"""The GPU report on a CPU, where all of it runs: every check passes, every check can fail, and a CPU's numbers are
never written where those of a GPU are kept."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu_checks, gpu_report, gpu_training, record
from benchmarks.gpu_checks import QUICK, SINGLE, Setup
from minitf.cli import console
from minitf.equations import activation, update
from minitf.errors import InputError
from minitf.mathematics import EQUATIONS, KERNELS
from minitf.proof.mistakes import MISTAKES
from minitf.proof.report import device_name

ROOT = Path(__file__).parent.parent.parent
CPU = torch.device("cpu")
TINY = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
OVERLAY = {mistake.name: mistake.overlay for mistake in MISTAKES}

# Packages that a machine with only torch and transformers lacks. The report must not need them.
ABSENT = ("matplotlib", "sklearn", "scipy", "pandas", "hypothesis", "pytest", "optuna")
BARE = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({ABSENT}))
runpy.run_module("benchmarks.gpu_report", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def tiny(write_bert) -> Path:
    return write_bert(**TINY)[0]


@pytest.fixture
def setup(tiny: Path) -> Setup:
    return Setup(tiny, CPU, QUICK)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The places that a full run on a GPU writes to, moved to a temporary folder: results/ and results.md."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results.md").write_text("above\n<!-- gpu table -->\nold\n<!-- /gpu table -->\nbelow\n")
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(gpu_report, "PAGE", tmp_path / "results.md")
    return tmp_path


@pytest.fixture
def truncated_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Emulate TF32 in `@`: factors have 10 mantissa bits, the product is float32."""
    exact = torch.Tensor.__matmul__

    def truncated(X: torch.Tensor) -> torch.Tensor:
        return (X.contiguous().view(torch.int32) & ~0x1FFF).view(torch.float32) if X.dtype == torch.float32 else X

    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda X, Y: exact(truncated(X), truncated(Y)))


def test_the_whole_report_on_a_bare_machine(tiny: Path, tmp_path: Path):
    flags = ["--quick", "--device", "cpu", "--model", str(tiny), "--output", str(tmp_path / "out" / "deep")]
    command = [sys.executable, "-W", "error", "-c", BARE, *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.splitlines()[-1] == "all checks passed"
    assert [path.name for path in (tmp_path / "out" / "deep").iterdir()] == ["cpu-check.json"]
    content = json.loads((tmp_path / "out" / "deep" / "cpu-check.json").read_text())
    assert (content["device"], content["passed"]) == ("cpu", True)
    assert "gpu" not in content
    assert {"commit", "torch", "transformers", "cpu"} <= set(content)
    checks = {check["name"]: check for check in content["checks"]}
    assert list(checks) == list(gpu_report.CHECKS)
    for check in checks.values():
        assert check["passed"] is True
        assert set(check) == {"name", "passed", "measured", "tolerance", "numbers", "seconds"}

    tight = checks["equivalence, float64"]
    assert tight["tolerance"] == {"forward": 1e-10, "gradient": 1e-10, "weight": 1e-10}
    assert max(tight["numbers"]["largest"].values()) <= 1e-10
    cases = tight["numbers"]["cases"]
    assert set(cases) == {f"{m}, {mode}" for m in ("equations", "kernels") for mode in ("eval", "train")} | {
        "kernels, fused attention"
    }
    weights = 5 + 2 * 16 + 4
    assert cases["equations, eval"]["tensors"] == (5 + 2 * 12 + 3) + (2 + 1) + 2 * weights
    assert cases["equations, train"]["tensors"] == cases["equations, eval"]["tensors"] - 2  # A is not comparable there
    assert checks["equivalence, float32"]["tolerance"]["forward"] == 1e-5
    assert checks["equivalence, float32 with TF32"]["numbers"]["in_effect"] is False
    assert checks["error, bfloat16"]["tolerance"] == 1.10
    trajectory = checks["trajectory, float64"]
    assert trajectory["tolerance"] == 1e-8
    assert trajectory["numbers"]["sides"] == ["kernels on cpu", "equations on cpu"]
    assert len(trajectory["numbers"]["losses"][0]) == QUICK.steps
    speed = checks["training speed"]["numbers"]["float32"]
    assert len(speed["turns"]) == QUICK.turns
    assert min(speed["sentences_per_second"].values()) > 0
    assert speed["peak_bytes"] == {"minitf": None, "transformers": None}


def test_the_size_of_a_full_run():
    assert gpu_checks.FULL.steps == 50
    assert gpu_checks.FULL.speed_batch == 32


def test_a_planted_mistake_gives_status_1_and_is_named(tiny: Path, capsys, repository: Path):
    flags = ["--quick", "--device", "cpu", "--model", str(tiny)]
    before = (repository / "results.md").read_text()
    arguments = gpu_report.parser().parse_args(flags)
    assert gpu_report.run_checks(arguments, kernels=KERNELS.overlay(gelu=activation.gelu_tanh)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "FAILED: equivalence, float64; equivalence, float32; trajectory, float64"
    first = next(line for line in lines if line.startswith("FAIL  equivalence, float64"))
    assert "kernels, eval: encoder.layers.0.activation (forward)" in first
    # the numbers of a CPU are written nowhere
    assert "nothing written: not measured on a GPU; --output writes the record" in lines
    assert list((repository / "results").iterdir()) == []
    assert (repository / "results.md").read_text() == before


def wrong_unseen(Q, K, V, mask=None, dropout=0.0, need_attention=False, *, softmax, drop):
    """Attention that is correct only if the attention weights are requested."""
    f = EQUATIONS.scaled_dot_product_attention
    context, A = f(Q, K, V, mask, dropout, need_attention, softmax=softmax, drop=drop)
    return (context if need_attention else context * 1.001), A


def coarse(x, gamma, beta, eps):
    return KERNELS.layer_norm(x, gamma, beta, eps) * 1.01


def no_update(theta, g, state, lr, **settings):
    """An update rule that changes nothing."""


@pytest.mark.parametrize(
    ("check", "side", "overlay", "expected"),
    [
        ("equivalence, float64", "equations", OVERLAY["LayerNorm ε 1e-5"], "equations, eval: embeddings.norm"),
        ("equivalence, float64", "kernels", {"scaled_dot_product_attention": wrong_unseen}, "ffn_norm/without-A"),
        ("equivalence, float64", "kernels", OVERLAY["no bias correction"], "(weight)"),
        ("equivalence, float32", "kernels", OVERLAY["tanh GELU"], "activation"),
        ("equivalence, float32 with TF32", "kernels", OVERLAY["no scaling"], "QKᵀ/√d_k"),
        ("error, bfloat16", "kernels", {"layer_norm": coarse}, "×"),
        ("trajectory, float64", "kernels", OVERLAY["no bias correction"], "after 4 steps"),
        ("trajectory, float64", "both", {"adamw": no_update}, "0.0e+00 after 4 steps"),
    ],
)
def test_every_judged_check_can_fail(setup: Setup, check, side, overlay, expected):
    sides = ("equations", "kernels") if side == "both" else (side,)
    faulty = dataclasses.replace(setup, **{s: getattr(setup, s).overlay(**overlay) for s in sides})
    found = gpu_report.run_check(check, gpu_report.CHECKS[check], faulty)
    assert found["passed"] is False
    assert expected in found["measured"]


def test_nan_weights_fail(setup: Setup):
    """A maximum can miss NaN."""

    @torch.no_grad()
    def last_step_sets_one(theta, g, state, lr, **settings):
        update.adamw(theta, g, state, lr, **settings)
        if state["t"] == QUICK.steps and theta.dim() == 1:
            theta[0] = torch.nan

    faulty = dataclasses.replace(setup, kernels=KERNELS.overlay(adamw=last_step_sets_one))
    with pytest.raises(InputError, match="nan"):  # in the report, a check that raises fails
        gpu_training.trajectory(faulty)


def test_tf32_products_are_detected(setup: Setup, truncated_products):
    assert gpu_checks.product_error(CPU) > 10 * SINGLE
    found = gpu_checks.tf32(setup)
    assert found["numbers"]["in_effect"] is True
    assert "no TF32" not in found["measured"]


def test_float32_fails_if_tf32_was_on_for_both(setup: Setup, monkeypatch: pytest.MonkeyPatch):
    """Then both sides are equally wrong, and only the product shows it."""
    assert gpu_checks.product_error(CPU) < SINGLE / 10
    monkeypatch.setattr(gpu_checks, "product_error", lambda device: 2e-4)
    assert gpu_checks.float32(setup)["passed"] is False


def test_the_precision_of_products_is_restored():
    before = torch.backends.cuda.matmul.fp32_precision
    with gpu_checks.float32_products("tf32"):
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
        with gpu_checks.float32_products("ieee"):
            assert torch.backends.cuda.matmul.fp32_precision == "ieee"
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    assert torch.backends.cuda.matmul.fp32_precision == before


def test_a_check_that_raises_fails_and_the_next_one_runs(tiny: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    def broken(setup):
        raise RuntimeError("out of | memory\nand more")

    fine = {"passed": True, "measured": "1", "tolerance": None, "numbers": {}}
    monkeypatch.setattr(gpu_report, "CHECKS", {"one": broken, "two": lambda setup: dict(fine)})
    assert gpu_report.main(["--device", "cpu", "--model", str(tiny)]) == 1
    out, err = capsys.readouterr()
    assert "FAIL  one: RuntimeError: out of / memory  [" in out
    assert "pass  two: 1  [" in out
    assert out.endswith("FAILED: one\n")
    assert "Traceback" in err


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--device", "cuda"], "--device cuda: PyTorch sees no NVIDIA GPU here; use --device cpu"),
        (["--device", "cpu", "--output", __file__], "cannot be created"),
        (["--device", "cpu", "--model", __file__], "test_gpu_report.py"),
        (["--device", "tpu"], "argument --device"),
    ],
)
def test_bad_input_ends_with_2_and_one_line(flags, expected, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu_report", *flags])
    with pytest.raises(SystemExit) as left:
        console.run(gpu_report.main)
    assert left.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert expected in err


CONTENT = {
    "gpu": "Maker's Card 9000 (80GB)",
    "cuda": "1.2",
    "torch": "3.4",
    "transformers": "5.6",
    "date": "2000-01-01",
    "commit": "0123456789abcdef",
    "dirty": False,
    "model": "some-model",
    "command": "python -m benchmarks.gpu_report",
    "checks": [
        {"name": "a", "measured": "2", "tolerance": {"forward": 1e-10}, "passed": True, "seconds": 3.4, "numbers": {}},
        {"name": "b", "measured": "4", "tolerance": 1.1, "passed": False, "seconds": 0.0, "numbers": {}},
        {"name": "c", "measured": "6", "tolerance": None, "passed": True, "seconds": 60.6, "numbers": {}},
    ],
}
TABLE = """\
some-model on Maker's Card 9000 (80GB); PyTorch 3.4, transformers 5.6, CUDA 1.2; 2000-01-01, commit 0123456:
`python -m benchmarks.gpu_report`

| check | measured | allowed | passed | seconds |
|---|---|---|---|---|
| a | 2 | forward 1e-10 | yes | 3 |
| b | 4 | 1.1 | **no** | 0 |
| c | 6 | – | yes | 61 |"""


def test_a_gpu_writes_its_record_and_its_table(repository: Path, capsys):
    """Twice; the second run replaces the first. Only the text between the marks of the page changes."""
    for _ in range(2):
        gpu_report.publish(CONTENT, torch.device("cuda"), None, quick=False)
        assert TABLE in capsys.readouterr().out
        page = (repository / "results.md").read_text()
        assert page == f"above\n<!-- gpu table -->\n{TABLE}\n<!-- /gpu table -->\nbelow\n"
        assert [path.name for path in (repository / "results").iterdir()] == ["gpu-maker-s-card-9000-80gb.json"]
        assert json.loads((repository / "results" / "gpu-maker-s-card-9000-80gb.json").read_text()) == CONTENT


@pytest.mark.parametrize("page", [None, "no marks\n", "<!-- /gpu table -->\n<!-- gpu table -->\n"])
def test_a_page_without_marks_is_not_changed(repository: Path, page):
    path = repository / "results.md"
    path.unlink()
    if page is not None:
        path.write_text(page)
    gpu_report.publish(CONTENT, torch.device("cuda"), None, quick=False)
    assert (path.read_text() if path.exists() else None) == page


@pytest.mark.parametrize(("device", "quick"), [("cpu", False), ("cpu", True), ("cuda", True)])
def test_nothing_else_adds_to_the_repository(repository: Path, device, quick):
    page = (repository / "results.md").read_text()
    gpu_report.publish(CONTENT, torch.device(device), None, quick)
    gpu_report.make_folder(repository / "own")
    gpu_report.publish(CONTENT, torch.device(device), repository / "own", quick)
    assert len(list((repository / "own").iterdir())) == 1
    assert [path.name for path in (repository / "results").iterdir()] == []
    assert (repository / "results.md").read_text() == page


def test_the_folder_is_created_before_anything_is_measured(tmp_path: Path):
    gpu_report.make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be created"):
        gpu_report.make_folder(tmp_path / "file" / "below")


@pytest.mark.gpu
def test_on_a_gpu(tmp_path: Path):
    """The full report, at most ten minutes."""
    assert gpu_report.main(["--device", "cuda", "--output", str(tmp_path)]) == 0
    (path,) = tmp_path.iterdir()
    assert path.name == f"gpu-{gpu_report.slug(torch.cuda.get_device_name())}.json"
    content = json.loads(path.read_text())
    assert sum(check["seconds"] for check in content["checks"]) < 600
    assert device_name(torch.device("cuda")) == f"cuda ({content['gpu']})"
    checks = {check["name"]: check["numbers"] for check in content["checks"]}
    assert checks["trajectory, float64"]["sides"] == ["kernels on cuda", "equations on cpu"]
    for measured in checks["training speed"].values():
        assert min(measured["peak_bytes"].values()) > 0
