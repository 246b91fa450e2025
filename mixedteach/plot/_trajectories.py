"""Repeated measures over time: one line for each subject ("spaghetti")."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mixedteach.columns import as_factor, is_numeric
from mixedteach.errors import DataError
from mixedteach.plot._inputs import check_columns, check_numbers, with_unit
from mixedteach.plot._style import BLUE, INK, PALE, describe, number, own_or_new, style


def trajectories(
    data: pd.DataFrame,
    *,
    x: str,
    subject: str,
    response: str,
    straight: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw the readings of each subject over time, joined, or the straight line through them.

    Parameters
    ----------
    data : DataFrame
        In long format, one row a reading.
    x : str
        Column of numbers along the horizontal axis: time, age, dose.
    subject : str
        Column whose levels become lines.
    response : str
        Column of numbers.
    straight : bool
        False: readings joined, and in bold the mean at each x. True: the line of least squares of
        each subject alone (with readings at two x at least), and in bold the mean of these lines.
    ax : Axes, optional
        By default a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If a column does not exist or is named twice, `x` or the response holds names, or no
        subject has readings at two values of `x`.

    Examples
    --------
    >>> import mixedteach as mt
    >>> ax = mt.plot.trajectories(mt.load_sleepstudy(), x="Days", subject="Subject",
    ...                           response="Reaction", straight=True)
    >>> len(ax.lines)  # 18 people and their mean
    19
    """
    check_columns(data, x=x, subject=subject, response=response)
    check_numbers(data, response)
    if not is_numeric(data[x]):
        raise DataError(
            f"x='{x}' holds names, not numbers, so it has no distances: use mt.plot.interaction, "
            "or convert it with pd.to_numeric."
        )
    rows = data[[x, subject, response]].dropna()
    parts = _parts(rows, x, subject, response)
    several = {name: part for name, part in parts.items() if len(np.unique(part[0])) > 1}
    if not several:
        raise DataError(
            f"No {subject} has readings at two different values of {x}: there is no line to draw."
        )
    ax = own_or_new(ax)
    with style():
        if straight:
            slopes, bold = _straight_lines(ax, several)
        else:
            _joined(ax, parts)
            bold = rows.groupby(x)[response].mean()
        ax.plot(bold.index, bold, color=INK, linewidth=3.2, zorder=3)
        units = data.attrs.get("units", {})
        ax.set_xlabel(with_unit(x, units))
        ax.set_ylabel(with_unit(response, units))
        ax.set_title(
            f"A straight line a {subject}" if straight else f"Readings, one line a {subject}"
        )
    unit = f" {units[response]}" if units.get(response) else ""
    if straight:
        return describe(ax, _words_straight(slopes, bold, x, subject, response, unit))
    return describe(ax, _words_joined(rows, bold, len(parts), x, subject, response, unit))


def _parts(
    rows: pd.DataFrame, x: str, subject: str, response: str
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return x and response of each subject, in the order of x."""
    factor = as_factor(subject, rows[subject])
    out = {}
    for code, level in enumerate(factor.levels):
        own = rows[factor.codes == code].sort_values(x, kind="stable")
        if len(own):
            out[str(level)] = (own[x].to_numpy(float), own[response].to_numpy(float))
    return out


def _joined(ax: Axes, parts: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    for at, values in parts.values():
        ax.plot(at, values, color=PALE, linewidth=1.1, marker="o", markersize=3.5, zorder=1)


def _straight_lines(
    ax: Axes, parts: dict[str, tuple[np.ndarray, np.ndarray]]
) -> tuple[pd.Series, pd.Series]:
    """Draw each subject's line; return the slopes, and the mean line at the ends of x."""
    ends = np.array(
        [min(at[0] for at, _ in parts.values()), max(at[-1] for at, _ in parts.values())]
    )
    slopes, lines = {}, []
    for name, (at, values) in parts.items():
        slope, level = np.polyfit(at, values, 1)
        slopes[name] = float(slope)
        lines.append(level + slope * ends)
        ax.plot(at[[0, -1]], level + slope * at[[0, -1]], color=BLUE, alpha=0.6, linewidth=1.3)
    return pd.Series(slopes), pd.Series(np.mean(lines, axis=0), index=ends)


def _words_joined(
    rows: pd.DataFrame, bold: pd.Series, count: int, x: str, subject: str, response: str, unit: str
) -> str:
    first, last = bold.index[0], bold.index[-1]
    spread = rows.groupby(x)[response].std()
    return (
        f"{len(rows)} readings of {response} by {x}, joined for each of {count} levels of "
        f"{subject}. Their mean goes from {number(bold[first], 4)}{unit} at {first:g} to "
        f"{number(bold[last], 4)}{unit} at {last:g}, their standard deviation from "
        f"{number(spread[first])} to {number(spread[last])}{unit}."
    )


def _words_straight(
    slopes: pd.Series, bold: pd.Series, x: str, subject: str, response: str, unit: str
) -> str:
    per = f"{unit} per unit of {x}"
    low, high = slopes.idxmin(), slopes.idxmax()
    return (
        f"Straight lines of {response} over {x}, one for each of {len(slopes)} levels of "
        f"{subject}. Their slopes go from {number(slopes[low])} ({subject} {low}) to "
        f"{number(slopes[high])}{per} ({subject} {high}), mean {number(slopes.mean())}; the mean "
        f"line goes from {number(bold.iloc[0], 4)} to {number(bold.iloc[-1], 4)}{unit}."
    )
