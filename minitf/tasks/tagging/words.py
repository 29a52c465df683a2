"""A text as words, for a tagger that learned from words: split at white space, punctuation at a word's ends apart.

`@name`, `#topic`, `e-mail`, `3.5`, `U.S.` and `:-)` stay whole. Treebanks differ in more (`don't`), so a tagger does
best on words split as those that it learned from: `predict --input` takes them.
"""

_OPENING = "([{<\"'“‘«„¿¡`"
_CLOSING = ")]}>\"'”’»“,;:!?…."


def words_of(text: str) -> list[str]:
    """Every character of `text` but white space, in order."""
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
