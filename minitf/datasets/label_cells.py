"""Cells with several labels, in the encodings that are in use: `a|b`, JSON lists, lists as text, columns of 0 and 1."""

import ast
import json
import re
from typing import Any

from minitf.datasets import tables
from minitf.datasets.columns import label_columns
from minitf.datasets.strings import shorten, with_decimal_comma
from minitf.errors import DataError

_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_ITEM = rf"(?:{_QUOTED}|[-+]?\d[\d.]*(?:[eE][-+]?\d+)?|True|False|true|false)"
_LIST = re.compile(rf"\[\s*(?:{_ITEM}(?:(?:\s*,\s*|\s+){_ITEM})*\s*(?:,\s*)?)?\]")
_LIST_ITEM = re.compile(_ITEM)
_ZEROS_AND_ONES = re.compile(r"[01](?:\.0*)?(?:[,;\s]+[01](?:\.0*)?)+")
_YES, _NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no", "")


def list_items(text: str) -> list[str] | None:
    """Return the items of a list written as text, such as `['a', 'b']` or `[1, 0]`; None if it is not a list."""
    text = text.strip()
    brackets = text[:1] + text[-1:]
    if brackets not in ("[]", "()", "{}") or not _LIST.fullmatch(f"[{text[1:-1]}]"):
        return None
    items = _LIST_ITEM.findall(text)
    if brackets != "[]" and not (len(items) > 1 or any(item[0] in "'\"" for item in items)):
        return None  # such as a class called (1)
    return [_unquoted(item) for item in items]


def _unquoted(item: str) -> str:
    if item[0] not in "'\"":
        return item.removesuffix(".0").removesuffix(".")
    try:
        return str(ast.literal_eval(item))
    except (SyntaxError, ValueError):
        return item[1:-1]


def is_vector(parts: list[str]) -> bool:
    """Whether labels are 0 and 1 (or false and true) in a row, such as 1, 0, 1: one of them occurs twice."""
    different = {part.strip().lower() for part in parts}
    return len(different) < len(parts) and any(different <= pair for pair in ({"0", "1"}, {"false", "true"}))


def has_several(record: dict[str, Any], column: str) -> bool:
    """Whether a cell has a list or a vector of labels, or `column` names several columns."""
    value = record.get(column)
    if isinstance(value, str):
        return has_list(record, column) or is_vector(_parts(value))
    return has_list(record, column) or len(label_columns(column, record)) > 1


def has_list(record: dict[str, Any], column: str) -> bool:
    """Whether a cell has a list of labels, also of one or none."""
    value = record.get(column)
    return isinstance(value, list) or (isinstance(value, str) and list_items(value) is not None)


def refuse_object(where: str, record: dict[str, Any], column: str) -> None:
    """Raise DataError for a cell with a JSON object or a list of them, also as text: {"choices": ["a", "b"]}."""
    value = record.get(column)
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value)):
        kind = "the object" if isinstance(value, dict) else "a list of objects,"
        raise DataError(
            f"{where}: column {column!r} has {kind} {shorten(record[column])}: write the label, or several labels as"
            f' a{tables.SEPARATOR}b or, in JSON, ["a", "b"]'
        )


def labels_of_cell(where: str, record: dict[str, Any], column: str, needed: bool = True) -> list[str]:
    """Return the labels in a cell. Raises DataError for vectors of 0 and 1, and for values that are not labels."""
    refuse_object(where, record, column)
    value = record.get(column)
    if isinstance(value, list):
        parts = [tables.cell(where, {column: part}, column) for part in value]
    else:
        text = tables.cell(where, record, column, needed)
        parts = _parts(text)
    if is_vector(parts):
        decimal = ", or, if it is a number, a decimal point" if with_decimal_comma(str(value)) else ""
        raise DataError(
            f"{where}: column {column!r} has a vector of 0 and 1, {shorten(value)}, which has no names of labels: write"
            f' the names of those with 1, as a{tables.SEPARATOR}c or, in JSON, ["a", "c"]{decimal}'
        )
    return parts


def _parts(text: str) -> list[str]:
    if (items := list_items(text)) is not None:
        return items
    if _ZEROS_AND_ONES.fullmatch(text.strip()):
        found = [part.partition(".")[0] for part in re.split(r"[,;\s]+", text.strip())]
        if is_vector(found):
            return found
    return text.split(tables.SEPARATOR) if text.strip() else []


def is_marked(where: str, record: dict[str, Any], column: str) -> bool:
    """Return whether a column of 0 and 1 has 1. Raises DataError for another value."""
    value = tables.cell(where, record, column).strip().lower()
    if value not in _YES + _NO:
        raise DataError(
            f"{where}: column {column!r} has {shorten(value)}, not 0 or 1: correct it, or delete the row, or name only"
            " columns of 0 and 1 with `label`"
        )
    return value in _YES
