"""Questions and answers: counts, findings and the split."""

import copy
import json

import pytest

from minitf.errors import DataError
from minitf.tasks.question_answering.data import articles, check_questions, paragraphs, rows, split
from minitf.tasks.question_answering.squad import read_squad


def question(number, text, context, *answers):
    found = [{"text": answer, "answer_start": context.index(answer)} for answer in answers]
    return {"id": number, "question": text, "answers": found}


HOTEL, FILM = "The hotel has two rooms, and a café.", "A film 🙂 of 1999 is not bad."
CONTENT = {
    "version": "1.1",
    "data": [
        {
            "title": "Hotels",
            "paragraphs": [
                {"context": HOTEL, "qas": [question("a", "How many rooms?", HOTEL, "two", "two rooms")]},
                {"context": FILM, "qas": [question("b", "When?", FILM, "1999"), question("c", "What?", FILM, "film")]},
            ],
        }
    ],
}


@pytest.fixture
def written(tmp_path):
    def write(content, name="train.json"):
        path = tmp_path / name
        path.write_text(json.dumps(content))
        return path

    return write


def changed(path, value, base=CONTENT):
    """The content with another value at `path`; `...` deletes it."""
    content = copy.deepcopy(base)
    *parents, last = path
    node = content
    for key in parents:
        node = node[key]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return content


QA = ("data", 0, "paragraphs", 1, "qas", 0)


def test_counts(written):
    table = read_squad(written(CONTENT))
    assert (paragraphs(table), articles(table)) == (2, 1)
    assert rows(table, table)["  words of an answer, longest"] == "1"


def test_split(written):
    content = {"data": [{"title": "t", "paragraphs": []}]}
    for p in range(12):
        context = f"In room {p} there is a book."
        qas = [question(f"{p}.{q}", f"Which, {q}?", context, "a book") for q in range(1 + p % 4)]
        content["data"][0]["paragraphs"].append({"context": context, "qas": qas})
    table = read_squad(written(content))
    for seed in range(8):
        kept, held_out = split(table, seed=seed)
        assert sorted([*kept.examples, *held_out.examples], key=lambda q: q.row) == list(table.examples)
        assert not {q.context for q in kept.examples} & {q.context for q in held_out.examples}
        assert 1 <= len(held_out.examples) <= 4
        assert split(table, seed=seed) == (kept, held_out)
    assert len({split(table, seed=seed)[1] for seed in range(8)}) > 1
    alone = changed(("data", 0, "paragraphs"), content["data"][0]["paragraphs"][:1], content)
    with pytest.raises(DataError, match="too few to hold some out for validation while every paragraph stays whole"):
        split(read_squad(written(alone)))


def test_findings(written):
    train = read_squad(written(CONTENT))
    assert check_questions(train) == []
    twice = changed((*QA[:5], 1, "question"), "When?")
    (found,) = check_questions(read_squad(written(twice)))
    assert (found.level, "question 'c' repeats an earlier one" in found.message) == ("warning", True)
    (found,) = check_questions(train, read_squad(written(CONTENT, "valid.json")))
    assert "the paragraph of question 'a' is in" in found.message
    assert "(3 questions in all)" in found.message
    one = changed(("data", 0, "paragraphs"), CONTENT["data"][0]["paragraphs"][:1])
    (found,) = check_questions(read_squad(written(one)))
    assert (found.level, "one question is too few" in found.message) == ("error", True)
