"""Exercise of lesson 1: WordPiece, which splits a word into pieces."""

from collections.abc import Callable, Iterator, Mapping

from minitf.exercises.exercise import Case, Exercise, WrongAnswer
from minitf.text.wordpiece import pieces_of, remove_accents

Vocabulary = Mapping[str, int]


def _numbered(pieces: str) -> Vocabulary:
    """Make a vocabulary of the pieces in a line, numbered from 0 as in a `vocab.txt`."""
    return {piece: i for i, piece in enumerate(pieces.split())}


# Of two matching pieces one is longer. The vocabulary has both `ing` and `##ing`, and also `##unplay`.
SMALL = _numbered("[UNK] p pl play un ing ##a ##able ##play ##ing ##s ##i ##un ##unplay unplay")
WITHOUT_HALVES = _numbered("[UNK] play ing")  # `ing` is a piece at the start of a word only
LETTERS = _numbered("[UNK] a ##b ##c ##bc abc")
# The longest first piece of `abcd` is `abc`, and there is no `##d`. With the shorter `ab` a split exists.
DEAD_END = _numbered("[UNK] ab abc ##cd")
CASED = _numbered("[UNK] play Play ##ing ##Ing cafe café ##s")
COMPOUND = _numbered("[UNK] donau donaudampfschifffahrtsgesellschaft ##dampf ##schiff ##fahrts ##gesellschaft ##s")


def _fitting(word: str, start: int, vocabulary: Vocabulary, ends: Iterator[int] | range) -> int | None:
    """Return the first of `ends` that completes a piece of the vocabulary."""
    prefix = "##" if start else ""
    return next((end for end in ends if prefix + word[start:end] in vocabulary), None)


def _shortest_first(word: str, vocabulary: Vocabulary) -> list[str]:
    pieces, start = [], 0
    while start < len(word):
        end = _fitting(word, start, vocabulary, range(start + 1, len(word) + 1))
        if end is None:
            return ["[UNK]"]
        pieces.append(("##" if start else "") + word[start:end])
        start = end
    return pieces


def _without_marks(word: str, vocabulary: Vocabulary) -> list[str]:
    pieces, start = [], 0
    while start < len(word):
        end = next((end for end in range(len(word), start, -1) if word[start:end] in vocabulary), None)
        if end is None:
            return ["[UNK]"]
        pieces.append(word[start:end])
        start = end
    return pieces


def _marks_dropped(word: str, vocabulary: Vocabulary) -> list[str]:
    return [piece.removeprefix("##") for piece in pieces_of(word, vocabulary)]


def _with_unknown_pieces(rest: Callable[[str, int], int]) -> Callable[[str, Vocabulary], list[str]]:
    """Make a function that puts `[UNK]` where no piece matches. `rest` returns where it continues."""

    def pieces(word: str, vocabulary: Vocabulary) -> list[str]:
        found, start = [], 0
        while start < len(word):
            end = _fitting(word, start, vocabulary, range(len(word), start, -1))
            found.append("[UNK]" if end is None else ("##" if start else "") + word[start:end])
            start = rest(word, start) if end is None else end
        return found

    return pieces


def _without_unknown_pieces(word: str, vocabulary: Vocabulary) -> list[str]:
    pieces = _with_unknown_pieces(lambda word, start: len(word))(word, vocabulary)
    return [piece for piece in pieces if piece != "[UNK]"]


def _backtracking(word: str, vocabulary: Vocabulary, start: int = 0) -> list[str]:
    """Find the first complete split, trying longer pieces first."""
    if start == len(word):
        return []
    for end in range(len(word), start, -1):
        piece = ("##" if start else "") + word[start:end]
        if piece in vocabulary and (rest := _backtracking(word, vocabulary, end)) != ["[UNK]"]:
            return [piece, *rest]
    return ["[UNK]"]


def _short_pieces(word: str, vocabulary: Vocabulary) -> list[str]:
    return pieces_of(word, {piece: i for piece, i in vocabulary.items() if len(piece.removeprefix("##")) <= 15})


