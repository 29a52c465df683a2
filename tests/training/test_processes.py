"""The variables of torchrun: what a cluster sets for other programs is refused in one line."""

import pytest

from minitf import finetune
from minitf.errors import InputError
from minitf.training.processes import processes

WHOLE = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch):
    def set_only(variables: dict[str, str]) -> None:
        for name in WHOLE:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_only


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (WHOLE, (1, 2)),
        ({name: value for name, value in WHOLE.items() if name != "LOCAL_RANK"}, (1, 2)),
        ({}, (0, 1)),
        ({"WORLD_SIZE": "4"}, (0, 1)),
        ({"RANK": "0"}, (0, 1)),
        ({"RANK": "0", "WORLD_SIZE": "1"}, (0, 1)),
    ],
)
def test_what_torchrun_sets(environment, variables: dict[str, str], expected: tuple[int, int]) -> None:
    environment(variables)
    assert processes() == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"MASTER_ADDR": None},
        {"MASTER_PORT": None},
        {"MASTER_ADDR": None, "MASTER_PORT": None},
        {"RANK": "x"},
        {"WORLD_SIZE": "y"},
        {"WORLD_SIZE": ""},
        {"RANK": "2"},
        {"RANK": "-1"},
        {"LOCAL_RANK": "first"},
        {"MASTER_PORT": "http"},
        {"MASTER_PORT": "70000"},
    ],
)
def test_incomplete_variables_are_refused_in_one_line(environment, run_command, here, changes) -> None:
    environment({name: value for name, value in (WHOLE | changes).items() if value is not None})
    with pytest.raises(InputError, match=r"torchrun"):
        processes()
    status, _, err = run_command(finetune.main, "--train", "absent.csv", "--output", "out")
    assert (status, err.count("\n")) == (2, 1)
    assert "unset RANK" in err
