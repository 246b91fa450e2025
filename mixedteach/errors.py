"""What mixedteach says when something is wrong: one sentence, where, and what to do.

Every refusal is a :class:`MixedTeachError`, which is a ``ValueError``; everything that is done
but should be known (rows left out, columns dropped) is a :class:`MixedTeachWarning`.

========================  =========================================================
:class:`FormulaError`     the text of the formula, and the names in it
:class:`DataError`        the table, a column of it, new data, a new response
:class:`FitError`         what was asked of :func:`lmer`; data and model do not fit
:class:`InferenceError`   a question asked of a fitted model
========================  =========================================================
"""

from __future__ import annotations

import inspect
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import wraps
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

# where lines are that are not the reader's own: this package, and what runs cells of a notebook
_PACKAGE = Path(__file__).resolve().parent
_RUNNERS = {"IPython", "ipykernel"}


class MixedTeachError(ValueError):
    """Base class of all refusals of mixedteach; the message says what to do."""

    def _render_traceback_(self) -> list[str]:
        """Say in a notebook which line of the reader's was refused, and why; nothing of our own.

        IPython asks exceptions for this (elsewhere Python shows all lines, as always).
        """
        frames = traceback.extract_tb(self.__traceback__)
        own = [f for f in frames if not _is_inside(Path(f.filename))]
        where = [f"Line {own[-1].lineno}: {own[-1].line}"] if own and own[-1].line else []
        return [*where, f"{type(self).__name__}: {self}"]


def _is_inside(file: Path) -> bool:
    return file.is_relative_to(_PACKAGE) or not _RUNNERS.isdisjoint(file.parts)


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


def warn(message: str) -> None:
    """Warn, pointing at the line outside this package that asked."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("mixedteach."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, MixedTeachWarning, stacklevel=level)


# -- words -----------------------------------------------------------------------------------------


def listed(names: Iterable[object], limit: int = 8, last: str = "and") -> str:
    """Join names for a sentence: ``'a', 'b' and 'c'`` (the rest counted)."""
    names = [f"'{_short(name)}'" for name in names]
    if len(names) > limit:
        return ", ".join(names[:limit]) + f" {last} {len(names) - limit} more"
    return f" {last} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _short(name: object, length: int = 60) -> str:
    text = str(name)
    return text if len(text) <= length else text[: length - 1] + "…"


def shown(value: object) -> str:
    """Name a value in a sentence: text in quotes, small values as written, others by their type."""
    if isinstance(value, str):
        return f"'{_short(value)}'"
    if value is None or isinstance(value, (bool, Real)):
        return str(value)
    if isinstance(value, (list, tuple, dict, set)) and len(repr(value)) <= 40:
        return repr(value)
    return a_kind(value)


def a_kind(value: object) -> str:
    """Return the type of a value with its article: ``a list``, ``text``, ``an ndarray``."""
    if value is None or isinstance(value, str):
        return "text" if isinstance(value, str) else "None"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' or name == 'ndarray' else 'a'} {name}"


def near(name: object, options: Iterable[object]) -> str | None:
    """Return the option that was probably meant."""
    folded = {str(option).lower(): str(option) for option in options}
    found = get_close_matches(str(name).lower(), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(name: object, options: Iterable[object]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest option, else list what there is."""
    options = [str(option) for option in options]
    found = near(name, options)
    if found:
        return f" Did you mean '{found}'?"
    if len(options) < 2:
        return f" There is only '{options[0]}'." if options else ""
    return f" There are {listed(options)}."


# -- arguments -------------------------------------------------------------------------------------


def one_of(value: Any, options: Iterable[str], what: str) -> str:
    """Return `value` if it is one of `options`, else say which exist; `what` is ``a method``."""
    options = list(options)
    if isinstance(value, str) and value in options:
        return value
    start = f"{shown(value)} is not {what}"
    found = near(value, options) if isinstance(value, str) else None
    if found:
        raise InferenceError(f"{start}. Did you mean '{found}'?")
    raise InferenceError(f"{start}: choose {listed(options, last='or')}.")


def check_level(level: Any) -> float:
    """Return a level of confidence, or say that it must lie between 0 and 1."""
    if not isinstance(level, Real) or isinstance(level, bool) or not 0 < level < 1:
        percent = isinstance(level, Real) and 50 <= level < 100
        raise InferenceError(
            f"level={shown(level)} must be a number between 0 and 1, as in "
            f"level={level / 100 if percent else 0.95:g}."
        )
    return float(level)


def check_count(value: Any, name: str, least: int = 1) -> int:
    """Return a whole number of at least `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise InferenceError(
            f"{name}={shown(value)} must be a whole number of at least {least}, as in "
            f"{name}={max(least, 1000)}."
        )
    return int(value)


def check_seed(seed: Any) -> Any:
    """Return a seed that NumPy's generators take."""
    if isinstance(seed, (str, float, bool)) or (isinstance(seed, Integral) and seed < 0):
        raise InferenceError(f"seed={shown(seed)} must be a whole number, as in seed=1, or None.")
    return seed


def explains_arguments(
    error: type[MixedTeachError] = InferenceError, hints: Mapping[str, str] | None = None
) -> Callable[[F], F]:
    """Decorate a function so that arguments it does not have are refused in a plain sentence.

    Parameters
    ----------
    error : type
        What is raised.
    hints : dict
        Name of an argument -> what to do, where more than its name can be said.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except TypeError:  # raised by the call itself, or somewhere within
                try:
                    signature.bind(*args, **kwargs)
                except TypeError:
                    message = _explain(function.__name__, signature, args, kwargs, hints or {})
                    raise error(message) from None
                raise

        return call  # type: ignore[return-value]

    return decorate


def _explain(
    name: str, signature: inspect.Signature, args: tuple, kwargs: Mapping[str, Any],
    hints: Mapping[str, str],
) -> str:  # fmt: skip
    parameters = signature.parameters
    own = [key for key in parameters if key != "self"]
    for key in kwargs:
        if key not in parameters:
            start = f"{name}() has no argument '{key}'"
            if key in hints:
                return f"{start}: {hints[key]}."
            found = near(key, own)
            return f"{start}. Did you mean '{found}'?" if found else (
                f"{start}; its arguments are {listed(own, limit=12)}."
            )  # fmt: skip
    places = [k for k, p in parameters.items() if p.kind is not p.KEYWORD_ONLY and k != "self"]
    given = len(args) - ("self" in parameters)
    if given > len(places):
        named = [key for key in own if key not in places]
        return f"{name}() takes {listed(places)} by position" + (
            f": write all others with their names, such as {named[0]}=." if named else " only."
        )
    for place, key in enumerate(places):
        if place < given and key in kwargs:
            return f"{name}() got '{key}' twice, by position and by name: leave one out."
        missing = parameters[key].default is inspect.Parameter.empty and key not in kwargs
        if place >= given and missing:
            return f"{name}() needs '{key}'" + (f": {hints[key]}." if key in hints else ".")
    lacking = [
        f"{key}=" for key, p in parameters.items()
        if p.kind is p.KEYWORD_ONLY and p.default is p.empty and key not in kwargs
    ]  # fmt: skip
    if lacking:
        how = "it with its name" if len(lacking) == 1 else "them with their names"
        return f"{name}() needs {' and '.join(lacking)} as well: write {how}."
    return f"{name}() cannot be called like that; its arguments are {listed(own, limit=12)}."
