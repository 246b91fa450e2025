"""Estimated marginal means with their intervals, and what a difference between two must exceed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mixedteach.errors import DataError, a_kind, listed
from mixedteach.plot._inputs import with_unit
from mixedteach.plot._interaction import apart
from mixedteach.plot._style import (
    COLOURS,
    INK,
    LINES,
    MARKERS,
    describe,
    number,
    own_or_new,
    style,
)

DODGE = 0.17  # between series at one level, in units of the distance of two levels
SAME = 0.01  # yardsticks that differ by less than this share are one


@dataclass(frozen=True)
class Series:
    """What is drawn in one colour: means of one table, at one level of the second factor."""

    name: str
    table: int
    levels: list[str]
    mean: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def emmeans(
    *means: pd.DataFrame, labels: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw estimated marginal means with their intervals, and a yardstick for differences.

    Whether two intervals overlap says little about the difference of the means: two means of the
    same tablets can differ clearly although their intervals overlap. So at the left stands a bar as
    long as a difference has to be for `means.pairs()` to find it (at the level of the intervals,
    Tukey's adjustment if there are more than two means): means that are farther apart than the bar
    differ.

    Parameters
    ----------
    *means : LinearFunctions
        One or several tables made by ``m.emmeans(...)`` for the same factors, of different models
        for example. The first factor goes along the horizontal axis; a second one, or ``by``, gets
        colours, markers and lines.
    labels : sequence of str, optional
        A name for each table; needed if there are several.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If a table does not hold means, the factors of the tables differ, or labels are missing.

    Notes
    -----
    Where the pairs have different standard errors (unbalanced data, means of two factors) the bar
    is as long as the longest needed, and the picture says that some pairs need less. With more
    than two means it names the family that Tukey's adjustment covers, such as all 105 pairs.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets_missing())
    >>> ax = mt.plot.emmeans(m.emmeans("method"))
    >>> ax.get_ylabel()
    'mean of content [%]'
    """
    names = _labels(means, labels)
    factors = _factors(means)
    series = [
        one
        for i, (table, name) in enumerate(zip(means, names, strict=True))
        for one in _series(table, name, i, factors)
    ]
    yardsticks = [needed(table) for table in means]
    ax = own_or_new(ax)
    with style():
        _draw(ax, series, joined=len(factors) > 1)
        _scale(ax, series, yardsticks, _which(means, series), _family(means[0], yardsticks))
        _say(ax, means, factors)
    return describe(ax, _words(means, names, factors, series, yardsticks))


# -- reading the tables ----------------------------------------------------------------------------


def _labels(means: Sequence[Any], labels: Sequence[str] | None) -> list[str]:
    if not means:
        raise DataError(
            "There is nothing to draw: give a table of means, as in m.emmeans('method')."
        )
    for table in means:
        if not isinstance(table, pd.DataFrame):
            raise DataError(
                f"Means must be a table such as m.emmeans('method'), not {a_kind(table)}."
            )
        absent = [name for name in ("emmean", "lower", "upper") if name not in table.columns]
        if absent:
            raise DataError(
                f"The table has no column {listed(absent, last='or')}: give one made by "
                "m.emmeans('factor'); differences are drawn by mt.plot.pairs()."
            )
    if labels is None and len(means) == 1:
        return [""]
    if isinstance(labels, str) or labels is None or len(labels) != len(means):
        raise DataError(
            f"{len(means)} tables of means need {len(means)} labels, as in "
            "labels=['fixed', 'mixed']."
        )
    return [str(label) for label in labels]


def _factors(means: Sequence[pd.DataFrame]) -> list[str]:
    """Return the columns that name the means, the same in all tables."""
    found = [list(table.columns[: table.columns.get_loc("emmean")]) for table in means]
    if not found[0]:
        raise DataError("The table of means has no column of a factor before 'emmean'.")
    other = next((names for names in found if names != found[0]), None)
    if other is not None:
        raise DataError(
            f"The tables hold means of {listed(found[0])} and of {listed(other)}: draw means of "
            "the same factors together."
        )
    return found[0]


