"""Long texts: what is kept, against the reference tokenizer's own windows and against the definition."""

import itertools

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.checkpoints import load
from minitf.errors import InputError
from minitf.text import long_texts
from minitf.text.batches import Tokens
from minitf.text.long_texts import head_and_tail, with_special_tokens
from minitf.text.windows import TRUNCATE, LongText, window_ranges

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=200)
TEXTS = ["a", "", "good " * 6, "the film was great , so very " * 5, "unwanted running " * 11, "a b c d e h " * 20]


def pieces_of(n: int) -> list[int]:
    """n different word pieces."""
    return list(range(100, 100 + n))


@PROPERTY
@given(st.integers(0, 200), st.integers(1, 40), st.data())
def test_windows_cover_a_text(n: int, room: int, data: st.DataObject) -> None:
    """Every piece in order, the overlap as requested, no window too long, none without a new piece."""
    stride = data.draw(st.integers(0, room - 1))
    inside = [pieces_of(n)[window.start : window.stop] for window in window_ranges(n, room, stride)]
    assert all(len(pieces) <= room for pieces in inside)
    assert all(len(pieces) == room for pieces in inside[:-1])
    whole = list(inside[0])
    for before, after in itertools.pairwise(inside):
        assert before[len(before) - stride :] == after[:stride]
        assert len(after) > stride
        whole += after[stride:]
    assert whole == pieces_of(n)


@PROPERTY
@given(st.integers(0, 200), st.integers(1, 40))
def test_head_and_tail(n: int, room: int) -> None:
    pieces = pieces_of(n)
    kept = head_and_tail(pieces, room)
    if n <= room:
        assert kept == pieces
    else:
        head = (room + 3) // 4
        assert kept == pieces[:head] + (pieces[-(room - head) :] if room > head else [])
        assert len(kept) == room


def test_head_and_tail_of_the_paper() -> None:
    """Sun et al. 2019, §5.3.1: of 510 the first 128 and the last 382."""
    kept = head_and_tail(pieces_of(1000), 510)
    assert kept == [*range(100, 228), *range(1100 - 382, 1100)]


@pytest.mark.parametrize(("max_length", "stride"), [(8, 0), (8, 2), (8, 5), (12, 4), (64, 7), (3, 0)])
def test_windows_as_the_reference_cuts_them(write_bert, max_length: int, stride: int) -> None:
    """Its `stride` is the overlap too."""
    folder, _ = write_bert()
    rows, owned = long_texts.encode(load.load_tokenizer(folder), TEXTS, None, max_length, LongText("windows", stride))
    theirs = transformers.AutoTokenizer.from_pretrained(folder)(
        TEXTS, truncation=True, max_length=max_length, stride=stride, return_overflowing_tokens=True
    )
    assert [t.ids for t in rows] == theirs["input_ids"]
    assert [n for n, mine in enumerate(owned) for _ in mine] == theirs["overflow_to_sample_mapping"]
    assert [list(mine) for mine in owned] == [
        [i for i, owner in enumerate(theirs["overflow_to_sample_mapping"]) if owner == n] for n in range(len(TEXTS))
    ]


def test_head_and_tail_between_special_tokens(write_bert) -> None:
    tokenizer = load.load_tokenizer(write_bert()[0])
    rows, windows = long_texts.encode(tokenizer, TEXTS, None, 12, LongText("head-tail"))
    assert windows is None
    whole = [t.ids for t in tokenizer.encode(TEXTS, None, 1000)]
    assert [t.ids for t in rows] == [[ids[0], *head_and_tail(ids[1:-1], 10), ids[-1]] for ids in whole]
    assert [t.segments for t in rows] == [[0] * len(t.ids) for t in rows]


def test_special_tokens_of_a_pair() -> None:
    first = with_special_tokens(Tokens([2], [0]), [10, 11], Tokens([3], [0]))
    assert first == Tokens([2, 10, 11, 3], [0, 0, 0, 0])
    assert with_special_tokens(first, [12], Tokens([3], [1]), 1) == Tokens([2, 10, 11, 3, 12, 3], [0, 0, 0, 0, 1, 1])


def test_truncation_is_the_tokenizers(write_bert) -> None:
    tokenizer = load.load_tokenizer(write_bert()[0])
    assert long_texts.encode(tokenizer, TEXTS, None, 9, TRUNCATE) == (tokenizer.encode(TEXTS, None, 9), None)
    assert long_texts.encode(tokenizer, TEXTS, TEXTS, 9, TRUNCATE) == (tokenizer.encode(TEXTS, TEXTS, 9), None)


def test_the_stride_that_nobody_chose() -> None:
    assert [LongText("windows").overlap(room) for room in (1, 2, 4, 126, 510)] == [0, 1, 2, 42, 170]


@pytest.mark.parametrize("stride", [6, 7, 100])
def test_a_stride_that_leaves_nothing_new(write_bert, stride: int) -> None:
    tokenizer = load.load_tokenizer(write_bert()[0])
    with pytest.raises(InputError, match=f"`stride` {stride}: a window has 6 word pieces, so .* at most 5"):
        long_texts.encode(tokenizer, TEXTS, None, 8, LongText("windows", stride))


@pytest.mark.parametrize("how", ["windows", "head-tail"])
def test_what_is_refused(write_bert, how) -> None:
    """Pairs, and a length without room."""
    tokenizer = load.load_tokenizer(write_bert()[0])
    with pytest.raises(InputError, match=f"`long_text` {how} is for single texts"):
        long_texts.encode(tokenizer, TEXTS, TEXTS, 20, LongText(how))
    with pytest.raises(InputError, match="`max_length` 2 is too small"):
        long_texts.encode(tokenizer, TEXTS, None, 2, LongText(how))
