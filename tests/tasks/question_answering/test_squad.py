"""SQuAD's JSON: what is read, the message for each error, and files with random damage."""

import copy
import hashlib
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minitf.errors import DataError, InputError
from minitf.tasks.question_answering.squad import TrueAnswer, looks_like_squad, read_squad

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


def read_or_message(path):
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
    assert table.examples[0].answers == (TrueAnswer("two", 14), TrueAnswer("two rooms", 14))
    assert table.examples[1].context == table.examples[2].pair == FILM
    assert all(q.context[a.start :].startswith(a.text) for q in table.examples for a in q.answers)
    assert table.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert looks_like_squad(path)


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
ANSWER = (*QA, "answers", 0)
AT = "data[0].paragraphs[1].qas[0]"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "train.json:1: invalid JSON"),
        (b'{"data": [', "train.json:1: invalid JSON"),
        (b'{"data": "\xff"}', "0xff is not UTF-8 (byte 10 of the file)"),
        (b"[" * 100_000, "invalid JSON"),
        (b'{"data": [], "data": []}', "two values for 'data'"),
        (b"[]", "must be an object with 'data', not []"),
        (b"{}", "has no 'data'; is it SQuAD's JSON?"),
        (b'{"data": {}}', "'data' must be a list, not {}"),
        (b'{"data": []}', "has no questions"),
        (b'{"data": [3]}', "data[0]: must be an object with 'paragraphs', not 3"),
        (changed((*QA[:4], "context"), ...), "data[0].paragraphs[1]: has no 'context'"),
        (changed((*QA[:4], "context"), " \n"), "data[0].paragraphs[1]: 'context' is empty"),
        (changed((*QA[:4], "qas"), None), "data[0].paragraphs[1]: 'qas' must be a list, not None"),
        (changed((*QA, "question"), 3), f"{AT}: 'question' must be a text, not 3"),
        (changed((*QA, "question"), "\ud800?"), "contains half a character"),
        (changed((*QA, "id"), "a"), "two questions have the id 'a'"),
        (changed((*QA, "id"), True), f"{AT}: 'id' must be a text"),
        (changed((*QA, "answers"), ...), f"{AT} (id 'b'): has no 'answers'"),
        (changed((*QA, "answers"), []), f"{AT} (id 'b'): has no answer; each question needs one"),
        (changed((*QA, "is_impossible"), True), "has no answer (SQuAD 2.0)"),
        (changed((*ANSWER, "text"), ""), "answers[0]: 'text' is empty"),
        (changed((*ANSWER, "answer_start"), "12"), "'answer_start' must be a whole number, not '12'"),
        (changed((*ANSWER, "answer_start"), True), "'answer_start' must be a whole number, not True"),
        (changed((*ANSWER, "answer_start"), 0), "'1999' is not at character 0 of the context; it is at 12"),
        (changed((*ANSWER, "answer_start"), -4), "is not at character -4"),
        (changed((*ANSWER, "answer_start"), 10**30), "is not at character 1000"),
        (
            changed((*ANSWER, "text"), "2001"),
            "'2001' is not at character 12 of the context, nor anywhere in it",
        ),
    ],
)
def test_what_cannot_be_read(written, content, message):
    path = written(content)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_squad(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_questions_without_an_id(written):
    """Some converted files have null there: then the id of a question is its number."""
    content = changed((*QA, "id"), None)
    del content["data"][0]["paragraphs"][1]["qas"][1]["id"]
    content["data"][0]["paragraphs"][0]["qas"][0]["id"] = 17
    assert [q.id for q in read_squad(written(content)).examples] == ["17", "2", "3"]


def test_questions_without_answers(written):
    """As for a prediction: the value of "answers" is ignored."""
    path = written(changed((*QA, "answers"), "none yet"))
    assert [q.answers for q in read_squad(path, need_answers=False).examples] == [()] * 3


def test_unusual_files_that_are_valid(written):
    assert read_squad(written(changed((*QA, "is_impossible"), False))).examples
    assert read_squad(written(b"\xef\xbb\xbf" + json.dumps(CONTENT).encode())).examples


def test_other_files(written, tmp_path):
    with pytest.raises(DataError, match=r"read from SQuAD's JSON \(.json\)"):
        read_squad(written("text,label\n", "t.csv"))
    with pytest.raises(DataError, match="no such file"):
        read_squad(tmp_path / "absent.json")
    with pytest.raises(InputError, match="`text` names a column"):
        read_squad(written(CONTENT), text="question")
    assert not looks_like_squad(written('{"text": "a", "label": "b"}\n', "lines.json"))
    assert not looks_like_squad(tmp_path / "absent.json")
    assert not looks_like_squad(tmp_path)


def paths(node, path=()):
    """The path of every node in the tree."""
    yield path
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from paths(value, (*path, key))


VALUES = st.sampled_from([..., None, 0, -1, 1.5, True, "", " ", "x", "two", "\ud800", [], {}, [[]], {"a": 1}, 10**400])


@PROPERTY
@given(node=st.sampled_from([path for path in paths(CONTENT) if path]), value=VALUES)
def test_a_damaged_tree(written, node, value):
    """The file is refused, or every question in it is complete."""
    path = written(changed(node, value))
    table, message = read_or_message(path)
    if table is None:
        assert message.startswith(str(path))
        assert "\n" not in message
        return
    for q in table.examples:
        assert q.answers
        assert all(q.context[a.start : a.start + len(a.text)] == a.text for a in q.answers)
    count = sum(len(p["qas"]) for a in changed(node, value)["data"] for p in a["paragraphs"])
    assert len(table.examples) == count


@PROPERTY
@given(cuts=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=3))
def test_damaged_bytes(written, cuts):
    data = json.dumps(CONTENT, ensure_ascii=False).encode()
    for at, what, skip in cuts:
        at %= len(data)
        data = data[:at] + what + data[at + skip :]
    path = written(data)
    table, message = read_or_message(path)
    if table is None:
        assert message.startswith(str(path))
    else:
        assert all(q.context[a.start : a.start + len(a.text)] == a.text for q in table.examples for a in q.answers)