def _one_cut(word: str, vocabulary: Vocabulary) -> list[str]:
    """Return the longest first piece and the rest of the word, if the rest is a piece."""
    start = _fitting(word, 0, vocabulary, range(len(word), 0, -1))
    if start is None or (start < len(word) and "##" + word[start:] not in vocabulary):
        return ["[UNK]"]
    return [word] if start == len(word) else [word[:start], "##" + word[start:]]


WORDPIECE = Exercise(
    name="wordpiece",
    target=pieces_of,
    cases=(
        Case("a word that is in the vocabulary", ("play", SMALL)),
        Case("a word of two pieces", ("playing", SMALL)),
        Case("a word of three pieces", ("unplayable", _numbered("[UNK] un ##play ##able"))),
        Case("a word of many pieces", ("abcbc", LETTERS)),
        Case("a word that begins like a longer piece", ("unplayings", SMALL)),
        Case("a word with uppercase letters, cased vocabulary", ("PlayIng", CASED)),
        Case("a word of 100 letters and 100 pieces", ("a" + "b" * 99, LETTERS)),
        Case("a word that begins with a long piece", ("donaudampfschifffahrtsgesellschafts", COMPOUND)),
        Case("an uppercase word, lowercase vocabulary", ("PLAYING", SMALL), kind="corner"),
        Case("a word with an accent", ("cafés", CASED), kind="corner"),
        Case("a word whose beginning is not a piece", ("zebra", SMALL), kind="corner"),
        Case("a word whose end is not a piece", ("playz", SMALL), kind="corner"),
        Case("a word with a letter in the middle that is not a piece", ("playzing", SMALL), kind="corner"),
        Case("a word whose end is a piece only at the start of a word", ("playing", WITHOUT_HALVES), kind="corner"),
        Case("a word that cannot be split after its longest first piece", ("abcd", DEAD_END), kind="corner"),
    ),
    wrong=(
        WrongAnswer("shortest first", "the shortest matching piece is taken, not the longest", _shortest_first),
        WrongAnswer("no ##", "pieces inside a word are looked up without ##", _without_marks),
        WrongAnswer("## dropped", "pieces are looked up with ## but returned without it", _marks_dropped),
        WrongAnswer(
            "[UNK] for the rest",
            "[UNK] replaces only the rest of the word, not the whole word",
            _with_unknown_pieces(lambda word, start: len(word)),
        ),
        WrongAnswer(
            "[UNK] for a letter",
            "a letter without a matching piece becomes [UNK], and splitting continues after it",
            _with_unknown_pieces(lambda word, start: start + 1),
        ),
        WrongAnswer(
            "the rest left out",
            "the part without a matching piece is left out: the whole word must be [UNK]",
            _without_unknown_pieces,
        ),
        WrongAnswer(
            "back and again",
            "a shorter piece is tried if the rest cannot be split: WordPiece is greedy and does not backtrack",
            _backtracking,
        ),
        WrongAnswer(
            "lower case",
            "the word is lowercased: that is an earlier step of the tokenizer, WordPiece takes the word as it is",
            lambda word, vocabulary: pieces_of(word.lower(), vocabulary),
        ),
        WrongAnswer(
            "accents removed",
            "accents are removed: that is an earlier step of the tokenizer, WordPiece takes the word as it is",
            lambda word, vocabulary: pieces_of(remove_accents(word), vocabulary),
        ),
        WrongAnswer(
            "few pieces",
            "a word of many pieces becomes [UNK]: their number is not limited",
            lambda word, vocabulary: pieces if len(pieces := pieces_of(word, vocabulary)) <= 5 else ["[UNK]"],
        ),
        WrongAnswer(
            "short words",
            "a long word becomes [UNK], although it can be split into pieces",
            lambda word, vocabulary: pieces_of(word, vocabulary) if len(word) <= 20 else ["[UNK]"],
        ),
        WrongAnswer(
            "short pieces",
            "only short pieces are looked up: a piece can be as long as the word itself",
            _short_pieces,
        ),
        WrongAnswer("one cut", "the word is split at most once", _one_cut),
    ),
    gradients=False,
)

EXERCISES: tuple[Exercise, ...] = (WORDPIECE,)
