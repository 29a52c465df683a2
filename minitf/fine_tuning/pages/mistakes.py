"""The worst mistakes as cards: the prediction and the true answer first, a long text folded."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from minitf.fine_tuning.pages.markup import escape, folded, isolated, number

COLOURS = 6  # of entity types; more types share them
CHIP = 300  # characters of a prediction or a true answer in the first line


def mistake_cards(mistakes: Sequence[Mapping[str, Any]], mistaken: int, task: str) -> str:
    """Format a card for each mistake."""
    what = "predictions, none of which is exactly right" if task == "regression" else "mistakes"
    note = f"{len(mistakes):,} of {mistaken:,} {what}, with the largest loss first. Is the model wrong, or the label?"
    cards = "\n".join(f'<li class="card">{_card(mistake)}</li>' for mistake in mistakes)
    return f'<p class="soft">{note}</p><ol class="cards">{cards}</ol>'


def _card(m: Mapping[str, Any]) -> str:
    texts = [f"{folded(m['text'], 'Whole text')}"]
    if m["pair"] is not None:
        # The answer to a question is a part of its paragraph.
        parts = m.get("answers") or {}
        kinds = {"predicted": "wrong", "true": "right"}
        marks = [(*parts[name], kind) for name, kind in kinds.items() if parts.get(name)]
        name = "Paragraph with both answers" if marks else "Second text"
        texts.append(folded(m["pair"], name, marks))
    return _verdict(m["said"], m["true"], m) + "".join(texts)


def _verdict(predicted: str, true: str, m: Mapping[str, Any]) -> str:
    chips = [
        f'<span class="chip {kind}">{name} <b>{isolated(text if len(text) <= CHIP else f"{text[:CHIP]}…")}</b></span>'
        for kind, name, text in (("wrong", "predicted", predicted), ("right", "true", true))
    ]
    return f'<p class="verdict">{"".join(chips)} {_where(m)}</p>'


def _where(m: Mapping[str, Any]) -> str:
    row = f"row {number(m['row'])}"
    if "spreadsheet_row" in m:
        row = f"line {number(m['row'])} (row {number(m['spreadsheet_row'])} in a spreadsheet)"
    return f'<span class="soft">{row}, loss {number(m["loss"])}</span>'


def sentence_cards(content: Mapping[str, Any]) -> str:
    """Format a card for each sentence with wrong tags: the predicted and the true entities as coloured spans."""
    sentences = content["worst"]
    note = (
        f"{len(sentences):,} of {content['mistaken']:,} sentences with a wrong tag, with the largest loss first."
        " Framed entities are wrong: missed, or predicted but not true."
    )
    types = sorted({e[2] for s in sentences for name in ("predicted", "true") for e in s[name]})
    colours = {name: n % COLOURS for n, name in enumerate(types)}
    keys = "".join(f'<li><mark class="t{colours[name]}">{isolated(name)}</mark></li>' for name in types)
    cards = "\n".join(f'<li class="card">{_sentence_card(s, colours)}</li>' for s in sentences)
    return f'<p class="soft">{note}</p><ul class="legend">{keys}</ul><ol class="cards">{cards}</ol>'


def _sentence_card(s: Mapping[str, Any], colours: Mapping[str, int]) -> str:
    both = {tuple(e) for e in s["predicted"]} & {tuple(e) for e in s["true"]}
    lines = []
    for name in ("predicted", "true"):
        spans = _spans(s["words"], s[name], both, colours)
        lines.append(f'<p class="sentence"><span class="label">{name}</span> <span class="isolated">{spans}</span></p>')
    before, after = s["before"], s["after"]
    part = f" (words {before + 1:,} to {before + len(s['words']):,} of a long sentence)" if before or after else ""
    return f'{"".join(lines)}<p>{_where(s)}<span class="soft">{part}</span></p>'


def _spans(
    words: Sequence[str], entities: Sequence[Any], right: set[tuple[Any, ...]], colours: Mapping[str, int]
) -> str:
    parts, last = list[str](), 0
    for start, end, name in sorted(map(tuple, entities)):
        parts += map(_word, words[last:start])
        kind = f"t{colours[name]}" + ("" if (start, end, name) in right else " error")
        inside = " ".join(map(_word, words[start:end]))
        parts.append(f'<mark class="{kind}">{inside}<small>{isolated(name)}</small></mark>')
        last = end
    return " ".join([*parts, *map(_word, words[last:])])


@functools.lru_cache(maxsize=10_000)
def _word(word: str) -> str:
    """Escape a word; only one that is not plain needs an element that isolates it."""
    return escape(word) if word.isascii() else isolated(word)
