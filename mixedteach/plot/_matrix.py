"""Any matrix as a picture: a coloured cell an entry, zeros white, numbers where they fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mixedteach.errors import DataError, a_kind
from mixedteach.plot._style import INK, MINUS_ZERO_PLUS, describe, number, own_or_new, style

Array = np.ndarray

_MOST_LABELS = 40
_MOST_ZEROS = 60  # entries of a matrix whose zeros are written
_SMALLEST = 12.0  # points: smaller letters cannot be read from the last row
_GREY = "#6B6B6B"  # zeros


def matrix(
    values: pd.DataFrame | pd.Series | Array,
    *,
    title: str = "",
    ax: Axes | None = None,
    numbers: bool | None = None,
) -> Axes:
    """Draw a matrix as cells: blue above zero, orange below, white at zero.

    Parameters
    ----------
    values : DataFrame, Series or array
        Of numbers, with one or two dimensions; the labels of a DataFrame are written beside it
        where there is room.
    title : str
        Above the picture.
    ax : Axes, optional
        By default a new figure.
    numbers : bool, optional
        Write the entries into the cells, those of large matrices without the zeros; by
        default if they fit.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If `values` is not a table of finite numbers.

    Examples
    --------
    >>> import mixedteach as mt, numpy as np
    >>> ax = mt.plot.matrix(np.eye(3), title="I")
    >>> mt.plot.description(ax.figure)
    'The matrix I, 3 x 3: 3 of its 9 entries are not zero; each of these is 1.'
    """
    cells, rows, columns = _cells(values)
    n, k = cells.shape
    ax = own_or_new(ax, _size(n, k, rows, columns))
    with style():
        draw(ax, cells, rows, columns, title, numbers)
        return describe(ax, _words(cells, title))


def draw(
    ax: Axes, cells: Array, rows: list[str], columns: list[str], title: str = "",
    numbers: bool | None = None, aspect: str = "",
) -> None:  # fmt: skip
    """Draw the cells with what fits of labels and numbers; `aspect` as in ``ax.imshow``."""
    n, k = cells.shape
    top = float(np.abs(cells).max()) or 1.0
    # the scale goes a little further, so that black letters stay readable on the deepest colour
    limits = {"vmin": -1.25 * top, "vmax": 1.25 * top}
    aspect = aspect or ("equal" if n <= 6 * k and k <= 6 * n else "auto")
    ax.imshow(cells, cmap=MINUS_ZERO_PLUS, aspect=aspect, **limits)
    _grid(ax, n, k)
    if title:
        ax.set_title(title)
    _labels(ax, rows, columns)
    write(ax, cells, numbers)


def _cells(values: Any) -> tuple[Array, list[str], list[str]]:
    """Return the numbers, and the labels of rows and columns (none for an array)."""
    labelled = isinstance(values, (pd.DataFrame, pd.Series))
    try:
        cells = np.asarray(values, float)
    except (TypeError, ValueError):
        raise DataError(
            f"A matrix is made of numbers, but this {a_kind(values).split()[-1]} holds something "
            "else: choose its numeric columns."
        ) from None
    if cells.ndim == 1:
        cells = cells[:, None]
    if cells.ndim != 2 or not cells.size:
        raise DataError(
            f"A matrix has rows and columns, but these values have the shape {cells.shape}: give "
            "a DataFrame or a two-dimensional array."
        )
    if not np.isfinite(cells).all():
        raise DataError(
            f"{int((~np.isfinite(cells)).sum())} entries of the matrix are missing or infinite: "
            "replace them first."
        )
    if not labelled:
        return cells, [], []
    columns = [values.name or ""] if isinstance(values, pd.Series) else list(values.columns)
    return cells, [str(label) for label in values.index], [str(label) for label in columns]


def _size(n: int, k: int, rows: list[str], columns: list[str]) -> tuple[float, float]:
    """Return the size of a new figure: cells about square, no larger than a slide."""
    wide = 0.12 * max(map(len, rows), default=0) if n <= _MOST_LABELS else 0.0
    high = 0.12 * max(map(len, columns), default=0) if k <= _MOST_LABELS else 0.0
    cell = min(0.62, (8.6 - wide) / k, (5.2 - min(high, 1.8)) / n)
    return max(3.0, k * cell + wide + 0.5), max(2.4, n * cell + min(high, 1.8) + 0.6)


def _grid(ax: Axes, n: int, k: int) -> None:
    """Draw thin lines between the cells and a frame around them."""
    ax.set_xlim(-0.5, k - 0.5)
    ax.set_ylim(n - 0.5, -0.5)
    if n <= 60 and k <= 60:
        lines = {"colors": "#D8D8D8", "linewidth": 0.6, "zorder": 1.5}
        ax.vlines(np.arange(0.5, k - 1), -0.5, n - 0.5, **lines)
        ax.hlines(np.arange(0.5, n - 1), -0.5, k - 0.5, **lines)
    ax.spines[["top", "right", "bottom", "left"]].set_visible(True)
    ax.tick_params(length=0)


def _cell_size(ax: Axes) -> tuple[float, float]:
    """Return width and height of a cell in points, once the figure is laid out."""
    engine = ax.figure.get_layout_engine()
    if engine is not None:
        # the ticks of panels still empty take room that their own matrix will not need
        empty = [other for other in ax.figure.axes if other is not ax and not other.has_data()]
        ticks = [axis for other in empty for axis in (other.xaxis, other.yaxis)]
        visible = [axis.get_visible() for axis in ticks]
        for axis in ticks:
            axis.set_visible(False)
        engine.execute(ax.figure)
        for axis, before in zip(ticks, visible, strict=True):
            axis.set_visible(before)
    ax.apply_aspect()
    corners = ax.transData.transform([(0, 0), (1, 1)])
    wide, high = np.abs(corners[1] - corners[0]) / ax.figure.dpi * 72
    return float(wide), float(high)


def _labels(ax: Axes, rows: list[str], columns: list[str]) -> None:
    """Write rows on the left and columns above, turned if they are long; every k-th if crowded."""
    ax.set_xticks([])
    ax.set_yticks([])
    if 0 < len(columns) <= _MOST_LABELS:
        ax.xaxis.tick_top()
        ax.tick_params(axis="x", length=0)
        flat = _cell_size(ax)[0] / (0.6 * (max(map(len, columns)) + 0.5))
        if flat >= _SMALLEST:
            ax.set_xticks(range(len(columns)), columns, fontsize=min(14.0, flat))
        else:
            shown = range(0, len(columns), _every(_cell_size(ax)[0]))
            ax.set_xticks(
                shown, [columns[k] for k in shown], fontsize=_SMALLEST, rotation=90, va="bottom"
            )
    if 0 < len(rows) <= _MOST_LABELS and any(rows):
        high = _cell_size(ax)[1]
        shown = range(0, len(rows), _every(high))
        size = max(_SMALLEST, min(14.0, 0.6 * high))
        ax.set_yticks(shown, [rows[k] for k in shown], fontsize=size)


def _every(room: float) -> int:
    """Return k such that every k-th label has the room for readable letters.

    >>> _every(30.0), _every(14.2), _every(10.0)
    (1, 1, 2)
    """
    return int(np.ceil(1.16 * _SMALLEST / max(room, 1.0)))


def write(ax: Axes, cells: Array, numbers: bool | None) -> None:
    """Write the entries into the cells, zeros grey; by default only if the letters are legible."""
    if numbers is False:
        return
    texts = entries(cells)
    wide, high = _cell_size(ax)
    longest = max(len(text) for row in texts for text in row)
    fitting = min(16.0, wide / (0.64 * longest), 0.72 * high)
    if fitting < _SMALLEST and numbers is None:
        return
    size = max(fitting, _SMALLEST if numbers is None else 7.5)
    for (i, j), value in np.ndenumerate(cells):
        if value == 0 and cells.size > _MOST_ZEROS:
            continue  # white cells say it more clearly
        written = ax.text(
            j, i, texts[i][j], ha="center", va="center", fontsize=size,
            color=_GREY if value == 0 else INK,
        )  # fmt: skip
        written.set_in_layout(False)  # it lies inside its cell: layout need not look at it


def entries(cells: Array) -> list[list[str]]:
    """Return the entries as they are written: whole numbers as such, others to three digits.

    >>> entries(np.array([[0.1329444, 0.0893333], [0.0, -0.0436111]]))
    [['0.133', '0.089'], ['0', '-0.044']]
    """
    if (cells == np.round(cells)).all() and np.abs(cells).max() < 1e6:
        return [[f"{value:.0f}" for value in row] for row in cells + 0.0]
    largest = np.abs(cells).max()
    if not 1e-3 <= largest < 1e5:
        return [["0" if value == 0 else f"{value:.1e}" for value in row] for row in cells]
    places = int(np.clip(2 - np.floor(np.log10(largest)), 0, 3))
    return [[_entry(value, places) for value in row] for row in cells]


def _entry(value: float, places: int) -> str:
    return f"{value + 0.0:.0f}" if value == np.round(value) else f"{value:.{places}f}"


def _words(cells: Array, title: str) -> str:
    n, k = cells.shape
    filled = cells[cells != 0]
    start = f"The matrix {title + ', ' if title else ''}{n} x {k}: "
    if not filled.size:
        return start + "all its entries are zero."
    low, high = number(filled.min()), number(filled.max())
    what = f"each of these is {low}" if low == high else f"these lie from {low} to {high}"
    if (filled == np.round(filled)).all():
        low, high = f"{filled.min():.0f}", f"{filled.max():.0f}"
        what = f"each of these is {low}" if low == high else f"these lie from {low} to {high}"
    count = "all" if filled.size == cells.size else f"{filled.size}"
    if filled.size == cells.size:
        return start + f"{count} entries differ from zero; {what.replace('these', 'they')}."
    return start + f"{count} of its {cells.size} entries are not zero; {what}."
