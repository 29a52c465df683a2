"""Each known mistake, planted in a real model, must be rejected by the comparison that the suite relies on."""

import dataclasses

import pytest
import transformers

from minitf.mathematics import EQUATIONS
from minitf.proof.divergence import compare_models, first_divergence
from minitf.proof.mistakes import MISTAKES, PlantedMistake
from minitf.proof.reference import open_pair
from tests.support.batches_to_compare import TIGHT, padded_batch

BY_NAME = {mistake.name: mistake for mistake in MISTAKES}


def divergence(folder, mistake: PlantedMistake):
    """Return the first tensor in which the comparison reports `mistake`, planted in our model only."""
    pair = open_pair(folder, EQUATIONS.overlay(**mistake.overlay), num_labels=3)
    mistake.change_model(pair.ours)
    batch, targets = padded_batch(7)
    seed = 11 if mistake.train else None
    # One step: in a second step, wrong weights would change the gradients of all the others.
    change = mistake.change_optimizer
    rows = compare_models(pair, batch, targets, train_seed=seed, steps=1, change_optimizer=change, tolerance=TIGHT)
    return first_divergence(rows)


@pytest.fixture
def folder(write_bert):
    return write_bert(transformers.BertForSequenceClassification, num_labels=3, num_hidden_layers=2)[0]


def test_there_are_enough_and_names_are_unique():
    assert len(MISTAKES) >= 25
    assert len(BY_NAME) == len(MISTAKES)


@pytest.mark.parametrize("train", [False, True])
def test_no_mistake_is_accepted(folder, train):
    assert divergence(folder, PlantedMistake("none", "", "", train=train)) is None


@pytest.mark.parametrize("name", BY_NAME)
def test_mistake_is_reported_at_the_first_tensor_that_it_changes(folder, name):
    mistake = BY_NAME[name]
    first = divergence(folder, mistake)
    assert first is not None, f"{name}: {mistake.explanation}: not reported"
    assert first.label.endswith(mistake.first_difference), (
        f"{name}: reported at {first.label}, not at {mistake.first_difference}"
    )


@pytest.mark.parametrize("name", [name for name, mistake in BY_NAME.items() if mistake.train])
def test_dropout_mistakes_need_train_mode(folder, name):
    """Train mode is compared because these mistakes have no effect in eval mode."""
    in_eval_mode = dataclasses.replace(BY_NAME[name], train=False)
    assert divergence(folder, in_eval_mode) is None
