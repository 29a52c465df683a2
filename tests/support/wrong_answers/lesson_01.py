"""Typical wrong answers to the exercises of lesson 1, and what the judge must say of each."""

WRONG: dict[str, list[tuple[str, str]]] = {
    "wordpiece": [
        (
            """
def wordpiece(word, vocabulary):
    word, pieces, start = word.lower(), [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocabulary:
                break
        else:
            return ["[UNK]"]
        pieces.append(piece)
        start = end
    return pieces
""",
            "the word is lowercased",
        ),
        (
            """
def wordpiece(word, vocabulary):
    pieces, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocabulary:
                break
        else:
            return ["[UNK]"]
        pieces.append(piece)
        start = end
    return pieces if len(pieces) <= 5 else ["[UNK]"]
""",
            "a word of many pieces becomes [UNK]",
        ),
        (
            """
def wordpiece(word, vocabulary):
    pieces, start = [], 0
    while start < len(word):
        for end in range(start + 1, len(word) + 1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocabulary:
                break
        else:
            return ["[UNK]"]
        pieces.append(piece)
        start = end
    return pieces
""",
            "the shortest matching piece is taken, not the longest",
        ),
        (
            """
def wordpiece(word, vocabulary):
    pieces, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            if word[start:end] in vocabulary:
                break
        else:
            return ["[UNK]"]
        pieces.append(word[start:end])
        start = end
    return pieces
""",
            "pieces inside a word are looked up without ##",
        ),
        (
            """
def wordpiece(word, vocabulary):
    pieces, mark = [], ""
    while word:
        end = len(word)
        while end and mark + word[:end] not in vocabulary:
            end -= 1
        if end == 0:
            return pieces + ["[UNK]"]
        pieces.append(mark + word[:end])
        word, mark = word[end:], "##"
    return pieces
""",
            "[UNK] replaces only the rest of the word",
        ),
        (
            """
def wordpiece(word, vocabulary, start=0):
    if start == len(word):
        return []
    for end in range(len(word), start, -1):
        piece = ("##" if start else "") + word[start:end]
        if piece in vocabulary:
            rest = wordpiece(word, vocabulary, end)
            if rest != ["[UNK]"]:
                return [piece] + rest
    return ["[UNK]"]
""",
            "WordPiece is greedy and does not backtrack",
        ),
    ],
    "look_up": [
        (
            "def look_up(E, ids):\n    return torch.nn.functional.one_hot(ids).to(E.dtype) @ E\n",
            "the length of the one-hot rows is taken from the largest id",
        ),
        ("def look_up(E, ids):\n    return E[ids - 1]\n", "the rows are counted from 1"),
        ("def look_up(E, ids):\n    return E[ids].mean(dim=-2)\n", "the rows of a sentence are averaged"),
        (
            "def look_up(E, ids):\n    return torch.nn.functional.one_hot(ids, len(E)).double()\n",
            "it has the shape [2, 3], not [2, 2]",
        ),
    ],
    "sinusoidal_positions": [
        (
            """
def sinusoidal_positions(S, D):
    angle = torch.arange(S)[:, None] / 10000 ** (torch.arange(0, D, 2) / D)
    PE = torch.empty(S, D)
    PE[:, 0::2], PE[:, 1::2] = angle.sin(), angle.cos()
    return PE
""",
            "the angles are computed in float32",
        ),
        (
            """
def sinusoidal_positions(S, D):
    pos = torch.arange(S, dtype=torch.float64)[:, None]
    angle = pos / 10000 ** (torch.arange(0, D, 2, dtype=torch.float64) / D)
    return torch.cat([angle.sin(), angle.cos()], dim=1)
""",
            "all sines come first, then all cosines",
        ),
        (
            """
def sinusoidal_positions(S, D):
    pos = torch.arange(S, dtype=torch.float64)[:, None]
    angle = pos / 10000 ** (2 * torch.arange(0, D, 2, dtype=torch.float64) / D)
    PE = torch.empty(S, D, dtype=torch.float64)
    PE[:, 0::2], PE[:, 1::2] = angle.sin(), angle.cos()
    return PE
""",
            "2i is doubled a second time",
        ),
        (
            """
def sinusoidal_positions(S, D):
    pos = torch.arange(1, S + 1, dtype=torch.float64)[:, None]
    angle = pos / 10000 ** (torch.arange(0, D, 2, dtype=torch.float64) / D)
    PE = torch.empty(S, D, dtype=torch.float64)
    PE[:, 0::2], PE[:, 1::2] = angle.sin(), angle.cos()
    return PE
""",
            "the positions are counted from 1",
        ),
    ],
}
