"""The one kind of table that every result comes in.

A :class:`Table` is a pandas DataFrame that also carries a caption (which says the df method, the
adjustment, what was averaged over) and prints itself, as text and as plain HTML, with the number
of digits a reader wants: p-values to four places, estimates of one column to the same number of
decimals. The numbers inside keep full precision, and whatever pandas makes of the table (a
selection, a copy, ``round()``) is a plain DataFrame; ``copy.copy`` and ``pickle`` keep the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

_P_COLUMNS = {"p"}
_DF_COLUMNS = {"df", "den_df", "num_df", "npar", "n", "groups", "levels", "nobs"}
_T_COLUMNS = {"t", "F", "LRT", "z"}
_LIKELIHOOD_COLUMNS = {"loglik", "AIC", "BIC"}
# An estimate and its limits are read together: they share their decimals.
_TOGETHER = ("estimate", "emmean", "predicted", "lower", "upper", "new_lower", "new_upper")
_SUMMARIES = {"SE", "variance", "sd", "sum_sq", "mean_sq", *_TOGETHER}
_MOST = 6  # decimals

_LONG = 60  # rows beyond which a table shows its ends only
_END = 5


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
        Significant digits of the estimates of a column when shown (of its median).
    attrs : dict
        Stored in ``.attrs`` (``ddf``, ``adjust``, ``family``, ``level`` where they apply).
    **kwargs
        Passed to :class:`pandas.DataFrame`.

    Examples
    --------
    >>> from mixedteach.table import Table
    >>> Table({"estimate": [1.23456, 12.5], "p": [0.00001, 0.25]}, index=["x", "z"], caption="Two")
    Two
       estimate        p
    x     1.235  <0.0001
    z    12.500   0.2500
    """

    _metadata = ["caption", "notes", "digits"]  # noqa: RUF012 (pandas' own name and type)

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

    def __copy__(self, deep: bool = True) -> Table:
        other = type(self)(pd.DataFrame(self).copy(deep=deep))
        other.__dict__.update({name: getattr(self, name, None) for name in self._metadata})
        other.notes = list(self.notes)
        other.attrs.update(self.attrs)
        return other

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Table:
        return self.__copy__()

    def formatted(self) -> pd.DataFrame:
        """Return the table as strings, as it is shown."""
        columns = [self.iloc[:, j] for j in range(self.shape[1])]
        together = [_places(self._numbers(c), self.digits) for c in columns if c.name in _TOGETHER]
        shared = max((places for places in together if places is not None), default=None)
        shown = [
            _column(list(c), str(c.name), self.digits, shared if c.name in _TOGETHER else None)
            for c in columns
        ]
        text = pd.DataFrame(dict(enumerate(shown)), index=self.index, dtype=object)
        text.columns = self.columns
        return text

    def _shown(self) -> tuple[pd.DataFrame, list[str]]:
        """Return the strings to be shown and the notes; of a long table its two ends."""
        text = self.formatted()
        if len(text) <= _LONG:
            return text, self.notes
        dots = pd.DataFrame([["..."] * text.shape[1]], index=["..."], columns=text.columns)
        ends = pd.concat([text.head(_END), dots, text.tail(_END)])
        note = f"{len(text)} rows, of which the first and last {_END} are shown."
        return ends, [*self.notes, note]

    @staticmethod
    def _numbers(values: Iterable[Any]) -> list[float]:
        return [float(value) for value in values if isinstance(value, (float, np.floating))]

    def to_text(self) -> str:
        """Return the table as text, caption first, notes last; all columns are right-aligned."""
        shown, notes = self._shown()
        columns = [[str(name), *shown.iloc[:, j]] for j, name in enumerate(shown.columns)]
        widths = [max(map(len, column)) for column in columns]
        lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True))
                 for row in zip(*columns, strict=True)]  # fmt: skip
        if not isinstance(self.index, pd.RangeIndex):
            labels = [str(self.index.name or ""), *map(str, shown.index)]
            width = max(map(len, labels))
            lines = [f"{a.ljust(width)}  {b}" for a, b in zip(labels, lines, strict=True)]
        if not len(shown):
            lines = ["(no rows)"]
        caption = [self.caption] if self.caption else []
        return "\n".join([*caption, *(line.rstrip() for line in lines), *notes])

    def __repr__(self) -> str:
        return self.to_text()

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """Return plain HTML: nothing random, no ids; numbers right-aligned, text left-aligned."""
        shown, said = self._shown()
        index = [] if isinstance(self.index, pd.RangeIndex) else [str(self.index.name or "")]
        names = [*index, *map(str, shown.columns)]
        sides = ["left"] * len(index)
        sides += [_side(self.iloc[:, j]) for j in range(self.shape[1])]
        rows = [_html_row(["th"] * len(names), names, sides)]
        tags = ["th"] * len(index) + ["td"] * len(shown.columns)
        for label, row in zip(shown.index, shown.itertuples(index=False, name=None), strict=True):
            rows.append(_html_row(tags, [label, *row] if index else row, sides))
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        notes = "".join(f"<p>{escape(note)}</p>" for note in said)
        return (
            f"<table>{caption}<thead>{rows[0]}</thead><tbody>{''.join(rows[1:])}</tbody></table>"
            f"{notes}"
        )


