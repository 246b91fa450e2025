"""Differences with their intervals: one row a comparison, zero marked, p at the right."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mixedteach.errors import DataError, a_kind, listed
from mixedteach.plot._emmeans import response_and_unit, wrapped
from mixedteach.plot._inputs import of_difference
from mixedteach.plot._style import BLUE, INK, describe, number, own_or_new, p_text, style

GREY = "#6E6E6E"
GAP = 0.55  # between groups, in rows


def pairs(comparisons: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw differences with their intervals, a line at zero, and p at the right.

    The intervals carry the same adjustment as the p-values. A difference whose interval excludes
    zero has a filled marker and a thick line; one whose interval includes zero an open marker and a
    thin, grey line.

    Parameters
    ----------
    comparisons : LinearFunctions or Table
        Made by ``m.emmeans(...).pairs()``, ``.contrast(...)`` or :func:`mixedteach.TukeyHSD`.
        Columns beside ``contrast`` that name the rows (``by``, or the term) make groups.
    ax : Axes, optional
        Where to draw; by default in a new figure, the taller the more rows.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If the table does not hold comparisons.

    Notes
    -----
    Holm's p-values have no intervals of their own: the table brings Bonferroni's, and the picture
    says so.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.lmer("score ~ Machine + (1|Worker) + (1|Worker:Machine)", mt.load_machines())
    >>> ax = mt.plot.pairs(m.emmeans("Machine").pairs())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['A - B', 'A - C', 'B - C']
    """
    _check(comparisons)
    groups = [
        name for name in comparisons.columns[: comparisons.columns.get_loc("estimate")]
        if name != "contrast"
    ]  # fmt: skip
    keys = list(comparisons[groups].itertuples(index=False, name=None))
    labels = [
        ": ".join(filter(None, [_group(groups, key), str(contrast)]))
        for key, contrast in zip(keys, comparisons["contrast"], strict=True)
    ]
    new_group = [i > 0 and keys[i] != keys[i - 1] for i in range(len(keys))]
    y = np.arange(len(keys)) + GAP * np.cumsum(new_group)
    ax = own_or_new(ax, (9, float(np.clip(1.9 + 0.42 * (y[-1] + 1), 3.2, 8.5))))
    with style():
        _draw(ax, comparisons, y)
        _print_p(ax, comparisons, y)
        ax.set_yticks(y, labels)
        ax.set_ylim(y[-1] + 0.6, -0.6)
        ax.tick_params(axis="y", length=0, labelsize=13 if len(y) <= 12 else 11)
        ax.spines["left"].set_visible(False)
        response, unit = response_and_unit(comparisons)
        unit = of_difference(unit)
        of = f" of {response}" if response else ""
        ax.set_xlabel(f"difference{of}{f' [{unit}]' if unit else ''}\n{_how(comparisons, ax)}")
    return describe(ax, _words(comparisons, labels, response, unit))


def _check(table: pd.DataFrame) -> None:
    if not isinstance(table, pd.DataFrame):
        raise DataError(
            f"Comparisons must be a table such as m.emmeans('width').pairs(), not {a_kind(table)}."
        )
    if "emmean" in table.columns:
        raise DataError(
            "These are means, not differences: add .pairs(), as in m.emmeans('width').pairs()."
        )
    wanted = ("contrast", "estimate", "lower", "upper", "p")
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise DataError(
            f"The table has no column {listed(absent, last='or')}: give one made by "
            "m.emmeans('width').pairs(), .contrast() or TukeyHSD()."
        )
    if not len(table):
        raise DataError("The table of comparisons has no rows.")


def _group(names: list[str], key: tuple) -> str:
    """Name a group: ``depth 1``; a name alone where it says enough."""
    return ", ".join(
        str(value) if name == "term" or len(str(value)) > 3 else f"{name} {value}"
        for name, value in zip(names, key, strict=True)
    )


def _excludes_zero(table: pd.DataFrame) -> np.ndarray:
    return ((table["lower"] > 0) | (table["upper"] < 0)).to_numpy()


def _draw(ax: Axes, table: pd.DataFrame, y: np.ndarray) -> None:
    ax.axvline(0, color=INK, linewidth=1.4, linestyle=(0, (5, 3)), zorder=1)
    for place, clear, (_, row) in zip(y, _excludes_zero(table), table.iterrows(), strict=True):
        colour, width = (BLUE, 4.0) if clear else (GREY, 2.0)
        ax.plot([row["lower"], row["upper"]], [place] * 2, color=colour, lw=width, zorder=2)
        ax.plot(
            row["estimate"], place, "o", color=colour, mfc=colour if clear else "white",
            mew=2.2, ms=10, zorder=3,
        )  # fmt: skip


def _print_p(ax: Axes, table: pd.DataFrame, y: np.ndarray) -> None:
    """Write p at the right of each row, outside the Axes, where nothing can cover it."""
    for place, clear, p in zip(y, _excludes_zero(table), table["p"], strict=True):
        ax.annotate(
            p_text(float(p)) if np.isfinite(p) else "not estimable", (1, place),
            xycoords=("axes fraction", "data"), xytext=(10, 0), textcoords="offset points",
            va="center", color=BLUE if clear else INK, weight="bold" if clear else "normal",
            fontsize=13 if len(y) <= 12 else 11, annotation_clip=False,
        )  # fmt: skip


def _how(table: pd.DataFrame, ax: Axes) -> str:
    """Say df, adjustment and intervals, as the caption of the table does."""
    caption = getattr(table, "caption", "") or ""
    pieces = caption.split("; ")[1:]
    if not pieces:
        return "df and adjustment: not recorded in this table"
    if "df" in table.columns and pieces[0].startswith("df: "):
        df = table["df"].dropna()
        if len(df) and np.isfinite(df).all():
            low, high = df.min(), df.max()
            span = f"{low:.4g}" if high - low < 0.005 * high else f"{low:.3g} to {high:.3g}"
            pieces[0] += f" ({span})"
    if table.attrs.get("adjust") == "tukey" and not any(p.startswith("p") for p in pieces):
        pieces.insert(1, "p: Tukey")
    return wrapped(pieces, ax)


def _words(table: pd.DataFrame, labels: list[str], response: str, unit: str) -> str:
    clear = _excludes_zero(table)
    of = f" of {response}" if response else ""
    many = f"{len(table)} differences" if len(table) > 1 else "One difference"
    level = table.attrs.get("level")
    words = f"{many}{of}{f' in {unit}' if unit else ''}, with "
    words += f"{100 * level:g}% intervals" if level else "intervals"
    adjust = table.attrs.get("adjust")
    words += f" (adjustment: {adjust})." if adjust and adjust != "none" else " (not adjusted)."
    for which, verb in ((clear, "Excluding zero"), (~clear, "Including zero")):
        rows = [
            f"{labels[i]} ({number(float(table['estimate'].iloc[i]) * (1 + 1e-9))}, "
            f"{p_text(float(table['p'].iloc[i]))})"
            for i in np.flatnonzero(which & np.isfinite(table["estimate"].to_numpy(float)))
        ]
        if len(rows) > 6:
            rows = [*rows[:6], f"and {len(rows) - 6} more"]
        if rows:
            words += f" {verb}: {', '.join(rows)}."
    return words