def _series(table: pd.DataFrame, label: str, number_: int, factors: list[str]) -> list[Series]:
    """Return a table as one series for each combination of all factors but the first."""
    names = [
        ", ".join(map(str, row)) for row in table[factors[1:]].itertuples(index=False, name=None)
    ]
    out = []
    for name in dict.fromkeys(names):
        rows = [i for i, own in enumerate(names) if own == name]
        level = _with_factor(factors[1], name) if name else ""
        out.append(
            Series(
                ", ".join(filter(None, [label, level])),
                number_,
                [str(value) for value in table[factors[0]].iloc[rows]],
                *(table[column].to_numpy(float)[rows] for column in ("emmean", "lower", "upper")),
            )
        )
    return out


def _with_factor(factor: str, level: str) -> str:
    """Return ``depth 3`` for a level that is a mere number, else the level."""
    return f"{factor} {level}" if level.replace(".", "", 1).isdigit() else level


def needed(table: pd.DataFrame) -> tuple[float, float] | None:
    """Return how far apart two means must be to differ: the least and the most over all pairs.

    None if the table does not know its model (pandas makes plain frames of selections), or holds
    one mean only.
    """
    if not hasattr(table, "pairs"):
        return None
    groups = len(table[table.by].drop_duplicates()) if table.by else 1
    if len(table) <= groups:
        return None
    pairs = table.pairs()
    half = (pairs["upper"] - pairs["lower"]).to_numpy(float) / 2
    half = half[np.isfinite(half)]
    return (float(half.min()), float(half.max())) if len(half) else None


# -- drawing ---------------------------------------------------------------------------------------


def _draw(ax: Axes, series: list[Series], joined: bool) -> None:
    levels = list(dict.fromkeys(level for one in series for level in one.levels))
    step = min(DODGE, 0.6 / len(series))
    for i, one in enumerate(series):
        shift = (i - (len(series) - 1) / 2) * step
        x = np.array([levels.index(level) for level in one.levels]) + shift
        colour = COLOURS[i % len(COLOURS)]
        ax.errorbar(
            x, one.mean, [one.mean - one.lower, one.upper - one.mean], color=colour,
            marker=MARKERS[i % len(MARKERS)], markersize=10, capsize=6, capthick=2, elinewidth=2.4,
            linestyle=LINES[i % len(LINES)] if joined else "none", linewidth=1.6, label=one.name,
        )  # fmt: skip
    ax.set_xticks(range(len(levels)), levels)
    k = len(levels)
    named = len(series) > 1
    left, right = 0.24, 0.2 if named else 0.0  # shares of the width for yardstick and names
    width = k / (1 - left - right)
    ax.set_xlim(-0.5 - left * width, k - 0.5 + right * width)
    if named:
        _name(ax, series, k - 0.5 - 0.1)


def _name(ax: Axes, series: list[Series], x: float) -> None:
    """Write the name of each series at its right end, in its colour, after its marker."""
    ax.figure.draw_without_rendering()  # the layout decides how tall the Axes is
    low, high = ax.get_ylim()
    gap = 20 * (high - low) * ax.figure.dpi / 72 / ax.get_window_extent().height
    places = apart([one.mean[-1] for one in series], gap)
    for i, (one, place) in enumerate(zip(series, places, strict=True)):
        colour = COLOURS[i % len(COLOURS)]
        ax.plot([x + 0.08], [place], MARKERS[i % len(MARKERS)], color=colour, ms=8, clip_on=False)
        ax.annotate(
            one.name, (x + 0.08, place), xytext=(9, 0), textcoords="offset points", va="center",
            weight="bold", fontsize=13, color=INK, annotation_clip=False,
        )  # fmt: skip


def _which(means: Sequence[pd.DataFrame], series: list[Series]) -> str:
    """Say between which means the yardstick holds: pairs() compares within a group and a table."""
    if len(means) == len(series):
        return "two means" if len(means) == 1 else "means of\none colour"
    if getattr(means[0], "by", []):
        return "two means\nof one line"
    return "two means" if len(means) == 1 else "two means of\none model"


