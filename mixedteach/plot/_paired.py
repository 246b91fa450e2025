"""Pairs: a line a subject between the levels of a factor, and the differences of the pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import offset_copy

from mixedteach.columns import as_factor, check_table, is_numeric
from mixedteach.errors import (
    DataError,
    check_level,
    did_you_mean,
    explains_arguments,
    listed,
    warn,
)
from mixedteach.inference.distributions import t_quantile
from mixedteach.plot._inputs import of_difference
from mixedteach.plot._style import BLUE, INK, PALE, describe, minus, own_or_new, style

Array = np.ndarray
MOST_LABELS = 30  # subjects that are named on an axis
MOST_ENDS = 20  # subjects whose lines are named


@explains_arguments(DataError)
def paired(
    data: pd.DataFrame, response: str, *, within: str, subject: str, ax: Axes | None = None
) -> Axes:
    """Draw one line a subject between the levels of a factor, and the means of the levels.

    Parameters
    ----------
    data : DataFrame
        Long: one row a reading. Rows without a reading are passed over.
    response : str
        The column of readings.
    within : str
        The factor of two or more levels, one reading at each for every subject.
    subject : str
        What the readings of a line have in common.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes
        Subjects without a reading at every level have open markers; one alone has no line.
        The means are hollow diamonds. Subjects are named at both ends where their names fit.

    Raises
    ------
    DataError
        Unknown columns, readings that are no numbers, fewer than two levels, or more than one
        reading of a subject at a level.

    Examples
    --------
    >>> import mixedteach as mt
    >>> ax = mt.plot.paired(mt.load_tablets(), "content", within="method", subject="tablet")
    >>> len(ax.lines), ax.get_ylabel()
    (11, 'content [%]')
    """
    wide = one_a_cell(data, response, within, subject)
    levels = list(wide.columns)
    if len(levels) < 2:
        raise DataError(
            f"A line needs two levels, but '{within}' has only {listed(levels)}: check that it is "
            "the factor that differs within a pair."
        )
    if len(levels) > 2 * len(wide):
        warn(
            f"'{within}' has {len(levels)} levels, '{subject}' only {len(wide)}: the two look "
            f"exchanged. A line a {within} is drawn by within='{subject}', subject='{within}'."
        )
    ax = own_or_new(ax)
    position = np.arange(len(levels))
    means = wide.mean()
    places = decimals(wide.to_numpy())
    with style():
        for name, values in wide.iterrows():
            whole = values.notna().all()
            ax.plot(
                position,
                values,
                color=PALE,
                marker="o",
                # an open marker is larger, and lies below: it is seen around a filled one, too
                markersize=6 if whole else 9,
                linewidth=1.6,
                markerfacecolor=PALE if whole else "white",
                label=str(name),
                zorder=2 if whole else 1.9,
            )
        ax.plot(
            position, means, color=INK, marker="D", markersize=11, linewidth=3.5, label="mean",
            markerfacecolor="none", markeredgewidth=2.2, zorder=4,
        )  # fmt: skip
        margin = 0.35 if len(levels) == 2 else 0.3
        ax.set_xlim(-margin, len(levels) - 1 + margin)
        named = [f"{level}\nmean {rounded(means[level], places)}" for level in levels]
        ax.set_xticks(position, named, fontsize=15)
        ax.set_ylabel(with_unit(data, response))
        ax.margins(y=0.08)
        name_ends(ax, wide[levels[0]].dropna(), 0, -1)
        name_ends(ax, wide[levels[-1]].dropna(), len(levels) - 1, 1)
        ax.set_title(f"One line a {subject}; bold: the mean of each {within}")
    incomplete = int(wide.isna().any(axis=1).sum())
    said = ", ".join(f"{level} {rounded(means[level], places)}" for level in levels)
    words = f"{response} of {len(wide)} subjects ({subject}) at the levels of {within}, a line each"
    if incomplete:
        words += f"; {incomplete} of them lack a reading and have open markers"
    words += f". The means, in bold: {said}."
    if len(levels) == 2:
        change = (wide[levels[1]] - wide[levels[0]]).dropna()
        up, down = int((change > 0).sum()), int((change < 0).sum())
        words += f" From {levels[0]} to {levels[1]} {up} lines rise, {down} fall"
        words += f", {len(change) - up - down} are level." if len(change) > up + down else "."
    return describe(ax, words)


@explains_arguments(DataError)
def differences(
    data: pd.DataFrame,
    response: str,
    *,
    within: str,
    subject: str,
    level: float = 0.95,
    sort: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw the difference of each pair, their mean and its t interval.

    Parameters
    ----------
    data : DataFrame
        Long: one row a reading. Subjects without both readings are left out.
    response : str
        The column of readings.
    within : str
        The factor with two levels; the difference is the second level minus the first.
    subject : str
        What makes two readings a pair.
    level : float
        Of the interval.
    sort : bool
        Whether subjects are ordered by their difference, or stay in their own order.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        Unknown columns, readings that are no numbers, a factor without exactly two levels, more
        than one reading of a subject at a level, or fewer than two pairs.
    InferenceError
        If `level` is not between 0 and 1.

    Examples
    --------
    >>> import mixedteach as mt
    >>> ax = mt.plot.differences(mt.load_tablets(), "content", within="method", subject="tablet")
    >>> ax.get_ylabel()
    'content, hplc - nir [percentage points]'
    """
    level = check_level(level)
    wide, levels = pairs_of(data, response, within, subject)
    change = wide[levels[1]] - wide[levels[0]]
    n = len(change)
    mean, se = float(change.mean()), float(change.sem())
    half = float(t_quantile(0.5 + level / 2, n - 1)) * se
    # the differences of 10.4 - 10.1 and 10.2 - 9.9 are the same, whatever the last bits say
    order = change.round(12).sort_values(kind="stable") if sort else change
    places = decimals(change.to_numpy())
    ax = own_or_new(ax)
    position = np.arange(n)
    with style():
        ax.axhline(0, color=INK, linewidth=1.4, linestyle=(0, (5, 4)), zorder=1)
        ax.axhspan(mean - half, mean + half, color=BLUE, alpha=0.16, linewidth=0, zorder=0)
        ax.axhline(mean, color=BLUE, linewidth=3.2, zorder=2)
        ax.vlines(position, 0, order, color=PALE, linewidth=1.6, zorder=2)
        ax.plot(position, order, "o", color=INK, markersize=9, zorder=3)
        ax.set_xlim(-0.6, n - 0.4 + 0.32 * n)
        if n <= MOST_LABELS:
            ax.set_xticks(position, [str(name) for name in order.index])
        else:
            ax.set_xticks([])
        ax.set_xlabel(f"{subject}, by its difference" if sort else subject)
        unit = of_difference(data.attrs.get("units", {}).get(response, ""))
        ax.set_ylabel(f"{response}, {levels[1]} - {levels[0]}" + (f" [{unit}]" if unit else ""))
        ax.margins(y=0.1)
        text = {"xycoords": ("axes fraction", "data"), "ha": "right", "fontsize": 14}
        above = mean >= 0
        ax.annotate(
            minus(f"mean {rounded(mean, places)}"), (0.995, mean), xytext=(0, 7 if above else -7),
            textcoords="offset points", va="bottom" if above else "top", color=BLUE,
            weight="bold", **text,
        )  # fmt: skip
        ax.annotate(
            minus(
                f"{100 * level:g}% interval\n{rounded(mean - half, places)} to "
                f"{rounded(mean + half, places)}"
            ),
            (0.995, mean + half if above else mean - half),
            xytext=(0, 5 if above else -5),
            textcoords="offset points",
            va="bottom" if above else "top",
            color=BLUE,
            **text,
        )
        ax.annotate(
            "no difference", (0.995, 0), xytext=(0, -4 if above else 4),
            textcoords="offset points", va="top" if above else "bottom", color=INK,
            **(text | {"fontsize": 12}),
        )  # fmt: skip
        ax.set_title(f"One difference a {subject}, {levels[1]} minus {levels[0]}")
    return describe(
        ax,
        f"Differences of {response}, {levels[1]} minus {levels[0]}, of {n} pairs ({subject}), from "
        f"{rounded(change.min(), places)} to {rounded(change.max(), places)}. Their mean is "
        f"{rounded(mean, places)}, its {100 * level:g}% t interval goes from "
        f"{rounded(mean - half, places)} to {rounded(mean + half, places)} and "
        f"{'contains' if abs(mean) <= half else 'does not contain'} zero.",
    )


