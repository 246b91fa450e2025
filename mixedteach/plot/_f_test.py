"""What an F test does: F by chance, F where there is a difference, and the limit between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import special

from mixedteach.errors import InferenceError, shown
from mixedteach.plot._style import (
    BLUE,
    INK,
    ORANGE,
    PALE,
    describe,
    number,
    own_or_new,
    style,
)

Array = np.ndarray

FEW = 60  # trials up to here are drawn one by one
_BINS = 40


def f_test(
    num_df: float,
    den_df: float,
    noncentrality: float | None = None,
    *,
    trials: Any = None,
    alpha: float = 0.05,
    ax: Axes | None = None,
) -> Axes:
    r"""Draw how large F is by chance, and how large where there is a difference.

    Parameters
    ----------
    num_df, den_df : float
        Degrees of freedom.
    noncentrality : float, optional
        Of F where there is a difference, lambda; without it only F by chance is drawn.
    trials : sequence of float, optional
        F of trials: up to 60 are drawn as points, filled if beyond the limit; more as a histogram.
    alpha : float
        The test finds something if F is beyond the limit that chance exceeds with this probability.
    ax : Axes, optional
        By default a new figure.

    Returns
    -------
    Axes
        Its title says the power, or how many trials lie beyond the limit.

    Raises
    ------
    InferenceError
        For degrees of freedom, a noncentrality or trials that are no such numbers.

    Notes
    -----
    The limit is F_{q,nu;1-alpha}; the power P(F'_{q,nu}(lambda) > F_{q,nu;1-alpha}), with F' the
    non-central F distribution (Johnson, Kotz and Balakrishnan 1995, Continuous Univariate
    Distributions 2, chapter 30).

    Examples
    --------
    >>> import mixedteach as mt
    >>> ax = mt.plot.f_test(2, 38, 7.5)
    >>> ax.get_title("left")
    'Power 0.651'
    """
    q, nu = (_number(v, n, 0, True) for v, n in ((num_df, "num_df"), (den_df, "den_df")))
    delta = None if noncentrality is None else _number(noncentrality, "noncentrality", 0, False)
    alpha = _number(alpha, "alpha", 0, True)
    if alpha >= 1:
        raise InferenceError(f"alpha={alpha:g} must be a number between 0 and 1, as in alpha=0.05.")
    seen = None if trials is None else _trials(trials)
    limit = float(special.fdtri(q, nu, 1 - alpha))
    end = _end(q, nu, delta, seen, limit)
    x = np.linspace(end / 2000, end, 2000)
    ax = own_or_new(ax)
    with style():
        chance = np.gradient(special.fdtr(q, nu, x), x)
        top = 1.25 if q <= 2 else 1.25 * chance.max()
        ax.plot(x, chance, color=INK, label="no difference")
        _area(ax, x, chance, limit, {"facecolor": PALE, "alpha": 0.8})
        if delta is not None:
            there = np.gradient(special.ncfdtr(q, nu, delta, x), x)
            top = min(top, 2.5 * there.max())  # else the flat curve is hard to see
            ax.plot(x, there, color=BLUE, linestyle="--", label="difference")
            _area(ax, x, there, limit, {"facecolor": BLUE, "alpha": 0.25, "hatch": "//"})
        low = 0.0 if seen is None else _draw_trials(ax, seen, limit, end, top)
        ax.axvline(limit, color=ORANGE, linestyle="--", linewidth=1.8)
        ax.annotate(
            f"limit {limit:.2f}", (limit, top), xytext=(5, -2), textcoords="offset points",
            va="top", color=INK, fontsize=12.5,
        )  # fmt: skip
        ax.set(xlim=(0, end), ylim=(low, top), yticks=[], xlabel=f"F on {q:g} and {nu:g} df")
        ax.spines["left"].set_visible(False)
        ax.legend(loc="upper right")
        power = None if delta is None else float(1 - special.ncfdtr(q, nu, delta, limit))
        ax.set_title(_title(power, seen, limit, alpha))
    return describe(ax, _said(q, nu, delta, power, seen, limit, alpha))


def _number(value: Any, name: str, least: float, above: bool) -> float:
    good = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not good or not np.isfinite(value) or value < least or (above and value == least):
        bound = "above" if above else "of at least"
        raise InferenceError(f"{name}={shown(value)} must be a number {bound} {least:g}.")
    return float(value)


def _trials(values: Any) -> Array:
    several = isinstance(values, (Sequence, np.ndarray, pd.Series)) and not isinstance(values, str)
    try:
        out = np.asarray(values, float).ravel()
    except (TypeError, ValueError):
        several, out = False, np.empty(0)
    if not several or not out.size or not np.isfinite(out).all() or (out < 0).any():
        raise InferenceError(
            f"trials={shown(values)} must be a list of F values, none missing or below 0."
        )
    return out


def _end(q: float, nu: float, delta: float | None, seen: Array | None, limit: float) -> float:
    """Return where the axis ends: most of both curves, and single trials."""
    ends = [2.2 * limit]
    if delta:
        ends.append(float(special.ncfdtri(q, nu, delta, 0.985)))
    if seen is not None:
        ends.append(1.04 * float(seen.max() if seen.size <= FEW else np.quantile(seen, 0.985)))
    return max(ends)


def _area(ax: Axes, x: Array, y: Array, limit: float, look: dict[str, Any]) -> None:
    beyond = np.concatenate([[limit], x[x > limit]])
    ax.fill_between(beyond, np.interp(beyond, x, y), edgecolor=look["facecolor"], linewidth=0,
                    zorder=1, **look)  # fmt: skip


def _draw_trials(ax: Axes, seen: Array, limit: float, end: float, top: float) -> float:
    """Draw the trials; return where the vertical axis has to begin."""
    if seen.size > FEW:
        heights, edges = np.histogram(seen, np.linspace(0, end, _BINS + 1))
        density = heights / seen.size / np.diff(edges)
        ax.stairs(density, edges, color=PALE, fill=True, alpha=0.45, zorder=0,
                  label=f"{seen.size} trials")  # fmt: skip
        return 0.0
    step = 0.075 * top
    rows = _stacked(np.sort(seen), 0.028 * end)
    y = -step * (rows + 1)
    hit = np.sort(seen) > limit
    for which, face in ((hit, BLUE), (~hit, "white")):
        ax.plot(np.sort(seen)[which], y[which], "o", mfc=face, mec=BLUE, mew=1.8, clip_on=False)
    ax.axhline(0, color=INK, linewidth=1)
    return float(y.min() - 0.8 * step)


def _stacked(values: Array, apart: float) -> Array:
    """Return the row of each of the ordered values, so that points do not cover each other."""
    last: list[float] = []
    rows = []
    for value in values:
        row = next((i for i, end in enumerate(last) if value - end >= apart), len(last))
        last[row : row + 1] = [value]
        rows.append(row)
    return np.array(rows)


def _title(power: float | None, seen: Array | None, limit: float, alpha: float) -> str:
    if seen is not None:
        found = f"{int((seen > limit).sum())} of {seen.size} trials beyond the limit"
        return found if power is None else f"Power {power:.3f}; {found}"
    return f"Power {power:.3f}" if power is not None else f"{100 * alpha:g}% beyond the limit"


def _said(
    q: float, nu: float, delta: float | None, power: float | None, seen: Array | None,
    limit: float, alpha: float,
) -> str:  # fmt: skip
    words = (
        f"Density of F on {q:g} and {nu:g} degrees of freedom if there is no difference; "
        f"{100 * alpha:g}% lie beyond the limit {number(limit)}."
    )
    if delta is not None:
        words += (
            f" Beside it the density where there is a difference (noncentrality {number(delta)}), "
            f"of which {power:.3f} lies beyond the limit."
        )
    if seen is not None:
        how = "points" if seen.size <= FEW else "a histogram"
        words += (
            f" F of {seen.size} trials as {how}, from {number(seen.min())} to "
            f"{number(seen.max())}; {int((seen > limit).sum())} beyond the limit."
        )
    return words
