"""SQuAD's JSON: what is read, where each mistake is told, and what any spoiled file comes to."""

import copy
import hashlib
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minitf.errors import DataError, InputError
from minitf.tasks.question_answering.data import articles, check_questions, paragraphs, rows, split
from minitf.tasks.question_answering.squad import Answer, looks_like_squad, read_squad

PROPERTY = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=400,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


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
        if not isinstance(content, bytes):
            content = (content if isinstance(content, str) else json.dumps(content)).encode()
        path.write_bytes(content)
        return path

    return write


def read_or_told(path):
    try:
        return read_squad(path), ""
    except DataError as error:
        return None, str(error)


def test_what_is_read(written):
    path = written(CONTENT)
    table = read_squad(path, text=None, pair=None, label=None)
    assert [(q.id, q.text, q.title, q.row) for q in table.examples] == [
        ("a", "How many rooms?", "Hotels", 1),
        ("b", "When?", "Hotels", 2),
        ("c", "What?", "Hotels", 3),
    ]
    assert table.examples[0].answers == (Answer("two", 14), Answer("two rooms", 14))
    assert table.examples[1].context == table.examples[2].pair == FILM
    assert all(q.context[a.start :].startswith(a.text) for q in table.examples for a in q.answers)
    assert table.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (paragraphs(table), articles(table)) == (2, 1)
    assert rows(table, table)["  words of an answer, most"] == "1"
    assert looks_like_squad(path)


def changed(path, value, base=CONTENT):
    """The content with the value at a place; `...` deletes it."""
    content = copy.deepcopy(base)
    *way, last = path
    node = content
    for key in way:
        node = node[key]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return content


