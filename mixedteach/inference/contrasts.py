r"""Contrasts of the rows of a table of means (or of contrasts): C L beta.

Polynomial contrasts are the orthogonal polynomials of equally spaced levels with the smallest
integer coefficients, as tables print them (and R's emmeans uses).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
import pandas as pd

from mixedteach.errors import InferenceError, listed, one_of, shown, warn
from mixedteach.inference.emmeans import estimable
from mixedteach.inference.functions import (
    LinearFunctions,
    _groups,
    check_weights,
    linear_functions,
)

Array = np.ndarray
Weights = dict[str, Array]

KINDS = ("pairwise", "revpairwise", "reference", "poly", "effects", "consecutive")
_ALIASES = {"trt.vs.ctrl": "reference", "eff": "effects", "consec": "consecutive"}
_DEFAULT = {"pairwise": "tukey", "revpairwise": "tukey", "reference": "sidak",
            "effects": "sidak", "consecutive": "sidak"}  # fmt: skip
_DEGREES = ("linear", "quadratic", "cubic", "quartic")


def contrast(
    functions: LinearFunctions, method: Any = "pairwise", adjust: str | None = None,
    ref: Any = None,
) -> LinearFunctions:  # fmt: skip
    """Return contrasts of the rows of `functions`, within each `by` group."""
    by = functions.by
    groups = _groups(functions.labels, by)
    names = _row_names(functions, by)
    kind = _kind(method)
    blocks, labels = [], []
    lone = [rows for rows in groups if len(rows) == 1] if kind != "custom" else []
    if len(lone) < len(groups):  # of nested factors some groups may have one level only
        groups = [rows for rows in groups if kind == "custom" or len(rows) > 1]
    for rows in groups:
        own = [names[i] for i in rows]
        weights = _weights(kind, method, own, ref)
        C = np.array(list(weights.values())).reshape(-1, len(rows))
        blocks.append(_combined(functions, rows, C))
        label = pd.DataFrame({"contrast": list(weights)})
        for position, name in enumerate(by):
            label.insert(1 + position, name, functions.labels[name].iloc[rows[0]])
        labels.append(label)
    count = max(len(rows) for rows in groups)
    L = np.vstack(blocks)
    full = functions.whole is not None
    return linear_functions(
        functions.model,
        estimable(functions.model, L) if full else L,
        pd.concat(labels, ignore_index=True),
        whole=L if full else None,
        ddf=functions.ddf,
        by=by,
        level=functions.settings["level"],
        adjust=_DEFAULT.get(kind, "none") if adjust is None else adjust,
        family="pairs" if kind in ("pairwise", "revpairwise") else "contrasts",
        k=count,
        title=_title(kind, functions),
        notes=[n for n in functions.settings["notes"] if not n.startswith("Tukey")]
        + [_alone(functions, rows[0], names) for rows in lone],
    )


def _combined(functions: LinearFunctions, rows: Array, C: Array) -> Array:
    """Return C L of some rows, without rounding where the parts cancel.

    In all columns of the design if they are known: a difference of means may be estimable where
    the means are not.
    """
    L = functions.L[rows] if functions.whole is None else functions.whole[rows]
    absent = np.isnan(L).any(axis=1)
    L = np.where(absent[:, None], 0.0, L)
    product = C @ L
    product[np.abs(product) < 1e-12 * (np.abs(C) @ np.abs(L))] = 0.0
    product[(C[:, absent] != 0).any(axis=1)] = np.nan
    return product


def _alone(functions: LinearFunctions, row: int, names: Sequence[str]) -> str:
    """Say that there is nothing to compare in a group of one mean."""
    where = ", ".join(f"{name} = {functions.labels[name].iloc[row]}" for name in functions.by)
    return f"{where} has only one mean, '{names[row]}', and nothing to compare it with."


def _title(kind: str, functions: LinearFunctions) -> str:
    of = " and ".join(functions.factors)
    what = {
        "pairwise": "All pairwise differences", "revpairwise": "All pairwise differences",
        "reference": "Differences from a reference", "poly": "Polynomial trends",
        "effects": "Deviations from the mean", "consecutive": "Consecutive differences",
    }.get(kind, "Contrasts")  # fmt: skip
    return f"{what} of {of}" if of else what


def _row_names(functions: LinearFunctions, by: Sequence[str]) -> list[str]:
    own = [name for name in functions.labels.columns if name not in by]
    return [" ".join(map(str, row)) for row in functions.labels[own].itertuples(index=False)]


def _kind(method: Any) -> str:
    if isinstance(method, Mapping):
        return "custom"
    if isinstance(method, str):
        return one_of(_ALIASES.get(method, method), KINDS, "a kind of contrast")
    raise InferenceError(
        f"{shown(method)} is not a kind of contrast: give its name, such as 'pairwise', or a dict "
        "of labels and weights, such as {'first - second': [1, -1]}."
    )


def _weights(kind: str, method: Any, names: list[str], ref: Any) -> Weights:
    m = len(names)
    if kind == "custom":
        if not method:
            raise InferenceError(
                "The dict of contrasts is empty: give labels and weights, such as "
                "{'first - second': [1, -1]}."
            )
        return {str(label): _custom(str(label), w, names) for label, w in method.items()}
    if m < 2:
        raise InferenceError(
            f"There is only one mean, '{names[0]}', and nothing to compare it with: ask for the "
            "means of at least two levels."
        )
    unit = np.eye(m)
    if kind == "pairwise":
        return {
            f"{_wrap(names[i])} - {_wrap(names[j])}": unit[i] - unit[j]
            for i in range(m) for j in range(i + 1, m)
        }  # fmt: skip
    if kind == "revpairwise":
        return {
            f"{_wrap(names[i])} - {_wrap(names[j])}": unit[i] - unit[j]
            for i in range(m) for j in range(i)
        }  # fmt: skip
    if kind == "consecutive":
        return {
            f"{_wrap(names[i + 1])} - {_wrap(names[i])}": unit[i + 1] - unit[i]
            for i in range(m - 1)
        }
    if kind == "effects":
        return {f"{_wrap(names[i])} effect": unit[i] - 1 / m for i in range(m)}
    if kind == "poly":
        return _polynomials(m)
    base = 0
    if ref is not None:
        if str(ref) not in names:
            raise InferenceError(
                f"ref={shown(ref)} is not one of the means: choose {listed(names, last='or')}."
            )
        base = names.index(str(ref))
    return {
        f"{_wrap(names[i])} - {_wrap(names[base])}": unit[i] - unit[base]
        for i in range(m) if i != base
    }  # fmt: skip


def _wrap(name: str) -> str:
    return f"({name})" if " - " in name else name


def _custom(label: str, weights: Any, names: list[str]) -> Array:
    values = check_weights(label, weights, names, "means")
    if abs(values.sum()) > 1e-8 * max(1.0, np.abs(values).max()):
        warn(
            f"The weights of '{label}' sum to {values.sum():g}, not 0: the result is not a "
            "comparison of means but depends on their overall size."
        )
    return values


def _polynomials(m: int) -> Weights:
    """Orthogonal polynomials on 1..m in smallest integers, by exact Gram-Schmidt."""
    columns: list[list[Fraction]] = []
    for degree in range(min(m, 7)):
        column = [Fraction(i) ** degree for i in range(1, m + 1)]
        for other in columns:
            top = sum(a * b for a, b in zip(column, other, strict=True))
            share = top / sum(b * b for b in other)
            column = [a - share * b for a, b in zip(column, other, strict=True)]
        columns.append(column)
    out: Weights = {}
    for degree, column in enumerate(columns[1:], start=1):
        size = lcm(*(value.denominator for value in column))
        whole = np.array([int(value * size) for value in column], float)
        whole /= np.gcd.reduce(np.abs(whole).astype(int))
        name = _DEGREES[degree - 1] if degree <= 4 else f"degree {degree}"
        out[name] = whole
    return out