def _side(values: pd.Series) -> str:
    texts = [value for value in values if isinstance(value, str) and value]
    return "left" if texts else "right"


def _html_row(tags: Sequence[str], cells: Sequence[object], sides: Sequence[str]) -> str:
    inside = "".join(
        f'<{tag} style="text-align: {side}">{escape(str(cell))}</{tag}>'
        for tag, cell, side in zip(tags, cells, sides, strict=True)
    )
    return f"<tr>{inside}</tr>"


# -- numbers ---------------------------------------------------------------------------------------


def _column(values: list[Any], name: str, digits: int, places: int | None = None) -> list[str]:
    """Return one column as strings: its floats with the same number of decimals."""
    numbers = Table._numbers(values)
    finite = [value for value in numbers if np.isfinite(value)]
    if name in _P_COLUMNS:
        rule = "p"
    elif name in _T_COLUMNS:
        rule = ".3f" if max(map(abs, finite), default=0) < 1e6 else ".3e"
    elif name == "corr":
        rule = ".3f"
    elif name in _LIKELIHOOD_COLUMNS:
        rule = ".2f"
    elif name in _DF_COLUMNS:
        rule = ".0f" if all(abs(value - round(value)) < 0.005 for value in finite) else ".2f"
    else:
        if name not in _SUMMARIES:  # a label, such as the covariate values of at=
            places = next((k for k in range(_MOST) if _exact(finite, k)), None)
        if places is None:
            places = _places(finite, digits)
        rule = f".{digits - 1}e" if places is None else f".{places}f"
    tiny = 1e-12 * max(map(abs, finite), default=0.0)
    return [_format(value, rule, tiny) for value in values]


def _exact(values: Sequence[float], places: int) -> bool:
    return all(abs(value - round(value, places)) <= 1e-12 * abs(value) for value in values)


def _places(values: Iterable[float], digits: int = 4) -> int | None:
    """Return the decimals that suit a column of estimates, or None for powers of ten.

    The median magnitude shows `digits` significant digits, the smallest at least two, as long as
    six decimals suffice; values that are zero but for rounding do not count.
    """
    sizes = [abs(value) for value in values if np.isfinite(value)]
    largest = max(sizes, default=0.0)
    sizes = [size for size in sizes if size > 1e-12 * largest]
    if not sizes:
        return digits - 1
    if largest >= 1e9 or largest < 1e-5:
        return None
    wanted = digits - 1 - _power(float(np.exp(np.median(np.log(sizes)))))
    return min(max(wanted, 1 - _power(min(sizes)), 0), _MOST)


def _power(size: float) -> int:
    """Return the power of ten of the first digit, once rounded to four."""
    return int(f"{size:.3e}".split("e")[1])


def _format(value: Any, rule: str, tiny: float) -> str:
    """Return one cell; a value of at most `tiny` is zero but for rounding."""
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if not isinstance(value, (float, np.floating)):
        return str(value)
    if np.isnan(value):
        return ""
    if np.isinf(value):
        return "inf" if value > 0 else "-inf"
    value = float(f"{value:.12g}")  # rounding far behind must not decide how 20020.5 is shown
    if rule == "p":
        return "<0.0001" if value < 0.00005 else f"{value:.4f}"
    text = f"{value:{rule}}"
    if any(c in "123456789" for c in text):
        return text
    if rule == f".{_MOST}f" and abs(value) > tiny:
        return f"{value:.1e}"  # too small for the decimals of its column
    return text.lstrip("-")


def significant(value: float, digits: int = 4) -> str:
    """Return `value` with `digits` significant digits, without exponents where it reads well."""
    if value == 0 or abs(value) < 1e-14:
        return "0"
    if not 1e-4 <= abs(value) < 1e7:
        return f"{value:.{digits - 1}e}"
    places = max(0, digits - 1 - int(np.floor(np.log10(abs(value)))))
    return f"{value:.{places}f}"


class Summary:
    """What a fitted model prints: lines on top, tables, notes; as text and as HTML.

    A note that one of the tables already carries is not repeated.
    """

    def __init__(
        self, head: Sequence[str], tables: Sequence[Table], notes: Sequence[str] = ()
    ) -> None:
        self.head, self.tables = list(head), list(tables)
        said = {note for table in self.tables for note in table.notes}
        self.notes = [note for note in notes if note not in said]

    def __str__(self) -> str:
        parts = ["\n".join(self.head), *(table.to_text() for table in self.tables)]
        if self.notes:
            parts.append("\n".join(f"Note: {note}" for note in self.notes))
        return "\n\n".join(parts)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "<br>".join(escape(line) for line in self.head)
        tables = "".join(table._repr_html_() for table in self.tables)
        notes = "".join(f"<p>Note: {escape(note)}</p>" for note in self.notes)
        return f"<p>{head}</p>{tables}{notes}"
