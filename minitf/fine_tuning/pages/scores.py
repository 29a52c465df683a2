"""The scores of a report with their confidence intervals."""

from collections.abc import Mapping
from typing import Any

from minitf.fine_tuning.intervals import wilson
from minitf.fine_tuning.pages.markup import escape, number

# Scores that are a share of the rows of the table. The words of a sentence are not independent: tagging is not here.
SHARES = {("classification", "accuracy"), ("multilabel", "exact"), ("qa", "exact match")}


def measured_on(content: Mapping[str, Any]) -> str:
    """Return the table of the result: "test", or "valid" without a test table."""
    return "test" if "test" in content else "valid"


def printed_scores(scores: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scores with, for regression, the rmse: the baseline is one."""
    return {**scores, **({"rmse": metrics["rmse"]} if "rmse" in metrics else {})}


def rows(content: Mapping[str, Any]) -> int:
    """Return the number of examples of the table on which the result was measured."""
    data = content["data"]
    return int((data.get(measured_on(content)) or data["data"])["rows"])


def interval(content: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    """Return the 95 % interval of a score: that of report.json, or computed for a share of the rows; else None."""
    low, high = content.get("intervals", {}).get(name) or (None, None)
    if low is not None and high is not None:
        return low, high
    share, n = content["scores"].get(name), rows(content)
    if (content["task"], name) not in SHARES or not isinstance(share, int | float) or not n:
        return None
    return wilson(share, n)


def with_interval(content: Mapping[str, Any], name: str) -> str:
    """Format a score with its interval, if it has one."""
    text, found = number(content["scores"].get(name)), interval(content, name)
    return text if found is None else f"{text} ({found[0]:.4f} to {found[1]:.4f})"


def score_cards(content: Mapping[str, Any]) -> str:
    """Format the scores as cards."""
    cards = []
    for name, value in printed_scores(content["scores"], content[measured_on(content)]).items():
        found = interval(content, name)
        extra = "" if found is None else f'<dd class="soft">95 %: {found[0]:.4f} to {found[1]:.4f}</dd>'
        cards.append(f'<div class="score"><dt>{escape(name)}</dt><dd class="value">{number(value)}</dd>{extra}</div>')
    return f'<dl class="scores">{"".join(cards)}</dl>'