# -- tables ----------------------------------------------------------------------------------------


def check_columns(data: Any, response: str, factors: dict[str, Any]) -> None:
    """Say what is wrong with the columns of a long table; `factors` is argument -> column."""
    check_table(data, "The data")
    for name in (response, *factors.values()):
        if name not in data.columns:
            raise DataError(f"There is no column {name!r}." + did_you_mean(name, data.columns))
    if len({response, *factors.values()}) <= len(factors):
        arguments = " and ".join(f"{key}=" for key in factors)
        raise DataError(f"response, {arguments} must be three different columns.")
    if not is_numeric(data[response]):
        raise DataError(
            f"The column '{response}' holds no numbers; "
            f"pd.to_numeric(data['{response}'], errors='coerce') shows which entries are none."
        )


def complete_rows(
    data: pd.DataFrame, response: str, first: str, second: str
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Return the readings with the codes of two factors, and the factors' levels as text."""
    rows = data[[response, first, second]].dropna()
    if rows.empty:
        raise DataError(
            f"No row is complete: in every row '{response}', '{first}' or '{second}' is missing."
        )
    one, two = as_factor(first, rows[first]), as_factor(second, rows[second])
    codes = pd.DataFrame(
        {"value": rows[response].to_numpy(float), "first": one.codes, "second": two.codes}
    )
    return codes, [str(level) for level in one.levels], [str(level) for level in two.levels]


def one_a_cell(data: pd.DataFrame, response: str, within: str, subject: str) -> pd.DataFrame:
    """Return a wide table: a row a subject, a column a level of `within`, in their orders."""
    check_columns(data, response, {"within": within, "subject": subject})
    rows, levels, subjects = complete_rows(data, response, within, subject)
    twice = rows.duplicated(["first", "second"])
    if twice.any():
        i, j = rows.loc[twice, ["first", "second"]].iloc[0]
        count = int(((rows["first"] == i) & (rows["second"] == j)).sum())
        raise DataError(
            f"{subject} '{subjects[j]}' has {count} readings at {within} '{levels[i]}', but a line "
            f"has one at each level: average them first, as data.groupby(['{subject}', "
            f"'{within}'], observed=True)['{response}'].mean().reset_index() does."
        )
    wide = np.full((len(subjects), len(levels)), np.nan)
    wide[rows["second"], rows["first"]] = rows["value"]
    return pd.DataFrame(wide, index=pd.Index(subjects, name=subject), columns=levels)


def pairs_of(
    data: pd.DataFrame, response: str, within: str, subject: str
) -> tuple[pd.DataFrame, list[str]]:
    """Return the complete pairs, one row each, and the two levels."""
    wide = one_a_cell(data, response, within, subject)
    levels = list(wide.columns)
    if len(levels) != 2:
        raise DataError(
            f"A difference needs two levels, but '{within}' has {len(levels)}: {listed(levels)}. "
            + (
                f"within= and subject= look exchanged: '{subject}' has two."
                if len(levels) > 2 and len(wide) == 2
                else "Choose the rows of two levels first."
                if len(levels) > 2
                else "Check that it is the factor that differs within a pair."
            )
        )
    wide = wide.dropna()
    if len(wide) < 2:
        raise DataError(
            f"There are fewer than two complete pairs of {levels[0]} and {levels[1]}: check that "
            f"'{subject}' is what the two readings of a pair have in common."
        )
    return wide, levels


# -- words and numbers -----------------------------------------------------------------------------


def with_unit(data: pd.DataFrame, name: str) -> str:
    """Return the name of a column with its unit, for an axis."""
    unit = data.attrs.get("units", {}).get(name, "")
    return f"{name} [{unit}]" if unit else name


def decimals(values: Array) -> int:
    """Return with how many decimals means of these values are worth showing."""
    spread = float(np.nanmax(values) - np.nanmin(values))
    if not spread > 0:
        return 2
    return int(max(0, 2 - np.floor(np.log10(spread * (1 + 1e-9)))))


def rounded(value: float, places: int) -> str:
    """Return a number with so many decimals; exact halves go away from zero on every machine."""
    text = f"{value * (1 + 1e-12):.{places}f}"
    return text.lstrip("-") if float(text) == 0 else text


def name_ends(ax: Axes, values: pd.Series, x: float, side: int) -> None:
    """Write the names of subjects beside their readings; equal readings share a line.

    Names that would overlap are moved apart, a thin line leads from each to its reading. If there
    is not enough room for all, none is written.
    """
    if len(values) > MOST_ENDS or max(len(str(name)) for name in values.index) > 3:
        return
    height = ax.bbox.height / ax.figure.dpi * 72 * 0.8  # the axis in points, labels set aside
    low, high = ax.get_ylim()
    gap = 12.5 / height * (high - low)
    places, names = _named(values)
    if len(places) * gap > high - low:
        return
    apart = moved_apart(places, gap, low + gap / 2, high - gap / 2)
    far = bool(np.max(np.abs(apart - places)) > gap / 3)
    beside = offset_copy(ax.transData, fig=ax.figure, x=(22 if far else 13) * side, units="points")
    for y, text_y, text in zip(places, apart, names, strict=True):
        ax.annotate(
            text,
            (x, y),
            xytext=(x, text_y),
            textcoords=beside,
            ha="right" if side < 0 else "left",
            va="center",
            fontsize=12,
            color=INK,
            arrowprops={"arrowstyle": "-", "color": PALE, "lw": 0.8, "shrinkA": 1, "shrinkB": 4,
                        "relpos": (1 if side < 0 else 0, 0.5)} if far else None,
        )  # fmt: skip


def _named(values: pd.Series) -> tuple[Array, list[str]]:
    """Return the different readings in their order, and who has each."""
    same: dict[float, list[str]] = {}
    for name, value in values.round(12).sort_values(kind="stable").items():
        same.setdefault(float(value), []).append(str(name))
    return np.array(list(same)), [", ".join(names) for names in same.values()]


def moved_apart(places: Array, gap: float, low: float, high: float) -> Array:
    """Return the places (increasing) moved as little as possible to lie `gap` apart.

    Least squares: what is left of each place when the gaps below it are taken off must not
    decrease, so neighbours that do are pooled at their mean.
    """
    steps = gap * np.arange(len(places))
    pools: list[list[float]] = []  # mean, count
    for value in places - steps:
        pools.append([float(value), 1])
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            mean, count = pools.pop()
            total = pools[-1][1] + count
            pools[-1] = [(pools[-1][0] * pools[-1][1] + mean * count) / total, total]
    left = np.repeat([mean for mean, _ in pools], [int(count) for _, count in pools])
    return np.clip(left, low, high - steps[-1]) + steps
