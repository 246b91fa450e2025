"""Means by the levels of two factors: one line a level of the second (R's ``interaction.plot``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mixedteach.columns import as_factor, is_numeric
from mixedteach.plot._inputs import check_columns, check_numbers, line_names, with_unit
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

FEW = 6  # up to here every line has its own colour, marker and name


def interaction(
    data: pd.DataFrame, *, x: str, trace: str, response: str, ax: Axes | None = None
) -> Axes:
    """Draw the means of a response by the levels of `x`, one line a level of `trace`.

    All other factors are averaged over. Parallel lines say that the effect of `x` is the same at
    every level of `trace`: no interaction. Up to six lines are named at their ends; more are drawn
    thin, with their mean in bold.

    Parameters
    ----------
    data : DataFrame
        In long format, one row a reading.
    x : str
        Column along the horizontal axis: a factor, or numbers, which keep their distances.
    trace : str
        Column whose levels become lines.
    response : str
        Column of numbers to average.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If a column does not exist, is named twice, or the response does not hold numbers.

    Examples
    --------
    >>> import mixedteach as mt
    >>> ax = mt.plot.interaction(mt.load_oats(), x="nitrogen", trace="variety", response="yield")
    >>> ax.get_xlabel(), len(ax.lines)
    ('nitrogen', 3)
    """
    check_columns(data, x=x, trace=trace, response=response)
    check_numbers(data, response)
    means = _means(data, x, trace, response)
    ax = own_or_new(ax)
    with style():
        positions = _positions(ax, means.columns, data[x])
        if len(means) <= FEW:
            _named_lines(ax, means, positions, trace)
        else:
            _pale_lines(ax, means, positions)
        units = data.attrs.get("units", {})
        ax.set_xlabel(with_unit(x, units))
        ax.set_ylabel(with_unit(f"mean {response}", units, response))
        line = "One line" if len(means) <= FEW else "One thin line"
        ax.set_title(f"{line} a {trace}, by {x}")
        for other in ax.get_shared_y_axes().get_siblings(ax):
            _spread_names(other)  # a shared axis may have grown since they were placed
    return describe(ax, _words(means, x, trace, response, units.get(response, "")))


def _means(data: pd.DataFrame, x: str, trace: str, response: str) -> pd.DataFrame:
    """Return the mean of each cell: a row a level of trace, a column a level of x."""
    rows, columns = as_factor(trace, data[trace]), as_factor(x, data[x])
    table = pd.DataFrame(
        {"row": rows.codes, "column": columns.codes, "y": data[response].to_numpy(float)}
    )
    table = table[(table["row"] >= 0) & (table["column"] >= 0)]
    means = table.groupby(["row", "column"])["y"].mean().unstack()
    means = means.reindex(index=range(len(rows.levels)), columns=range(len(columns.levels)))
    means.index, means.columns = pd.Index(rows.levels), pd.Index(columns.levels)
    return means


def _positions(ax: Axes, levels: Sequence[Any], values: pd.Series) -> np.ndarray:
    """Return where the levels stand; those of a factor at 0, 1, 2, ... with their names."""
    if is_numeric(values):
        return np.asarray(levels, float)
    positions = np.arange(len(levels), dtype=float)
    ax.set_xticks(positions, [str(level) for level in levels])
    return positions


def _named_lines(ax: Axes, means: pd.DataFrame, positions: np.ndarray, trace: str) -> None:
    for i, (_, values) in enumerate(means.iterrows()):
        ax.plot(
            positions,
            values,
            color=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            linestyle=LINES[i % len(LINES)],
        )
    span = float(np.ptp(positions)) or 1.0
    last = [values.last_valid_index() for _, values in means.iterrows()]
    ends = [
        np.nan if at is None else v[at] for at, (_, v) in zip(last, means.iterrows(), strict=True)
    ]
    names = []
    lines = line_names(means.index, trace)
    for i, (line, end) in enumerate(zip(lines, ends, strict=True)):
        if np.isnan(end):
            continue
        at = positions[means.columns.get_loc(last[i])]
        name = ax.annotate(
            line,
            (at, end),
            xytext=(positions.max() + 0.06 * span, end),
            textcoords="data",
            va="center",
            color=INK,
            weight="bold",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": COLOURS[i % len(COLOURS)],
                "linewidth": 1.2,
                "shrinkA": 1,
                "shrinkB": 6,
            },
        )
        names.append(name)
    ax._mixedteach_names = names


def _spread_names(ax: Axes) -> None:
    """Move the names at the ends of lines apart, so that none stands on another."""
    names = getattr(ax, "_mixedteach_names", [])
    if names:
        places = apart([name.xy[1] for name in names], _line_height(ax))
        for name, place in zip(names, places, strict=True):
            name.xyann = (name.xyann[0], place)


def _pale_lines(ax: Axes, means: pd.DataFrame, positions: np.ndarray) -> None:
    for _, values in means.iterrows():
        ax.plot(positions, values, color=PALE, linewidth=0.9, zorder=1)
    middle = means.mean()
    ax.plot(positions, middle, color=INK, linewidth=3, marker="o", markersize=9, zorder=3)
    ax.annotate(
        "their mean",
        (positions[-1], middle.iloc[-1]),
        xytext=(12, 0),
        textcoords="offset points",
        va="center",
        weight="bold",
        annotation_clip=False,
    )


def _line_height(ax: Axes) -> float:
    """Return the height of a line of text in units of the vertical axis."""
    ax.figure.draw_without_rendering()  # the layout decides how tall the Axes is
    low, high = ax.get_ylim()
    points = ax.get_window_extent().height * 72 / ax.figure.dpi
    return 18 * (high - low) / points


def apart(values: Sequence[float], gap: float) -> np.ndarray:
    """Move values as little as needed until neighbours are `gap` apart, in the same order.

    Examples
    --------
    >>> apart([5.0, 1.0, 5.0], gap=1.0).round(6).tolist()
    [4.5, 1.0, 5.5]
    """
    values = np.asarray(values, float)
    order = [i for i in np.argsort(values, kind="stable") if not np.isnan(values[i])]
    groups: list[list[float]] = []  # [sum of (value - own offset), size]: merged when they overlap
    for i in order:
        groups.append([values[i], 1])
        while len(groups) > 1:
            (below, m), (above, n) = groups[-2:]
            if above / n - below / m >= gap * m - 1e-12 * abs(gap):
                break
            groups[-2:] = [[below + above - gap * m * n, m + n]]
    out = values.copy()
    place = iter(order)
    for total, size in groups:
        for k in range(size):
            out[next(place)] = total / size + gap * k
    return out


def _words(means: pd.DataFrame, x: str, trace: str, response: str, unit: str) -> str:
    unit = f" {unit}" if unit in ("%", "ms", "mm") else ""
    first, last = means.columns[0], means.columns[-1]

    def ends(values: pd.Series) -> list[str]:
        return [number(values[first], 4), number(values[last], 4)]

    start, end = ends(means.mean())

    words = (
        f"Means of {response} by {x}, one line for each of {len(means)} levels of {trace}; their "
        f"mean goes from {start}{unit} at {first} to {end}{unit} at {last}."
    )
    if len(means) > FEW:
        low, high = float(means.min().min()), float(means.max().max())
        return f"{words} Single lines lie between {number(low)} and {number(high)}{unit}."
    single = ", ".join(
        f"{level} from {' to '.join(ends(values))}" for level, values in means.iterrows()
    )
    return f"{words} By {trace}: {single}."


# -- for other pictures of designs -----------------------------------------------------------------
