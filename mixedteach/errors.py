"""What mixedteach says when something is wrong: one sentence, where, and what to do.

Every refusal is a :class:`MixedTeachError`, which is a ``ValueError``; everything that is done
but should be known (rows left out, columns dropped) is a :class:`MixedTeachWarning`.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class MixedTeachError(ValueError):
    """Base class of all refusals of mixedteach; the message says what to do."""


class FormulaError(MixedTeachError):
    """The formula cannot be read, or names something that does not exist."""


class DataError(MixedTeachError):
    """The data cannot be used as asked."""


class FitError(MixedTeachError):
    """The model cannot be fitted to these data."""


class InferenceError(MixedTeachError):
    """The question asked of a fitted model has no answer."""


class MixedTeachWarning(UserWarning):
    """Something was done that the reader should know of."""


def listed(names: Iterable[object], limit: int = 8) -> str:
    """Join names for a sentence: ``'a', 'b' and 'c'`` (the rest counted)."""
    names = [f"'{name}'" for name in names]
    if len(names) > limit:
        return ", ".join(names[:limit]) + f" and {len(names) - limit} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest option, else list what there is."""
    options = [str(option) for option in options]
    folded = {option.lower(): option for option in options}
    near = get_close_matches(str(name).lower(), list(folded), n=1, cutoff=0.6)
    if near:
        return f" Did you mean '{folded[near[0]]}'?"
    return f" There is {listed(options)}." if options else ""


def one_of(value: object, options: Iterable[str], what: str) -> str:
    """Return `value` if it is one of `options`, else say which exist."""
    options = list(options)
    if isinstance(value, str) and value in options:
        return value
    shown = f"'{value}'" if isinstance(value, str) else repr(value)
    raise InferenceError(
        f"{shown} is no {what}; choose one of {listed(options)}."
        + (did_you_mean(value, options) if isinstance(value, str) and _near(value, options) else "")
    )


def _near(value: str, options: list[str]) -> bool:
    return bool(get_close_matches(value.lower(), [o.lower() for o in options], n=1, cutoff=0.6))
