"""Split a text into words, for a model that was trained on words: at white space, and around punctuation.

`@name`, `#topic`, `e-mail`, `3.5`, `U.S.` and `:-)` stay whole. Data sets differ in other splits (`don't`). A model
predicts best for words that are split as in its training data; a CoNLL file has such words.
"""

_OPENING = "([{<\"'“‘«„¿¡`"
_CLOSING = ")]}>\"'”’»“,;:!?…."


def words_of(text: str) -> list[str]:
    """Split `text`; every character except white space is in one of the words, in order."""
    found: list[str] = []
    for chunk in text.split():
        if not any(c.isalnum() for c in chunk):
            found.append(chunk)
            continue
        start, end = 0, len(chunk)
        while chunk[start] in _OPENING:
            start += 1
        while chunk[end - 1] in _CLOSING and not (chunk[end - 1] == "." and "." in chunk[start : end - 1]):
            end -= 1
        found += [*chunk[:start], chunk[start:end], *chunk[end:]]
    return found
