"""What was measured and what was not: a map of the cells of two factors."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from mixedteach.columns import as_factor, is_missing
from mixedteach.errors import DataError, explains_arguments
from mixedteach.plot._inputs import check_columns
from mixedteach.plot._style import INK, SKY, VERMILION, describe, own_or_new, style

FULL, EMPTY = SKY, "#FFFFFF"
MOST_LABELS = 40  # levels that are named on an axis; of more, every second, fifth, ...


@explains_arguments(DataError)
def missing(
    data: pd.DataFrame, response: str, *, rows: str, columns: str, ax: Axes | None = None
) -> Axes:
    """Draw which combinations of two factors were measured, with the counts at the margins.

    A measured cell is filled and holds a dot (or the number of its readings, if some cell has
    several); a missing one is white and holds a cross. A combination that has no row in the data is
    missing as much as one whose reading is blank.

    Parameters
    ----------
    data : DataFrame
        Long: one row a reading.
    response : str
        The column of readings.
    rows, columns : str
        The factors whose levels become rows and columns of the map.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If a column does not exist, is named twice, or holds no values.

    Examples
    --------
    >>> import mixedteach as mt
    >>> tablets = mt.load_tablets_missing()
    >>> ax = mt.plot.missing(tablets, "content", rows="method", columns="tablet")
    >>> print(mt.plot.description(ax.figure)[:70])
    A map of 2 levels of method by 20 levels of tablet: 30 of 40 cells wer
    """
    check_columns(data, response=response, rows=rows, columns=columns)
    counts = cells(data, response, rows, columns)
    m, n = counts.shape
    ax = own_or_new(ax, (9, min(7.0, 2.4 + 0.42 * m)))
    with style():
        _draw_cells(ax, counts.to_numpy())
        _draw_margins(ax, counts.to_numpy())
        _name(ax.set_xticks, counts.columns)
        _name(ax.set_yticks, counts.index)
        ax.set_xlim(-0.5, n - 0.5)
        ax.set_ylim(m - 0.5, -0.5)
        ax.set_xlabel(columns)
        ax.set_ylabel(rows)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        full = int((counts > 0).to_numpy().sum())
        ax.set_title(f"{full} measured (●), {m * n - full} missing (×)", pad=34)
    return describe(ax, _words(counts, rows, columns))


def cells(data: pd.DataFrame, response: str, rows: str, columns: str) -> pd.DataFrame:
    """Return the number of readings in each combination of levels, zeros included."""
    down, across = as_factor(rows, data[rows]), as_factor(columns, data[columns])
    counts = np.zeros((len(down.levels), len(across.levels)), int)
    there = ~is_missing(data[response]) & (down.codes >= 0) & (across.codes >= 0)
    np.add.at(counts, (down.codes[there], across.codes[there]), 1)
    return pd.DataFrame(counts, index=list(down.levels), columns=list(across.levels))


def _draw_cells(ax: Axes, counts: np.ndarray) -> None:
    m, n = counts.shape
    size = float(np.clip(11 * 20 / max(n, 2.5 * m), 3, 11))
    several = counts.max() > 1
    for i in range(m):
        for j in range(n):
            colour = FULL if counts[i, j] else EMPTY
            ax.add_patch(
                Rectangle((j - 0.46, i - 0.46), 0.92, 0.92, fc=colour, ec=INK, lw=0.6, zorder=1)
            )
            if several and counts[i, j]:
                ax.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=1.2 * size)
    missing_i, missing_j = np.nonzero(counts == 0)
    ax.plot(missing_j, missing_i, "x", color=VERMILION, ms=size, mew=2.6, ls="", zorder=3)
    if not several:
        there_i, there_j = np.nonzero(counts)
        ax.plot(there_j, there_i, "o", color=INK, ms=0.75 * size, ls="", zorder=3)


def _draw_margins(ax: Axes, counts: np.ndarray) -> None:
    """Write the readings of each row at the right, of each column above."""
    n = counts.shape[1]
    for i, total in enumerate(counts.sum(axis=1)):
        ax.annotate(
            str(total), (1, i), xycoords=("axes fraction", "data"), xytext=(10, 0),
            textcoords="offset points", va="center", weight="bold", fontsize=13,
        )  # fmt: skip
    step = max(1, int(np.ceil(n / MOST_LABELS)))
    for j in range(0, n, step):
        total = counts[:, j].sum()
        ax.annotate(
            str(total), (j, 1), xycoords=("data", "axes fraction"), xytext=(0, 6),
            textcoords="offset points", ha="center", weight="bold", fontsize=12,
            color=INK if (counts[:, j] > 0).all() else VERMILION,
        )  # fmt: skip
    ax.annotate(
        f"of {counts.sum()}", (1, 1), xycoords="axes fraction", xytext=(10, 6),
        textcoords="offset points", fontsize=12,
    )  # fmt: skip


def _name(set_ticks, levels: pd.Index) -> None:
    step = max(1, int(np.ceil(len(levels) / MOST_LABELS)))
    set_ticks(range(0, len(levels), step), [str(level) for level in levels[::step]])


def _words(counts: pd.DataFrame, rows: str, columns: str) -> str:
    m, n = counts.shape
    there = counts > 0
    full = int(there.to_numpy().sum())
    complete = int(there.all(axis=0).sum())
    words = (
        f"A map of {m} levels of {rows} by {n} levels of {columns}: {full} of {m * n} cells were "
        f"measured, {m * n - full} are missing."
    )
    if m <= 8:
        each = ", ".join(f"{level} {int(row.sum())}" for level, row in counts.iterrows())
        words += f" Readings of each {rows}: {each}."
    return f"{words} Of the {n} levels of {columns}, {complete} have a reading in every row."