def _compared(table: pd.DataFrame) -> int:
    """Return how many pairs one family of comparisons has (with ``by``: within one group)."""
    by = list(getattr(table, "by", []))
    sizes = table.groupby(by, observed=True).size() if by else [len(table)]
    return int(max(n * (n - 1) // 2 for n in sizes))


def _unequal(bar: tuple[float, float] | None) -> bool:
    return bar is not None and bar[1] > (1 + SAME) * bar[0]


def _family(table: pd.DataFrame, yardsticks: list[tuple[float, float] | None]) -> list[str]:
    """Name the family of comparisons, if there are several; say if some of them need less."""
    count = _compared(table)
    out = [f"all {count} pairs"] if count > 1 else []
    return [*out, "some need less"] if any(map(_unequal, yardsticks)) else out


def _scale(
    ax: Axes, series: list[Series], yardsticks: list[tuple[float, float] | None], which: str,
    family: list[str],
) -> None:  # fmt: skip
    """Draw the difference that two means need, as a bar at the left."""
    known = [(i, bar) for i, bar in enumerate(yardsticks) if bar is not None]
    low, high = ax.get_xlim()[0], -0.5
    if not known:
        words = "overlap of bars\nsays nothing\nof differences:\nsee pairs()"
        ax.text(low + 0.04 * (high - low), np.mean(ax.get_ylim()), words, va="center", fontsize=12)
        return
    centre = float(np.mean([one.mean.mean() for one in series]))
    for place, (i, (_, most)) in enumerate(known):
        first = next(j for j, one in enumerate(series) if one.table == i)
        x = low + (high - low) * (0.1 + 0.13 * place)
        ax.errorbar(
            [x], [centre], most / 2, color=COLOURS[first % len(COLOURS)] if len(known) > 1 else INK,
            capsize=6, capthick=2.4, elinewidth=4, label="_yardstick",
        )  # fmt: skip
    said = f"{which}\ndiffer if\nfarther apart\nthan this"
    ax.annotate(
        said + ("\n(" + ",\n".join(family) + ")" if family else ""),
        (x, centre), xytext=(9, 0), textcoords="offset points", va="center", fontsize=12,
    )  # fmt: skip


def _say(ax: Axes, means: Sequence[pd.DataFrame], factors: list[str]) -> None:
    response, unit = response_and_unit(means[0])
    ax.set_ylabel(with_unit(f"mean of {response or 'response'}", {response: unit}, response))
    ddf = list(dict.fromkeys(str(table.attrs.get("ddf", "")) for table in means))
    said = [f"bars: {_percent(means[0])}intervals of single means"]
    if all(ddf):
        said.append(f"df: {' / '.join(ddf)}")
    ax.set_xlabel(f"{factors[0]}\n{wrapped(said, ax)}")


def wrapped(pieces: Sequence[str], ax: Axes) -> str:
    """Join pieces with semicolons, on as many lines as the width of the Axes asks for."""
    letters = ax.get_window_extent().width / ax.figure.dpi * 72 / 6.8
    lines = [pieces[0]]
    for piece in pieces[1:]:
        if len(lines[-1]) + len(piece) + 2 > letters:
            lines[-1] += ";"
            lines.append(piece)
        else:
            lines[-1] += f"; {piece}"
    return "\n".join(lines)


def response_and_unit(table: pd.DataFrame) -> tuple[str, str]:
    """Return the name and the unit of the response of a table's model, "" where not known."""
    model = getattr(table, "model", None)
    if model is None:
        return "", ""
    name = model.formula.response_name
    return name, model.data.attrs.get("units", {}).get(name, "")


def _percent(table: pd.DataFrame) -> str:
    level = table.attrs.get("level")
    return f"{100 * level:g}% " if level else ""


def _words(
    means: Sequence[pd.DataFrame], names: list[str], factors: list[str], series: list[Series],
    yardsticks: list[tuple[float, float] | None],
) -> str:  # fmt: skip
    response, unit = response_and_unit(means[0])
    parts = []
    for one in series:
        values = ", ".join(
            f"{_with_factor(factors[0], level)} {_shown(value)}"
            for level, value in zip(one.levels, one.mean, strict=True)
        )  # fmt: skip
        parts.append(f"{one.name}: {values}" if one.name else values)
    of = factors[0] + (f" by {' and '.join(factors[1:])}" if factors[1:] else "")
    words = (
        f"Estimated means of {response or 'the response'} by {of} with "
        f"{_percent(means[0])}intervals{f', in {unit}' if unit else ''}; {'; '.join(parts)}."
    )
    bars = []
    for name, bar in zip(names, yardsticks, strict=True):
        if bar is not None:
            notes = ", ".join(filter(None, [name, "some pairs need less" if _unequal(bar) else ""]))
            bars.append(f"{_shown(bar[1], 3)}{f' ({notes})' if notes else ''}")
    if bars:
        words += f" Two means differ if farther apart than {', '.join(bars)}."
    return words


def _shown(value: float, digits: int = 4) -> str:
    """Return a number for the description; the nudge settles ties the same way on any machine."""
    return number(float(value) * (1 + 1e-9), digits)
