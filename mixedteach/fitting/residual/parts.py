"""What all residual structures are made of: columns named by the reader, groups, and scales."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from mixedteach.columns import Factor, as_factor
from mixedteach.errors import DataError, FitError, did_you_mean, explains_arguments, shown

Array = np.ndarray
C = TypeVar("C", bound=type)


@dataclass(frozen=True)
class Scale:
    """How one parameter is shown, and on which scale its interval is symmetric.

    The search moves a number eta. The reader sees ``show(eta)``; the Wald interval is symmetric
    in ``link`` of what is shown, a scale on which the parameter has no bounds.

    Attributes
    ----------
    name : str
    show : callable
        eta -> the parameter as it is shown.
    slope : callable
        eta -> the derivative of link(show(eta)) in eta.
    link, unlink : callable
        Shown value -> unbounded scale, and back.
    low, high : float
        The ends of the range of what is shown.
    eta : callable
        Shown value -> eta.
    """

    name: str
    show: Callable[[float], float]
    slope: Callable[[float], float]
    link: Callable[[float], float]
    unlink: Callable[[float], float]
    low: float
    high: float
    eta: Callable[[float], float]


def correlation_scale(name: str, low: float = -1.0) -> Scale:
    """Return the scale of a correlation in (low, 1): log((r - low) / (1 - r))."""
    return Scale(
        name,
        show=float,
        slope=lambda r: 1 / (r - low) + 1 / (1 - r),
        link=lambda r: float(np.log((r - low) / (1 - r))),
        unlink=lambda x: float(1 - (1 - low) / (1 + np.exp(x))),
        low=low,
        high=1.0,
        eta=float,
    )


def same(x: float) -> float:
    """Return x."""
    return float(x)


class Structure:
    """A residual structure as the reader names it; ``bind`` gives it the data of a fit.

    Attributes
    ----------
    kind : str
        The argument it belongs to, ``'correlation'`` or ``'variance'``.
    example : str
        How it is written.
    """

    kind = ""
    example = ""
    columns: tuple[str, ...] = ()

    def variables(self) -> list[str]:
        """Return the data columns that it uses."""
        return [name for text in self.columns for name in split(text)]

    def check(self, data: pd.DataFrame) -> None:
        """Refuse columns that the data do not have."""
        for name in self.variables():
            if name not in data.columns:
                raise DataError(
                    f"'{name}' in {self} is not a column of the data."
                    + did_you_mean(name, data.columns)
                )

    def __str__(self) -> str:
        return repr(self)


def checks_arguments(**hints: str) -> Callable[[C], C]:
    """Decorate a class so that wrong arguments of its constructor are refused in a sentence."""

    def decorate(cls: C) -> C:
        plain = cls.__init__
        plain.__name__ = cls.__name__  # the sentence names the class, not __init__
        cls.__init__ = explains_arguments(FitError, hints)(plain)
        return cls

    return decorate


def column_name(value: Any, what: str, example: str) -> str:
    """Return the name of a column, or say that text was expected."""
    if not isinstance(value, str) or not all(split(value)):
        raise FitError(f"{what} must be the name of a column, as in {example}, not {shown(value)}.")
    return value


def split(text: str) -> list[str]:
    """Return the columns of ``'Worker:Machine'`` (or ``'Worker/Machine'``)."""
    return [name.strip() for name in text.replace("/", ":").split(":")]


def grouping(text: str | None, frame: pd.DataFrame) -> Factor:
    """Return the groups named by ``by=``: one column, or combinations of several."""
    if text is None:
        return Factor("all rows", ("all rows",), np.zeros(len(frame), np.intp))
    factors = [as_factor(name, frame[name]) for name in split(text)]
    if len(factors) == 1:
        return factors[0]
    flat = np.zeros(len(frame), np.intp)
    for factor in factors:
        flat = flat * len(factor.levels) + factor.codes
    seen, codes = np.unique(flat, return_inverse=True)
    labels = []
    for number in seen:
        parts = []
        for factor in reversed(factors):
            number, place = divmod(number, len(factor.levels))
            parts.append(str(factor.levels[place]))
        labels.append(":".join(reversed(parts)))
    return Factor(text, tuple(labels), codes)
