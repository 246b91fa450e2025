"""The one kind of table that every result comes in.

A :class:`Table` is a pandas DataFrame that also carries a caption (which says the df method, the
adjustment, what was averaged over) and prints itself, as text and as plain HTML, with the number
of digits a reader wants: p-values to four places, degrees of freedom to two. The numbers inside
keep full precision, and whatever pandas makes of the table is a plain DataFrame.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

_P_COLUMNS = {"p"}
_DF_COLUMNS = {"df", "den_df", "num_df", "npar", "n", "groups", "levels", "nobs"}
_T_COLUMNS = {"t", "F", "LRT", "z"}


class Table(pd.DataFrame):
    """A DataFrame with a caption, shown with sensible digits.

    Parameters
    ----------
    data : anything a DataFrame takes
    caption : str
        One line above the table.
    notes : sequence of str
        Lines below the table.
    digits : int
        Significant digits of estimates when shown.
    attrs : dict
        Stored in ``.attrs`` (``ddf``, ``adjust``, ``family``, ``level`` where they apply).
    **kwargs
        Passed to :class:`pandas.DataFrame`.

    Examples
    --------
    >>> from mixedteach.table import Table
    >>> Table({"estimate": [1.23456], "p": [0.00001]}, index=["x"], caption="An example")
    An example
      estimate        p
    x    1.235  <0.0001
    """

    _metadata = ["caption", "notes", "digits"]

    def __init__(
        self,
        data: Any = None,
        *args: Any,
        caption: str = "",
        notes: Sequence[str] = (),
        digits: int = 4,
        attrs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data, *args, **kwargs)
        self.caption = caption
        self.notes = list(notes)
        self.digits = digits
        self.attrs.update(attrs or {})

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def formatted(self) -> pd.DataFrame:
        """Return the table as strings, as it is shown."""
        shown = {
            name: [_format(value, str(name), self.digits) for value in self[name]]
            for name in self.columns
        }
        return pd.DataFrame(shown, index=self.index, columns=self.columns)

    def to_text(self) -> str:
        """Return the table as text, caption first, notes last."""
        shown = self.formatted()
        plain_index = isinstance(self.index, pd.RangeIndex)
        body = shown.to_string(index=not plain_index) if len(shown) else "(no rows)"
        lines = [self.caption] if self.caption else []
        return "\n".join([*lines, *_dedent(body), *self.notes])

    def __repr__(self) -> str:
        return self.to_text()

    __str__ = __repr__

    def _repr_html_(self) -> str:
        shown = self.formatted()
        plain_index = isinstance(self.index, pd.RangeIndex)
        head = "" if plain_index else f"<th>{escape(str(self.index.name or ''))}</th>"
        head += "".join(f"<th>{escape(str(name))}</th>" for name in shown.columns)
        rows = []
        for label, row in zip(shown.index, shown.itertuples(index=False), strict=True):
            cells = "" if plain_index else f"<th>{escape(str(label))}</th>"
            cells += "".join(f"<td>{escape(str(value))}</td>" for value in row)
            rows.append(f"<tr>{cells}</tr>")
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return (
            f"<table>{caption}<thead><tr>{head}</tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table>{notes}"
        )


def _dedent(body: str) -> list[str]:
    lines = body.split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[margin:].rstrip() for line in lines]


def _format(value: Any, column: str, digits: int) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return str(value)
    if isinstance(value, (int, np.integer)):
        return str(value)
    if not isinstance(value, (float, np.floating)):
        return str(value)
    if np.isinf(value):
        return "inf" if value > 0 else "-inf"
    if column in _P_COLUMNS:
        return "<0.0001" if value < 0.00005 else f"{value:.4f}"
    if column in _DF_COLUMNS:
        return f"{value:.2f}".rstrip("0").rstrip(".")
    if column in _T_COLUMNS:
        return f"{value:.3f}" if abs(value) < 1e6 else f"{value:.4g}"
    return significant(value, digits)


def significant(value: float, digits: int = 4) -> str:
    """Return `value` with `digits` significant digits, without exponents where it reads well."""
    if value == 0 or abs(value) < 1e-14:
        return "0"
    if not 1e-4 <= abs(value) < 1e7:
        return f"{value:.{digits - 1}e}"
    places = max(0, digits - 1 - int(np.floor(np.log10(abs(value)))))
    return f"{value:.{places}f}"
