"""The covariance matrix of the readings, V = ZGZ' + R, as a heat map with its blocks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from mixedteach.design import RandomTerm
from mixedteach.errors import DataError, InferenceError, a_kind, check_count
from mixedteach.model import MixedModel
from mixedteach.plot._inputs import unit_of
from mixedteach.plot._style import (
    INK,
    MINUS_ZERO_PLUS,
    PALE,
    describe,
    number,
    own_or_new,
    style,
)

# So many readings still have room for a number in each cell, and for a name beside each row.
WITH_NUMBERS, WITH_NAMES = 10, 20


@dataclass(frozen=True)
class Covariances:
    """A covariance matrix, and how its rows are called; ``blocks``: name and rows of each group."""

    values: np.ndarray
    rows: list[str]
    columns: list[str]
    blocks: list[tuple[str, int, int]]
    unit: str
    title: str


def covariance(
    m: MixedModel | np.ndarray | pd.DataFrame, *, groups: int = 4, ax: Axes | None = None
) -> Axes:
    """Draw the covariance matrix of the readings, V = ZGZ' + R, as a heat map.

    Rows are sorted by group, so that readings that share a random effect stand together. Cells
    that are zero are left white, positive ones are the bluer the larger (negative ones orange), and
    blocks between which all is zero have a border. Values are written into the cells of small
    matrices (up to ten rows).

    Parameters
    ----------
    m : MixedModel, ndarray or DataFrame
        A model, or a square matrix of your own (labels: its index).
    groups : int, default 4
        Of a model: show the readings of that many groups only, the first ones of the factor with
        the largest groups.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    InferenceError, DataError
        If `m` is neither a mixed model nor a square, symmetric matrix of numbers.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    >>> ax = mt.plot.covariance(m, groups=2)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['tablet 1, nir', 'tablet 1, hplc', 'tablet 2, nir', 'tablet 2, hplc']
    >>> ax.images[0].get_array().filled(0).round(3).tolist()[0]
    [0.133, 0.089, 0.0, 0.0]
    """
    if isinstance(m, MixedModel):
        c = of_model(m, check_count(groups, "groups"))
    else:
        c = of_matrix(m)
    n = len(c.values)
    zero = np.abs(c.values) <= 1e-12 * np.abs(c.values).max()
    lowest, largest = float(c.values.min()), float(c.values.max())
    borders = independent_blocks(zero)
    ax = own_or_new(ax, (9, 5.2))
    with style():
        image = ax.imshow(
            np.ma.masked_array(c.values, zero),
            cmap=MINUS_ZERO_PLUS,
            norm=colour_scale(np.abs(c.values).max()),
            aspect="auto",
        )
        if n <= WITH_NUMBERS:
            _write(ax, c.values, zero)
        else:
            bar = ax.figure.colorbar(image, ax=ax, pad=0.02)
            bar.set_label(f"Covariance{c.unit}")
            bar.outline.set_visible(False)
            bar.ax.set_ylim(min(0.0, lowest), largest or 1.0)
        for start, stop in borders:
            ax.add_patch(
                mpl.patches.Rectangle(
                    (start - 0.5, start - 0.5), stop - start, stop - start, fill=False,
                    edgecolor=INK, linewidth=2.4, clip_on=False, zorder=3,
                )
            )  # fmt: skip
        _name(ax, c)
        ax.spines[:].set_visible(True)
        ax.spines[:].set_color(PALE)
        ax.tick_params(length=0)
        ax.set_title(c.title + (c.unit if n <= WITH_NUMBERS else ""))
    return describe(ax, _words(c, zero, borders))


def colour_scale(largest: float) -> Normalize:
    """Return the scale of the colours for values up to `largest`; zero is its middle.

    It goes a little further, so that dark letters stay readable on the deepest colour.
    """
    top = 1.25 * (float(largest) or 1.0)
    return Normalize(-top, top)


def of_model(m: MixedModel, groups: int) -> Covariances:
    """Return V for the readings of the first few groups of the factor with the fewest levels."""
    if not m.random:
        raise InferenceError(
            "covariance() sorts the readings of a model by its random effects, and this one has "
            "none: write mt.plot.covariance(m.matrices().V)."
        )
    outer = min(m.random, key=lambda term: term.groups)
    others = _others(m, outer)
    order = np.lexsort([*(_codes(m.frame[name]) for name in reversed(others)), outer.codes])
    order = order[outer.codes[order] < groups]
    V = covariance_of_rows(m, order)
    of = [str(outer.levels[k]) for k in outer.codes[order]]
    starts = [0, *(i for i in range(1, len(of)) if of[i] != of[i - 1]), len(of)]
    blocks = [(f"{outer.label} {of[a]}", a, b) for a, b in pairwise(starts)]
    within = _reading_names(m, others, order)
    if len(blocks) == 1:
        rows = columns = within
        which = f"{outer.label} {of[0]}"
    else:
        whose = [f"{outer.label} {g}" for g in of]
        rows = [", ".join(filter(None, names)) for names in zip(whose, within, strict=True)]
        columns = ["\n".join(filter(None, names)) for names in zip(whose, within, strict=True)]
        which = f"{outer.label} {of[0]} to {of[-1]} (of {outer.groups})"
        if len(blocks) == outer.groups:
            which = f"all {len(of)} readings"
    return Covariances(V, rows, columns, blocks, unit_of(m, "²"), f"V = ZGZ' + R, {which}")


def covariance_of_rows(m: MixedModel, rows: np.ndarray) -> np.ndarray:
    """Return V = ZGZ' + R of the readings at these places, without the matrices of all others."""
    V = m.residual_covariance(rows)
    for term, cov in zip(m.random, m.fit.covariances, strict=True):
        together = term.codes[rows][:, None] == term.codes[rows]
        basis = term.basis[rows]
        V += together * (basis @ cov @ basis.T)
    return V


