"""X and Z of a mixed model side by side: which coefficients each reading is made of."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mixedteach.errors import InferenceError, a_kind, check_count
from mixedteach.model import MixedModel
from mixedteach.plot._inputs import check_random
from mixedteach.plot._matrix import draw, write
from mixedteach.plot._style import axes, describe, style

_MOST_ROWS = 30


def design(m: MixedModel, *, rows: int | None = None) -> np.ndarray:
    """Draw X and Z of a model side by side, a row of each for every reading.

    Parameters
    ----------
    m : MixedModel
    rows : int, optional
        Draw the first so many rows; by default all, but at most 30.

    Returns
    -------
    ndarray of Axes
        The one of X, and the one of Z.

    Raises
    ------
    InferenceError
        If `m` is not a mixed model, or has too many rows to form its matrices.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    >>> left, right = mt.plot.design(m)
    >>> right.get_title(loc="left")
    'Z (20 x 10): one column a tablet'
    """
    if not isinstance(m, MixedModel):
        raise InferenceError(f"design() draws a model fitted by lmer(), not {a_kind(m)}.")
    check_random(m, "design()")
    shown = min(m.nobs, _MOST_ROWS) if rows is None else min(m.nobs, check_count(rows, "rows"))
    parts = m.matrices()
    X, Z = parts.X.iloc[:shown], parts.Z.iloc[:shown]
    Z = Z.loc[:, (Z != 0).any()]  # of the first rows only, if not all are drawn
    single = [term.label for term in m.random if len(m.random) == 1]
    labels = [str(name).removeprefix(f"{label} ") for name in Z.columns for label in single]
    what = f"one column a {single[0]}" if single and m.random[0].size == 1 else "random effects"
    part = "" if shown == m.nobs else f", first {shown} rows"
    titles = (
        f"X ({m.nobs} x {parts.X.shape[1]}): fixed",
        f"Z ({m.nobs} x {parts.Z.shape[1]}): {what}{part}",
    )
    with style():
        left, right = axes(1, 2, size=(9, 5.6), width_ratios=_widths(X, Z))
        plain = {"aspect": "auto", "numbers": False}  # those wait until all labels have their room
        draw(right, Z.to_numpy(), [], labels or list(Z.columns), titles[1], **plain)
        draw(left, X.to_numpy(), _row_names(m, shown), list(X.columns), titles[0], **plain)
        write(left, X.to_numpy(), None)
        write(right, Z.to_numpy(), None)
    describe(left, f"{titles[0]} effects; columns {', '.join(X.columns)}.")
    most = int((Z != 0).sum(axis=1).max())
    describe(
        right,
        f"{titles[1]}; columns {Z.columns[0]} to {Z.columns[-1]}; "
        + (
            "each row has a single entry, in the column of its group."
            if most == 1
            else f"each row has up to {most} entries, in the columns of its groups."
        ),
    )
    return np.array([left, right], dtype=object)


def _widths(X: pd.DataFrame, Z: pd.DataFrame) -> list[float]:
    """Return the shares of both in the width: X as wide as its names if they are few and short."""
    names = X.shape[1] * (max(map(len, X.columns)) + 0.5) * 0.105  # inches, in letters of 12 points
    if names <= 3.2:
        return [names, 8.0 - names]
    return [max(2.2, X.shape[1]), max(6.0, Z.shape[1])]


def _row_names(m: MixedModel, shown: int) -> list[str]:
    """Name the rows by the groups and factors of the model, such as ``1 hplc``."""
    columns = [name for term in m.random for name in term.bar.group]
    columns += [name for name in m.design.components if name in m.frame]
    frame = m.frame.iloc[:shown]
    parts = [frame[name] for name in dict.fromkeys(columns)]
    labels = [" ".join(str(value) for value in row) for row in zip(*parts, strict=True)]
    return labels if pd.Index(labels).is_unique else [str(label) for label in frame.index]