QA = ("data", 0, "paragraphs", 1, "qas", 0)
ANSWER = (*QA, "answers", 0)
AT = "data[0].paragraphs[1].qas[0]"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "train.json:1: invalid JSON"),
        (b'{"data": [', "train.json:1: invalid JSON"),
        (b'{"data": "\xff"}', "0xff is not UTF-8 (byte 10 of the file)"),
        (b"[" * 100_000, "invalid JSON"),
        (b'{"data": [], "data": []}', "two values for 'data'"),
        (b"[]", "must be an object with 'data', not []"),
        (b"{}", "has no 'data'; is it SQuAD's JSON?"),
        (b'{"data": {}}', "'data' must be a list, not {}"),
        (b'{"data": []}', "holds no question"),
        (b'{"data": [3]}', "data[0]: must be an object with 'paragraphs', not 3"),
        (changed((*QA[:4], "context"), ...), "data[0].paragraphs[1]: has no 'context'"),
        (changed((*QA[:4], "context"), " \n"), "data[0].paragraphs[1]: 'context' is empty"),
        (changed((*QA[:4], "qas"), None), "data[0].paragraphs[1]: 'qas' must be a list, not None"),
        (changed((*QA, "question"), 3), f"{AT}: 'question' must be a text, not 3"),
        (changed((*QA, "question"), "\ud800?"), "holds half a character"),
        (changed((*QA, "id"), "a"), "two questions have the id 'a'"),
        (changed((*QA, "id"), True), f"{AT}: 'id' must be a text"),
        (changed((*QA, "answers"), ...), f"{AT} (id 'b'): has no 'answers'"),
        (changed((*QA, "answers"), []), f"{AT} (id 'b'): has no answer; each question needs one"),
        (changed((*QA, "is_impossible"), True), "has no answer (SQuAD 2.0)"),
        (changed((*ANSWER, "text"), ""), "answers[0]: 'text' is empty"),
        (changed((*ANSWER, "answer_start"), "12"), "'answer_start' must be a whole number, not '12'"),
        (changed((*ANSWER, "answer_start"), True), "'answer_start' must be a whole number, not True"),
        (changed((*ANSWER, "answer_start"), 0), "'1999' does not stand at character 0 of the context; it stands at 12"),
        (changed((*ANSWER, "answer_start"), -4), "does not stand at character -4"),
        (changed((*ANSWER, "answer_start"), 10**30), "does not stand at character 1000"),
        (
            changed((*ANSWER, "text"), "2001"),
            "'2001' does not stand at character 12 of the context, nor anywhere in it",
        ),
    ],
)
def test_what_cannot_be_read(written, content, told):
    path = written(content)
    with pytest.raises(DataError, match=re.escape(told)) as caught:
        read_squad(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_ids_that_are_none(written):
    """Some converted files have null there: then a question's id is its number."""
    content = changed((*QA, "id"), None)
    del content["data"][0]["paragraphs"][1]["qas"][1]["id"]
    content["data"][0]["paragraphs"][0]["qas"][0]["id"] = 17
    assert [q.id for q in read_squad(written(content)).examples] == ["17", "2", "3"]


def test_questions_alone(written):
    """To be answered: what stands in the place of answers is not looked at."""
    path = written(changed((*QA, "answers"), "none yet"))
    assert [q.answers for q in read_squad(path, need_answers=False).examples] == [()] * 3


def test_false_alarms(written):
    assert read_squad(written(changed((*QA, "is_impossible"), False))).examples
    assert read_squad(written(b"\xef\xbb\xbf" + json.dumps(CONTENT).encode())).examples


def test_other_files(written, tmp_path):
    with pytest.raises(DataError, match=r"read from SQuAD's JSON \(.json\)"):
        read_squad(written("text,label\n", "t.csv"))
    with pytest.raises(DataError, match="no such file"):
        read_squad(tmp_path / "absent.json")
    with pytest.raises(InputError, match="--text names a column"):
        read_squad(written(CONTENT), text="question")
    assert not looks_like_squad(written('{"text": "a", "label": "b"}\n', "lines.json"))
    assert not looks_like_squad(tmp_path / "absent.json")
    assert not looks_like_squad(tmp_path)


def leaves(node, way=()):
    """Every place in the tree."""
    yield way
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from leaves(value, (*way, key))


VALUES = st.sampled_from([..., None, 0, -1, 1.5, True, "", " ", "x", "two", "\ud800", [], {}, [[]], {"a": 1}, 10**400])


@PROPERTY
@given(way=st.sampled_from([way for way in leaves(CONTENT) if way]), value=VALUES)
def test_a_spoiled_tree(written, way, value):
    """Refused at the file, or every question that is left is whole."""
    path = written(changed(way, value))
    table, told = read_or_told(path)
    if table is None:
        assert told.startswith(str(path))
        assert "\n" not in told
        return
    for q in table.examples:
        assert q.answers
        assert all(q.context[a.start : a.start + len(a.text)] == a.text for a in q.answers)
    count = sum(len(p["qas"]) for a in changed(way, value)["data"] for p in a["paragraphs"])
    assert len(table.examples) == count


@PROPERTY
@given(cuts=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=3))
def test_spoiled_bytes(written, cuts):
    data = json.dumps(CONTENT, ensure_ascii=False).encode()
    for at, what, skip in cuts:
        at %= len(data)
        data = data[:at] + what + data[at + skip :]
    path = written(data)
    table, told = read_or_told(path)
    if table is None:
        assert told.startswith(str(path))
    else:
        assert all(q.context[a.start : a.start + len(a.text)] == a.text for q in table.examples for a in q.answers)


def test_split(written):
    content = {"data": [{"title": "t", "paragraphs": []}]}
    for p in range(12):
        context = f"In room {p} there is a book."
        qas = [question(f"{p}.{q}", f"Which, {q}?", context, "a book") for q in range(1 + p % 4)]
        content["data"][0]["paragraphs"].append({"context": context, "qas": qas})
    table = read_squad(written(content))
    for seed in range(8):
        left, aside = split(table, seed=seed)
        assert sorted([*left.examples, *aside.examples], key=lambda q: q.row) == list(table.examples)
        assert not {q.context for q in left.examples} & {q.context for q in aside.examples}
        assert 1 <= len(aside.examples) <= 4
        assert split(table, seed=seed) == (left, aside)
    assert len({split(table, seed=seed)[1] for seed in range(8)}) > 1
    alone = changed(("data", 0, "paragraphs"), content["data"][0]["paragraphs"][:1], content)
    with pytest.raises(DataError, match="has one paragraph"):
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
    assert (found.level, "one question is too little" in found.message) == ("error", True)