def _others(m: MixedModel, outer: RandomTerm) -> list[str]:
    """Return the columns that tell the readings of a group apart: those the formula uses."""
    own = set(outer.bar.group)
    return [n for n in m.formula.variables()[1:] if n not in own and n in m.frame.columns]


def _codes(values: pd.Series) -> np.ndarray:
    """Return numbers that sort a column: the order of its levels, or the numbers themselves."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy()
    return pd.factorize(values, sort=True)[0]


def _reading_names(m: MixedModel, others: list[str], order: np.ndarray) -> list[str]:
    """Name each reading by the levels of these factors and the values of these covariates."""
    words = []
    for name in others:
        values = [str(v) for v in m.frame[name].iloc[order]]
        # a bare number says nothing: "Days 3", but "nir"
        plain = all(not v[:1].isdigit() for v in values)
        words.append(values if plain else [f"{name} {v}" for v in values])
    return [", ".join(parts) for parts in zip(*words, strict=True)] or [""] * len(order)


def of_matrix(values: Any) -> Covariances:
    """Return a matrix of the reader's own with its names, checked."""
    try:
        V = np.asarray(values, float)
    except (TypeError, ValueError):
        V = np.empty(0)
    if isinstance(values, str) or V.ndim != 2 or V.shape[0] != V.shape[1] or not V.size:
        what = f"one of shape {V.shape}" if V.ndim == 2 and V.size else a_kind(values)
        raise InferenceError(
            "mt.plot.covariance draws a model fitted by mt.lmer(...) or a square matrix of "
            f"numbers, not {what}."
        )
    if not np.isfinite(V).all() or not np.allclose(V, V.T, rtol=1e-8, atol=1e-12 * np.abs(V).max()):
        fault = (
            "missing or infinite values" if not np.isfinite(V).all() else "two halves that differ"
        )
        raise DataError(
            f"The matrix has {fault}, so it is not a covariance matrix: it must be symmetric, "
            "with a number in every cell."
        )
    names = (
        [str(name) for name in values.index]
        if isinstance(values, pd.DataFrame)
        else [str(i + 1) for i in range(len(V))]
    )
    return Covariances(V, names, names, [], "", f"Covariance matrix, {len(V)} × {len(V)}")


def independent_blocks(zero: np.ndarray) -> list[tuple[int, int]]:
    """Return start and end of the runs of rows that have only zeros in common with all others."""
    n = len(zero)
    cuts = [i for i in range(1, n) if zero[:i, i:].all()]
    edges = [0, *cuts, n]
    return list(pairwise(edges))


def _write(ax: Axes, V: np.ndarray, zero: np.ndarray) -> None:
    """Write each value into its cell, variances bold, zeros pale."""
    largest = np.abs(V).max()
    places = max(0, 2 - int(np.floor(np.log10(largest)))) if largest > 0 else 0
    size = 15.0 if len(V) <= 4 else 13.0 if len(V) <= 8 else 11.0
    for i, j in np.ndindex(V.shape):
        if zero[i, j]:
            ax.text(j, i, "0", ha="center", va="center", color=PALE, fontsize=size)
            continue
        ax.text(
            j, i, f"{V[i, j]:.{places}f}", ha="center", va="center", fontsize=size,
            color=INK, weight="bold" if i == j else "normal",
        )  # fmt: skip


def _name(ax: Axes, c: Covariances) -> None:
    """Name rows and columns, or only their groups, as far as there is room."""
    n, few = len(c.values), len(c.blocks) <= 6
    names = [name for name, *_ in c.blocks]
    middle = [(start + stop - 1) / 2 for _, start, stop in c.blocks]
    ax.set_xticks([])
    ax.set_yticks([])
    if n <= WITH_NAMES:
        ax.set_yticks(range(n), c.rows, fontsize=12 if n <= WITH_NUMBERS else 10.5)
    elif len(names) <= 20:
        ax.set_yticks(middle, names)
    longest = max(len(line) for column in c.columns for line in column.split("\n"))
    if n <= WITH_NUMBERS and n * longest <= 76:  # letters that fit side by side
        ax.set_xticks(range(n), c.columns, fontsize=12 if n * longest <= 66 else 11)
    elif few and len(names) > 1:
        ax.set_xticks(middle, names)


def _words(c: Covariances, zero: np.ndarray, borders: list[tuple[int, int]]) -> str:
    V, n = c.values, len(c.values)
    off = ~np.eye(n, dtype=bool) & ~zero

    def span(values: np.ndarray) -> str:
        low, high = number(float(values.min())), number(float(values.max()))
        return low if low == high else f"{low} to {high}"

    text = f"Covariance matrix of {n} readings as a heat map: on the diagonal {span(np.diag(V))}"
    text += f", beside it {span(V[off])} where two readings share something" if off.any() else ""
    text += f", and 0 in {int(zero.sum())} of {n * n} cells." if zero.any() else "."
    if len(borders) > 1:
        sizes = sorted({stop - start for start, stop in borders})
        size = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        text += f" {len(borders)} blocks of {size} readings; between blocks all is 0."
    return text
