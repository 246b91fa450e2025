"""Profiles of blocks: how far blocks lie apart, against how far treatments do within a block."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mixedteach.errors import DataError, explains_arguments, listed
from mixedteach.plot._inputs import line_names
from mixedteach.plot._paired import (
    MOST_LABELS,
    check_columns,
    complete_rows,
    decimals,
    rounded,
    with_unit,
)
from mixedteach.plot._style import INK, MARKERS, PALE, colour_of, describe, own_or_new, style


@explains_arguments(DataError)
def blocks(
    data: pd.DataFrame, response: str, *, treatment: str, block: str, ax: Axes | None = None
) -> Axes:
    """Draw the readings of each block above its name, blocks ordered by their means.

    Parameters
    ----------
    data : DataFrame
        Long: one row a reading. Rows without a reading are passed over.
    response : str
        The column of readings.
    treatment : str
        The factor compared within blocks, shown by colour and marker.
    block : str
        The factor on the x axis.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes
        A block's mean (of its treatments) is a short bar. Where a treatment has several readings
        in a block, these are small dots, and their mean has the marker.

    Raises
    ------
    DataError
        Unknown columns, readings that are no numbers, or a single block.

    Examples
    --------
    >>> import mixedteach as mt
    >>> ax = mt.plot.blocks(mt.load_tablets(), "content", treatment="method", block="tablet")
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['10', '4', '3', '1', '7', '9', '6', '5', '2', '8']
    """
    check_columns(data, response, {"treatment": treatment, "block": block})
    rows, treatments, names = complete_rows(data, response, treatment, block)
    if len(names) < 2:
        raise DataError(
            f"'{block}' has only {listed(names)}: profiles of blocks need at least two of them."
        )
    cells = rows.groupby(["second", "first"])["value"].mean().unstack("first")
    means = cells.mean(axis=1).round(12).sort_values(kind="stable")
    cells = cells.loc[means.index]
    place = pd.Series(np.arange(len(names)), index=means.index)
    colours = colour_of(treatments)
    replicated = len(rows) > cells.notna().to_numpy().sum()
    # treatments side by side, so that equal readings do not hide each other
    aside = np.linspace(-0.16, 0.16, len(treatments)) if len(treatments) > 1 else np.zeros(1)
    labels = line_names(treatments, treatment)
    ax = own_or_new(ax)
    with style():
        ax.hlines(
            means, place - 0.42, place + 0.42, color=INK, linewidth=3, zorder=3, label="block mean"
        )
        for i, name in enumerate(treatments):
            x = place.to_numpy() + aside[i]
            ax.vlines(x, means, cells[i], color=colours[name], linewidth=1.4, zorder=2)
            if replicated:
                own = rows[rows["first"] == i]
                ax.plot(
                    place[own["second"]] + aside[i], own["value"], ".", color=PALE, markersize=6,
                    zorder=1,
                )  # fmt: skip
            ax.plot(
                x, cells[i], MARKERS[i % len(MARKERS)], color=colours[name], markersize=9,
                linestyle="none", label=labels[i], zorder=4,
            )  # fmt: skip
        ax.set_xlim(-0.6, len(names) - 0.4)
        if len(names) <= MOST_LABELS:
            ax.set_xticks(place, [names[j] for j in place.index])
        else:
            ax.set_xticks([])
        ax.set_xlabel(f"{block}, by its mean")
        ax.set_ylabel(with_unit(data, response))
        ax.margins(y=0.08)
        handles, texts = ax.get_legend_handles_labels()
        ax.legend(
            handles[1:] + handles[:1], texts[1:] + texts[:1], loc="lower left", fontsize=14,
            bbox_to_anchor=(0, 1), ncols=len(handles), borderpad=0.1, handletextpad=0.4,
            columnspacing=1.4,
        )  # fmt: skip
        ax.set_title(f"One place a {block}: {response} by {treatment}", pad=34)
    between = float(means.max() - means.min())
    within = float((cells.max(axis=1) - cells.min(axis=1)).mean())
    places = decimals(rows["value"].to_numpy())
    few = len(treatments) <= 4
    shape = listed(labels).replace("'", "") if few else f"{len(treatments)} levels of {treatment}"
    return describe(
        ax,
        f"{response} of {shape} in {len(names)} blocks ({block})"
        f"{', averaged over readings' if replicated else ''}. The blocks' means span "
        f"{rounded(between, places)}, from {rounded(means.min(), places)} to "
        f"{rounded(means.max(), places)}; within a block, the treatments span "
        f"{rounded(within, places)} on average.",
    )
