"""`python -m minitf.attend`: a picture for every view, the maps of every kind of model, and one line for a slip."""

import pytest
from conftest import write_vocabulary

from minitf import attend

TEXT = "the film was great , so great"


@pytest.fixture
def folder(write_member):
    folder, _ = write_member("bert", "classification", num_labels=3)
    write_vocabulary(folder)
    return folder


@pytest.mark.parametrize("dark", [[], ["--dark"]])
@pytest.mark.parametrize("view", attend.VIEWS)
def test_every_view(folder, run_command, tmp_path, view, dark):
    status, said, complaints = run_command(
        attend.main, folder, TEXT, "a hotel", "--output", tmp_path / "maps.png", "--view", view, *dark
    )
    assert (status, complaints) == (0, "")
    assert said.endswith(f"drawn: {tmp_path / 'maps.png'}\n")
    assert (tmp_path / "maps.png").read_bytes().startswith(b"\x89PNG")
    if view == "explain":
        assert "completeness residual" in said and "rank correlation" in said
    else:
        assert said.startswith("3 layers of 4 heads over 12 tokens\n")


@pytest.mark.parametrize(("model_type", "head"), [("bert", None), ("bert", "pretraining"), ("distilbert", "tagging")])
def test_models_without_a_classifier(write_member, run_command, tmp_path, model_type, head):
    labels = {"num_labels": 5} if head == "tagging" else {}
    folder, _ = write_member(model_type, head, **labels)
    write_vocabulary(folder)
    assert run_command(attend.main, folder, TEXT, "--output", tmp_path / "m.svg")[0] == 0
    status, _, complaint = run_command(attend.main, folder, TEXT, "--output", tmp_path / "e.svg", "--view", "explain")
    assert status == 2
    assert complaint == "minitf: explains a prediction, so it needs a model with a classifier: fine-tune one first\n"


def test_one_head_by_its_number(folder, run_command, tmp_path):
    argv = [folder, TEXT, "--output", tmp_path / "m.svg", "--view", "head"]
    assert run_command(attend.main, *argv, "--layer", 2, "--head", 4)[0] == 0
    assert "layer 2, head 4" in (tmp_path / "m.svg").read_text()
    assert run_command(attend.main, *argv)[0] == 0
    assert "layer 3, head 1" in (tmp_path / "m.svg").read_text()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--output", "maps.gif"], "--output maps.gif: the ending must be one of .svg, .png, .pdf"),
        (["--output", "maps.png", "--layer", "1"], "--layer does not go with --view grid"),
        (["--output", "maps.png", "--view", "rollout", "--head", "1"], "--head does not go with --view rollout"),
        (["--output", "maps.png", "--label", "x"], "--label does not go with --view grid"),
        (["--output", "maps.png", "--view", "head", "--head", "5"], "no layer 3, head 5: "),
        (["--output", "maps.png", "--view", "explain", "--label", "x"], "the label 'x' is none of LABEL_0, LABEL_1"),
        (["--output", "maps.png", "--max-length", "99"], "max_length 99: this model has learned only 64 positions"),
        (["--output", "none/maps.png"], "--output none/maps.png: cannot be written"),
    ],
)
def test_slips(folder, run_command, tmp_path, monkeypatch, argv, said):
    monkeypatch.chdir(tmp_path)
    status, _, complaint = run_command(attend.main, folder, TEXT, *argv)
    assert status == 2
    assert complaint.startswith(f"minitf: {said}") and complaint.count("\n") == 1
    assert not list(tmp_path.glob("maps.*"))


def test_chinese(folder, run_command, tmp_path):
    """In an SVG the letters are the browser's to draw; matplotlib has none of its own and would warn."""
    assert run_command(attend.main, folder, "中国 hotel", "--output", tmp_path / "m.svg")[0] == 0
