"""The built-in data "numbers": numbers below a million in words and in digits, English and Chinese, both ways.

    three hundred and forty-two thousand and seventeen  →  342017
    342017 in Chinese                                   →  三十四万二千零一十七

The rows are generated, always the same ones. A number is two groups of three digits, such as 342 and 017. The groups of
the validation and the test part occur nowhere in the training part, neither as the thousands nor as the rest: a model
that is right on them has learned how numbers are written. The training part has every word, every digit at each of
the six positions, and numbers of one to six digits.
"""

import functools
import random
from collections.abc import Callable, Mapping

from minitf.datasets.generated import SIZES, Record, divided

SEED = 17

_SMALL = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen
""".split()  # noqa: SIM905 (a list of words is easier read as words)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
_DIGITS = "零一二三四五六七八九"
_UNITS = ("千", "百", "十", "")


def english(n: int) -> str:
    """Write 0 ≤ n < 1,000,000 in words: 1005 → one thousand and five."""
    if n < 20:
        return _SMALL[n]
    if n < 100:
        tens, ones = divmod(n, 10)
        return _TENS[tens - 2] + (f"-{_SMALL[ones]}" if ones else "")
    size, unit = (1000, "thousand") if n >= 1000 else (100, "hundred")
    count, rest = divmod(n, size)
    link = " and " if rest < 100 else " "
    return f"{english(count)} {unit}" + (f"{link}{english(rest)}" if rest else "")


def chinese(n: int) -> str:
    """Write 0 ≤ n < 1,000,000 in Chinese: 100005 → 十万零五. Digits are grouped in fours, and 零 stands for a gap."""
    high, low = divmod(n, 10_000)
    text = f"{_below_ten_thousand(high)}万" if high else ""
    if low or not high:
        text += "零" if high and low < 1000 else ""
        text += _below_ten_thousand(low)
    return text.removeprefix("一") if text.startswith("一十") else text


def _below_ten_thousand(n: int) -> str:
    """Write 0 ≤ n < 10,000: 2017 → 二千零一十七."""
    text, gap = "", False
    for digit, unit in zip(f"{n:04}", _UNITS, strict=True):
        if digit == "0":
            gap = bool(text)
        else:
            text += ("零" if gap else "") + _DIGITS[int(digit)] + unit
            gap = False
    return text or "零"


# The name of each form -> the source and the target.
FORMS: Mapping[str, Callable[[int], tuple[str, str]]] = {
    "English to digits": lambda n: (english(n), str(n)),
    "Chinese to digits": lambda n: (chinese(n), str(n)),
    "digits to English": lambda n: (f"{n} in English", english(n)),
    "digits to Chinese": lambda n: (f"{n} in Chinese", chinese(n)),
}


@functools.cache
def numbers() -> Mapping[str, tuple[Record, ...]]:
    """Return the rows of each part, with the columns source, target and form."""
    rng = random.Random(SEED)
    combined = [n for n in range(21, 1000) if sum(digit != "0" for digit in str(n)) > 1]
    groups = divided(combined, rng)
    simple = sorted(set(range(1000)) - set(combined))  # a number of one word, or with "hundred"
    simple += [0] * len(simple)  # else training has hardly a number below a thousand
    parts = {}
    for part, size in SIZES.items():
        rows: dict[str, Record] = {}
        while len(rows) < size:
            number, form = _draw(groups[part], simple if part == "train" else [0], rng), rng.choice(list(FORMS))
            if number or part == "train":
                source, target = FORMS[form](number)
                rows[source] = {"source": source, "target": target, "form": form}
        parts[part] = tuple(rows.values())
    return parts


def _draw(combined: list[int], simple: list[int], rng: random.Random) -> int:
    """Draw a number: each of its two groups is one of `simple` with probability ¼."""
    thousands, rest = (rng.choice(simple if rng.random() < 0.25 else combined) for _ in range(2))
    return 1000 * thousands + rest
