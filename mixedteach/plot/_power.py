"""Power along a grid of experiments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mixedteach.errors import InferenceError, a_kind, did_you_mean, listed, shown
from mixedteach.plot._style import (
    COLOURS,
    INK,
    LINES,
    MARKERS,
    PALE,
    describe,
    number,
    own_or_new,
    style,
)

_WANTED = 0.8  # the usual wish (Cohen 1988, section 2.4)
_WORDS = {"effect": "size of the effect", "readings": "readings of each"}


def power(
    table: pd.DataFrame,
    *,
    x: str | None = None,
    by: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw power against the first thing that changes; a line for each value of the others.

    Parameters
    ----------
    table : PowerTable or DataFrame
        Made by :func:`mixedteach.power_curve`; or by hand, with a column ``power``, if `x` is
        given.
    x, by : str, optional
        Columns: what to draw power against, and what each line stands for. Their names are
        written at the axis and above the names of the lines.
    ax : Axes, optional
        By default a new figure.

    Returns
    -------
    Axes
        With the limits of the powers as bars (none if they were computed by formula), beside each
        other where there are several lines; dotted lines at 0.8 and at alpha.

    Raises
    ------
    InferenceError
        If the table is not one of powers along a grid, or lacks a column.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.planned(
    ...     "content ~ method + (1|tablet)", mt.crossed(tablet=10, method=["nir", "hplc"]),
    ...     fixed={"Intercept": 10, "method[hplc]": 0.15}, sd={"tablet": 0.4, "Residual": 0.2},
    ... )
    >>> ax = mt.plot.power(mt.power_curve(m, "method", {"tablet": [10, 20, 30, 40]}))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('number of tablets', 'power')

    A table made by hand: three designs and what they cost.

    >>> import pandas as pd
    >>> designs = pd.DataFrame({"cost [€]": [600, 1200, 2400], "power": [0.3, 0.6, 0.9]})
    >>> mt.plot.power(designs, x="cost [€]").get_xlabel()
    'cost [€]'
    """
    own = x is not None
    along = _chosen(table, x, by) if own else _along(table, by)
    first, others = along[0], along[1:]
    if "lower" not in table.columns or "upper" not in table.columns:
        table = table.assign(lower=table["power"], upper=table["power"])
    series = _series(table, others)
    ax = own_or_new(ax)
    with style():
        step = 0.008 * np.ptp(table[first].to_numpy(float))
        for i, (name, rows) in enumerate(series.items()):
            rows = rows.sort_values(first)
            at, y = rows[first].to_numpy(float), rows["power"].to_numpy(float)
            ends = np.abs(np.array([y - rows["lower"], rows["upper"] - y]))
            colour = COLOURS[i % len(COLOURS)]
            if ends.any():  # bars beside each other
                at = at + step * (i - 0.5 * (len(series) - 1))
            ax.errorbar(
                at, y, ends if ends.any() else None, color=colour,
                linestyle=LINES[i % len(LINES)], marker=MARKERS[i % len(MARKERS)], capsize=4,
                elinewidth=1.8, label=name, clip_on=False,
            )  # fmt: skip
        _levels(ax, table)
        ticks = np.unique(table[first].to_numpy(float))
        if len(ticks) <= 8:
            ax.set_xticks(ticks, [f"{value:g}" for value in ticks])
        ax.set_xlabel(first if own else _label(table, first))
        ax.set_ylabel("power")
        ax.set_ylim(0, 1.02)
        if len(series) > 1:
            title = ", ".join(name if own else _label(table, name) for name in others)
            ax.legend(
                title=title, loc="center left", bbox_to_anchor=(1.0, 0.5), alignment="left",
                title_fontsize=12,
            )  # fmt: skip
    return describe(ax, _said(first if own else _label(table, first), first, series))


