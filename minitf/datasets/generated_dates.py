"""The built-in data "dates": dates in a dozen written forms, English and Chinese, and the same dates in ISO 8601.

    Saturday, 14 March 1987  →  1987-03-14
    一九八七年三月十四日      →  1987-03-14

The rows are generated, always the same ones. The three parts share no year and no month–day pair: a model that is right
on the test part has learned how dates are written, not which dates there are. The training part has every month, every
day and every digit of a year at each position. With points the day is first, with slashes the month.
"""

import datetime
import functools
import random
from collections.abc import Callable, Mapping

from minitf.datasets.generated import SIZES, Record, divided

YEARS = range(1800, 2100)
SEED = 17

_DIGITS = "〇一二三四五六七八九"
_WEEKDAYS = "一二三四五六日"
_ORDINALS = """
first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth
sixteenth seventeenth eighteenth nineteenth twentieth
""".split()  # noqa: SIM905 (a list of words is easier read as words)


def _ordinal_word(day: int) -> str:
    if day <= 20:
        return _ORDINALS[day - 1]
    return "thirtieth" if day == 30 else ("twenty-", "thirty-")[day > 30] + _ORDINALS[day % 10 - 1]


def _ordinal(day: int) -> str:
    ending = "th" if 10 < day < 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def _chinese(number: int) -> str:
    """A number from 1 to 31 in Chinese: 5 → 五, 14 → 十四, 31 → 三十一."""
    tens, ones = divmod(number, 10)
    return ("" if tens < 2 else _DIGITS[tens]) + ("十" if tens else "") + (_DIGITS[ones] if ones else "")


def _chinese_year(year: int) -> str:
    return "".join(_DIGITS[int(digit)] for digit in str(year))


# The names are here, because `%B` and its like would depend on the language of the system.
_MONTHS = """
January February March April May June July August September October November December
""".split()  # noqa: SIM905
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()  # noqa: SIM905


def _month(date: datetime.date) -> str:
    return _MONTHS[date.month - 1]


# The name of each form -> how it is written.
FORMS: Mapping[str, Callable[[datetime.date], str]] = {
    "day month year": lambda d: f"{d.day} {_month(d)} {d.year}",
    "month day, year": lambda d: f"{_month(d)} {d.day}, {d.year}",
    "short month": lambda d: f"{d.day} {_month(d)[:3]} {d.year}",
    "short month first": lambda d: f"{_month(d)[:3]} {d.day}, {d.year}",
    "ordinal": lambda d: f"{_month(d)} {_ordinal(d.day)}, {d.year}",
    "ordinal word": lambda d: f"the {_ordinal_word(d.day)} of {_month(d)} {d.year}",
    "weekday": lambda d: f"{_DAYS[d.weekday()]}, {d.day} {_month(d)} {d.year}",
    "points": lambda d: f"{d.day}.{d.month}.{d.year}",
    "slashes": lambda d: f"{d.month}/{d.day}/{d.year}",
    "Chinese": lambda d: f"{d.year}年{d.month}月{d.day}日",
    "Chinese words": lambda d: f"{_chinese_year(d.year)}年{_chinese(d.month)}月{_chinese(d.day)}日",
    "Chinese weekday": lambda d: f"{d.year}年{d.month}月{d.day}日星期{_WEEKDAYS[d.weekday()]}",
}


@functools.cache
def dates() -> Mapping[str, tuple[Record, ...]]:
    """Return the rows of each part, with the columns source, target and form."""
    rng = random.Random(SEED)
    years = divided(list(YEARS), rng)
    pairs = divided([(month, day) for month in range(1, 13) for day in range(1, _last_day(month) + 1)], rng)
    parts = {}
    for part, size in SIZES.items():
        rows: dict[str, Record] = {}
        while len(rows) < size:
            year, (month, day), form = rng.choice(years[part]), rng.choice(pairs[part]), rng.choice(list(FORMS))
            if day <= _last_day(month, year):
                date = datetime.date(year, month, day)
                source = FORMS[form](date)
                rows[source] = {"source": source, "target": date.isoformat(), "form": form}
        parts[part] = tuple(rows.values())
    return parts


def _last_day(month: int, year: int = 2000) -> int:
    following = datetime.date(year + month // 12, month % 12 + 1, 1)
    return (following - datetime.timedelta(days=1)).day
