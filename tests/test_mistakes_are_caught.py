"""Each known mistake, planted in a real model, must be rejected by the comparison that the suite relies on."""

import pytest
import transformers

from minitf.mathematics import EQUATIONS
from minitf.proof.divergence import first_divergence, walk
from minitf.proof.mistakes import MISTAKES, Mistake
from minitf.proof.reference import open_pair
from tests.support.batches_to_compare import TIGHT, padded_batch

BY_NAME = {mistake.name: mistake for mistake in MISTAKES}


def divergence(folder, mistake: Mistake):
    """Where the suite's comparison first sees `mistake`, planted in our model only."""
    pair = open_pair(folder, EQUATIONS.overlay(**mistake.overlay), num_labels=3)
    mistake.plant(pair.ours)
    batch, targets = padded_batch(7)
    seed = 11 if mistake.train else None
    # One step: in a second one, weights moved wrongly would spoil the gradients of all the others.
    return first_divergence(walk(pair, batch, targets, train_seed=seed, steps=1, plant=mistake.spoil, tolerance=TIGHT))


@pytest.fixture
def folder(write_bert):
    return write_bert(transformers.BertForSequenceClassification, num_labels=3, num_hidden_layers=2)[0]


def test_there_are_enough_and_each_has_its_name():
    assert len(MISTAKES) >= 25
    assert len(BY_NAME) == len(MISTAKES)


@pytest.mark.parametrize("train", [False, True])
def test_no_mistake_is_accepted(folder, train):
    assert divergence(folder, Mistake("none", "", "", train=train)) is None


@pytest.mark.parametrize("name", BY_NAME)
def test_mistake_is_caught_where_it_shows(folder, name):
    mistake = BY_NAME[name]
    first = divergence(folder, mistake)
    assert first is not None, f"{name}: {mistake.tells}: went unnoticed"
    assert first.label.endswith(mistake.shows), f"{name}: seen at {first.label}, not at {mistake.shows}"


@pytest.mark.parametrize("name", [name for name, mistake in BY_NAME.items() if mistake.train])
def test_dropout_mistakes_need_train_mode(folder, name):
    """The reason why train mode is compared at all: eval mode is blind to these."""
    spoiled = BY_NAME[name]
    blind = Mistake(spoiled.name, spoiled.tells, spoiled.shows, spoiled.overlay, spoiled.plant, train=False)
    assert divergence(folder, blind) is None