def _chosen(table: Any, x: Any, by: Any) -> list[str]:
    """Return the columns named by the caller, or say what is wrong with them."""
    if not isinstance(table, pd.DataFrame):
        raise InferenceError(f"mt.plot.power draws a table of powers, not {a_kind(table)}.")
    names = [name for name in (x, by) if name is not None]
    for name in (*names, "power"):
        if name not in table.columns:
            raise InferenceError(
                f"The table has no column {shown(name)}."
                + did_you_mean(str(name), [str(c) for c in table.columns])
            )
    for name in (x, "power"):
        numeric = pd.api.types.is_numeric_dtype(table[name])
        if not numeric or not len(table) or not np.isfinite(table[name]).all():
            raise InferenceError(
                f"The column {shown(name)} must hold numbers, none of them missing."
            )
    return names


def _along(table: Any, by: Any) -> list[str]:
    if by is not None:
        raise InferenceError(
            f"by={shown(by)} needs x= beside it: name the column to draw power against."
        )
    if not isinstance(table, pd.DataFrame):
        raise InferenceError(
            f"mt.plot.power draws a table made by mt.power_curve(...), not {a_kind(table)}."
        )
    absent = [name for name in ("power", "lower", "upper") if name not in table.columns]
    if absent:
        raise InferenceError(
            f"The table has no column {listed(absent, last='or')}: give one made by "
            "mt.power_curve(...)."
        )
    along = list(table.attrs.get("along", ()))
    if not along:
        along = [name for name in table.columns[: list(table.columns).index("power")]
                 if name not in ("nobs", "test")]  # fmt: skip
    if not along:
        raise InferenceError(
            "This is the power of one experiment: mt.power_curve(m, test, along=...) makes a curve."
        )
    # the name with the most values makes the best axis, the first of equals
    along.sort(key=lambda name: -min(table[name].nunique(), 3))
    return [*along, *(["test"] if "test" in table.columns else [])]


def _series(table: pd.DataFrame, others: list[str]) -> dict[str, pd.DataFrame]:
    """Return the rows of each line, by the name of the line."""
    plain = pd.DataFrame(table)
    out: dict[str, pd.DataFrame] = {}
    if not others:
        return {"": plain}
    for key, rows in plain.groupby(others, sort=False):
        name = ", ".join(f"{v:g}" if isinstance(v, (int, float)) else str(v) for v in key)
        out[name] = rows
    return out


def _levels(ax: Axes, table: pd.DataFrame) -> None:
    """Draw the power one usually wants, and what chance alone gives."""
    alpha = float(table.attrs.get("alpha", 0.05))
    for value in (_WANTED, alpha):
        ax.axhline(value, color=PALE, linestyle=":", linewidth=1.4, zorder=0)
    # no power is smaller, so below its line there is nothing that the words could cover
    below = alpha >= 0.045
    ax.annotate(
        rf"$\alpha$ = {alpha:g}", (1, 0 if below else alpha), xycoords=("axes fraction", "data"),
        xytext=(0, 3), textcoords="offset points", ha="right", va="baseline", color=INK,
        fontsize=12, zorder=5,
    )  # fmt: skip


def _label(table: pd.DataFrame, name: str) -> str:
    if name in _WORDS:
        return _WORDS[name]
    if name == "test":
        return name
    whole = pd.api.types.is_integer_dtype(table[name])
    return f"number of {name}s" if whole and "(" not in name and "[" not in name else name


def _said(label: str, first: str, series: dict[str, pd.DataFrame]) -> str:
    sentences = [f"Power against the {label}."]
    for name, rows in series.items():
        rows = rows.sort_values(first)
        ends = rows.iloc[[0, -1]]
        (a, b), (low, high) = ends[first], ends["power"]
        start = f"{name}: " if name else "It goes "
        sentence = f"from {number(low)} at {a:g} to {number(high)} at {b:g}"
        enough = rows.loc[rows["power"] >= _WANTED, first]
        reached = (
            f"; {_WANTED:g} is reached at {enough.iloc[0]:g}" if len(enough) else
            f"; {_WANTED:g} is not reached"
        )  # fmt: skip
        sentences.append(f"{start}{sentence}{reached}.")
    return " ".join(sentences)
