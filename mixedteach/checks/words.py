"""Numbers and verdicts in words, for model answers that hold for whatever data they are given."""

from __future__ import annotations

from collections.abc import Sequence

ALPHA = 0.05
_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def p_value(p: float, decimals: int = 3) -> str:
    """Return p as papers print it.

    >>> p_value(0.0018), p_value(1e-7), p_value(0.304, 2)
    ('p = .002', 'p < .001', 'p = .30')
    """
    smallest = 10.0**-decimals
    if p < smallest:
        return f"p < {_bare(smallest, decimals)}"
    return f"p = {_bare(p, decimals)}"


def _bare(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}".removeprefix("0")


def count(number: int) -> str:
    """Return a small number as a word.

    >>> count(2), count(27)
    ('two', '27')
    """
    return _COUNTS[number] if number < len(_COUNTS) else str(number)


def start(sentence: str) -> str:
    """Return a sentence with a capital letter at its start."""
    return sentence[:1].upper() + sentence[1:]


def listing(items: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
