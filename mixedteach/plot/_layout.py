"""The plan of a split plot: blocks, whole plots in them, sub-plots in those."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from mixedteach.columns import Factor, as_factor
from mixedteach.errors import DataError
from mixedteach.plot._inputs import check_columns, check_numbers, with_unit
from mixedteach.plot._style import COLOURS, INK, PALE, describe, number, own_or_new, style

# One block is 1 wide and 1 high; what it holds, in these units.
_GAP, _NAME, _HEAD = 0.08, 0.15, 0.13  # between blocks; height of a block's name, a column's name
_LEFT = 0.4  # room for the names of the rows
_LARGEST = 16.0  # points: size of letters where there is room; the plan is shown on a wall


def layout(
    data: pd.DataFrame,
    *,
    blocks: str,
    whole: str,
    sub: str,
    response: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the plan of a split plot: sub-plots in whole plots in blocks.

    Each block is a frame, each whole plot in it a column with its own colour and name, each
    sub-plot a cell. The plan is schematic: where in the field, or in which order, the plots lay is
    not in the table, so levels are drawn in their own order.

    Parameters
    ----------
    data : DataFrame
        In long format, one row a sub-plot.
    blocks, whole, sub : str
        Columns: the block, the treatment of whole plots, the treatment of sub-plots.
    response : str, optional
        Column of numbers to write into the sub-plots; the darker, the larger.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If a column does not exist, or two rows are the same sub-plot.

    Examples
    --------
    >>> import mixedteach as mt
    >>> oats = mt.load_oats()
    >>> ax = mt.plot.layout(oats, blocks="block", whole="variety", sub="nitrogen")
    >>> ax.figure.axes == [ax]
    True
    """
    check_columns(data, blocks=blocks, whole=whole, sub=sub, response=response)
    if response is not None:
        check_numbers(data, response)
    factors = [as_factor(name, data[name]) for name in (blocks, whole, sub)]
    cells = _cells(data, factors, response)
    across = _across(len(factors[0].levels))
    down = -(-len(factors[0].levels) // across)
    ax = own_or_new(ax, (9, 1.0 + 2.0 * down))
    with style():
        ax.set_axis_off()
        # a little more than the frames, so that their lines are seen in full
        ax.set_xlim(-0.01 if response is None else -_LEFT, across + (across - 1) * _GAP + 0.01)
        ax.set_ylim(-(down + (down - 1) * _GAP) - 0.01, 0.17)
        ax.set_title(_title(factors, response, data.attrs.get("units", {})))
        ax.figure.draw_without_rendering()  # the layout decides how much room there is
        _Plan(ax, factors, cells, response).draw(across)
    return describe(ax, _words(factors, cells, response))


def _cells(
    data: pd.DataFrame, factors: list[Factor], response: str | None
) -> dict[tuple[int, int, int], float]:
    """Return (block, whole, sub) -> response (NaN if there is none), one entry a sub-plot."""
    y = np.full(len(data), np.nan) if response is None else data[response].to_numpy(float)
    cells: dict[tuple[int, int, int], float] = {}
    for *place, value in zip(*(factor.codes for factor in factors), y, strict=True):
        key = tuple(int(code) for code in place)
        if -1 in key:  # a missing name: nowhere to draw it
            continue
        if key in cells:
            named = [f"{f.name} '{f.levels[k]}'" for f, k in zip(factors, key, strict=True)]
            raise DataError(
                f"Two rows are the same sub-plot, {', '.join(named)}: average them first, as in "
                f"data.groupby([...], as_index=False)['{response or 'y'}'].mean()."
            )
        cells[key] = float(value)
    return cells


def _across(blocks: int) -> int:
    """Return how many blocks stand side by side."""
    return blocks if blocks <= 4 else 3 if blocks <= 6 else 4


class _Plan:
    """Draws the frames, whole plots and cells of a split plot."""

    def __init__(
        self,
        ax: Axes,
        factors: list[Factor],
        cells: dict[tuple[int, int, int], float],
        response: str | None,
    ) -> None:
        self.ax, self.cells, self.response = ax, cells, response
        self.blocks, self.wholes, self.subs = factors
        values = np.array([value for value in cells.values() if not np.isnan(value)])
        self.low, self.high = (values.min(), values.max()) if values.size else (0.0, 0.0)
        top = max(abs(self.low), abs(self.high))
        whole = all(float(value).is_integer() for value in values)
        self.places = 0 if whole or top >= 100 else 1 if top >= 10 else 2
        self.width = (1 - 0.04) / len(self.wholes.levels)
        self.height = (1 - _NAME - _HEAD - 0.03) / len(self.subs.levels)
        self._choose_letters()

    def _choose_letters(self) -> None:
        """Choose sizes with which names fit; whole plots get initials where names would be tiny."""
        box = self.ax.get_window_extent()
        across = 72 * box.width / self.ax.figure.dpi / np.ptp(self.ax.get_xlim())  # points a unit
        down = 72 * box.height / self.ax.figure.dpi / np.ptp(self.ax.get_ylim())

        def fit(names: Any, width: float, height: float) -> float:
            longest = max(len(str(name)) for name in names)
            return min(_LARGEST, width * across / (0.62 * longest), 0.75 * height * down)

        names = [str(level) for level in self.wholes.levels]
        self.heads = names if fit(names, self.width, _HEAD) >= 10 else initials(names)
        self.head_size = fit(self.heads, self.width, _HEAD)
        inside = self.subs.levels if self.response is None else ["0000"]
        self.cell_size = fit(inside, 0.85 * self.width, self.height)
        titles = [f"{self.blocks.name} {name}" for name in self.blocks.levels]
        self.block_size = fit(titles, 0.94, 0.95 * _NAME)
        self.row_size = fit(self.subs.levels, _LEFT, self.height)

    def draw(self, across: int) -> None:
        """Draw all blocks, `across` of them side by side, and what the letters mean."""
        for b, name in enumerate(self.blocks.levels):
            row, column = divmod(b, across)
            x, y = column * (1 + _GAP), -row * (1 + _GAP)
            frame = Rectangle((x, y - 1), 1, 1, facecolor="none", edgecolor=INK, linewidth=1.8)
            self.ax.add_patch(frame)
            text = f"{self.blocks.name} {name}"
            self.ax.text(
                x + 0.03,
                y - 0.55 * _NAME,
                text,
                weight="bold",
                va="center",
                fontsize=self.block_size,
            )
            self._whole_plots(b, x + 0.02, y - _NAME)
            if self.response is not None and column == 0:
                self._row_names(x, y - _NAME - _HEAD)
        self.ax.text(self.ax.get_xlim()[0], _GAP / 2, self._key(), va="bottom", fontsize=13)

    def _key(self) -> str:
        names = [str(level) for level in self.wholes.levels]
        meant = [
            name if head == name else f"{head} = {name}"
            for head, name in zip(self.heads, names, strict=True)
        ]
        key = f"Columns: {self.wholes.name} ({', '.join(meant)})"
        if self.response is None:
            return f"{key}; cells: {self.subs.name}"
        return f"{key}; rows: {self.subs.name}; darker: larger"

    def _whole_plots(self, block: int, x: float, y: float) -> None:
        for w, head in enumerate(self.heads):
            left, colour = x + w * self.width, COLOURS[w % len(COLOURS)]
            self.ax.text(
                left + self.width / 2,
                y - 0.48 * _HEAD,
                head,
                ha="center",
                va="center",
                fontsize=self.head_size,
            )
            stripe = (left + 0.01, y - _HEAD), self.width - 0.02, 0.03
            self.ax.add_patch(Rectangle(*stripe, facecolor=colour, linewidth=0))
            for s in range(len(self.subs.levels)):
                corner = left + 0.01, y - _HEAD - (s + 1) * self.height
                self._cell((block, w, s), corner, colour)

    def _cell(self, key: tuple[int, int, int], corner: tuple[float, float], colour: str) -> None:
        width = self.width - 0.02
        value = self.cells.get(key, np.nan)
        if key not in self.cells:
            text, face = "", (1.0, 1.0, 1.0)
        elif self.response is None:
            share = key[2] / max(1, len(self.subs.levels) - 1)
            text, face = str(self.subs.levels[key[2]]), _tint(colour, 0.1 + 0.5 * share)
        elif np.isnan(value):
            text, face = "missing", (1.0, 1.0, 1.0)
        else:
            spread = self.high - self.low
            share = (value - self.low) / spread if spread > 0 else 0.5
            text, face = f"{value:.{self.places}f}", _tint(colour, 0.1 + 0.5 * share)
        edge = "white" if key in self.cells else PALE
        self.ax.add_patch(
            Rectangle(corner, width, self.height, facecolor=face, edgecolor=edge, linewidth=1.2)
        )
        self.ax.text(
            corner[0] + width / 2,
            corner[1] + self.height / 2,
            text,
            ha="center",
            va="center_baseline",
            fontsize=min(self.cell_size, 9) if text == "missing" else self.cell_size,
            weight="normal" if self.response is None else "bold",
        )

    def _row_names(self, x: float, y: float) -> None:
        for s, name in enumerate(self.subs.levels):
            middle = y - (s + 0.5) * self.height
            self.ax.text(
                x - 0.03,
                middle,
                str(name),
                ha="right",
                va="center_baseline",
                fontsize=self.row_size,
            )


def initials(names: list[str]) -> list[str]:
    """Return the shortest beginnings that tell the names apart.

    Examples
    --------
    >>> initials(["Golden.rain", "Marvellous", "Mira"])
    ['G', 'Ma', 'Mi']
    """
    return [
        next(
            (
                name[:k]
                for k in range(1, len(name))
                if not any(other[:k] == name[:k] for other in names if other != name)
            ),
            name,
        )
        for name in names
    ]


def _tint(colour: str, depth: float) -> tuple[float, float, float]:
    """Mix a colour with white; up to a depth of 0.6 dark letters are easy to read on it."""
    red, green, blue = (1 - depth * (1 - part) for part in to_rgb(colour))
    return red, green, blue


def _title(factors: list[Factor], response: str | None, units: dict[str, str]) -> str:
    blocks, whole, sub = (factor.name for factor in factors)
    if response is None:
        return f"Schematic plan: {whole} within {blocks}, {sub} within {whole}"
    return f"Schematic plan: {with_unit(response, units)}".replace("\n", " ")


def _words(
    factors: list[Factor], cells: dict[tuple[int, int, int], float], response: str | None
) -> str:
    blocks, wholes, subs = factors
    plots = len({key[:2] for key in cells})
    words = (
        f"Schematic plan: {len(blocks.levels)} levels of {blocks.name}, in them {plots} whole "
        f"plots (by {wholes.name}: {', '.join(map(str, wholes.levels))}), in those {len(cells)} "
        f"sub-plots (by {subs.name}: {', '.join(map(str, subs.levels))})."
    )
    values = np.array([value for value in cells.values() if not np.isnan(value)])
    if response is None or not values.size:
        return words
    means = {
        level: np.nanmean([value for key, value in cells.items() if key[0] == b])
        for b, level in enumerate(blocks.levels)
    }
    top, bottom = max(means, key=means.get), min(means, key=means.get)
    return (
        f"{words} {response} goes from {number(values.min())} to {number(values.max())}; its mean "
        f"is largest in {blocks.name} {top} ({number(means[top])}) and smallest in {bottom} "
        f"({number(means[bottom])})."
    )
