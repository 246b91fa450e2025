"""Any answer as plain data: numbers, texts, lists and dictionaries that JSON can hold.

An answer may be a number, a table of any library, a fitted model, a picture. Whatever it is, it is
judged by what is in it, so the first step takes that out. The same step runs where submissions are
graded: there only the plain data leave the box in which the student's program ran, and objects that
pretend to be equal to everything stay inside.

Every result is a dictionary with a ``kind``:

=========  ============================================================================
kind       holds
=========  ============================================================================
nothing    (``None`` or ``...``: not attempted yet)
number     ``value``; ``None`` for nan, ``"inf"`` or ``"-inf"`` for infinite numbers
word       ``value``: True or False
text       ``value``
list       ``items``, each plain
dict       ``keys``, ``items``
table      ``columns``, ``names`` (of the index), ``index``, ``rows``
model      ``formula``, ``nobs``, ``fixed`` (name -> estimate), ``variances``, ``residual``
picture    ``axes``: for each its labels and ``lines`` (``label``, ``x``, ``y``)
other      ``type``: nothing is known of it
=========  ============================================================================
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

Plain = dict[str, Any]

_LONGEST = 20_000  # characters of a text
_MOST = 2_000  # entries of a list, rows of a table
_DEEPEST = 4


def plain(value: object) -> Plain:
    """Return what is in an answer, as data that JSON can hold.

    Parameters
    ----------
    value : object
        A number, text, list, dictionary, array, Series, DataFrame, fitted model, Axes ...

    Returns
    -------
    dict
        See the table above. Never raises: what cannot be read is of the kind ``other``.

    Examples
    --------
    >>> plain(0.25)
    {'kind': 'number', 'value': 0.25}
    >>> plain(...)
    {'kind': 'nothing'}
    >>> plain({"p": 0.25})["items"]
    [{'kind': 'number', 'value': 0.25}]
    """
    try:
        return _plain(value, _DEEPEST)
    except Exception:  # a stranger's object may raise whatever it likes
        return {"kind": "other", "type": type(value).__name__}


def _plain(value: object, depth: int) -> Plain:
    if value is None or value is Ellipsis:
        return {"kind": "nothing"}
    if isinstance(value, bool):
        return {"kind": "word", "value": value}
    if isinstance(value, str):
        return {"kind": "text", "value": str(value)[:_LONGEST]}
    if isinstance(value, Real):
        return _number(value)
    if depth == 0:
        return {"kind": "other", "type": type(value).__name__}
    for read in (_numpy, _table, _model, _result, _picture):
        found = read(value, depth)
        if found is not None:
            return found
    if isinstance(value, Mapping):
        pairs = list(value.items())[:_MOST]
        return {
            "kind": "dict",
            "keys": [_label(key) for key, _ in pairs],
            "items": [_plain(item, depth - 1) for _, item in pairs],
        }
    if isinstance(value, (list, tuple)):
        return {"kind": "list", "items": [_plain(item, depth - 1) for item in value[:_MOST]]}
    return {"kind": "other", "type": type(value).__name__}


def _number(value: Any) -> Plain:
    number = float(value)
    if math.isnan(number):
        return {"kind": "number", "value": None}
    # JSON has no infinite numbers, and df may be infinite
    return {"kind": "number", "value": str(number) if math.isinf(number) else number}


def _cell(value: Any) -> Any:
    """Return one entry of a table: a number, None, or text."""
    if isinstance(value, Real) and not isinstance(value, bool):
        return _number(value)["value"]
    if value is None or (type(value).__module__.startswith("pandas") and value != value):
        return None
    return str(value)[:200]


def _label(value: Any) -> Any:
    """Return a key or an index entry: text, or a list of texts."""
    if isinstance(value, tuple):
        return [_label(part) for part in value]
    if isinstance(value, Integral) and not isinstance(value, bool):
        return str(int(value))
    if isinstance(value, Real) and not isinstance(value, bool) and float(value).is_integer():
        return str(int(value))
    return str(value)[:200]


def _module(name: str) -> Any:
    """Return a module if it is loaded: an object of a library that nobody imported cannot exist."""
    return sys.modules.get(name)


def _numpy(value: Any, depth: int) -> Plain | None:
    np = _module("numpy")
    if np is None:
        return None
    if isinstance(value, np.bool_):
        return {"kind": "word", "value": bool(value)}
    if not isinstance(value, np.ndarray):
        return None
    if value.ndim == 0:
        return _plain(value.item(), depth - 1)
    if value.ndim == 2:
        rows = [[_cell(entry) for entry in row] for row in value[:_MOST].tolist()]
        columns = [str(j) for j in range(value.shape[1])]
        index = [str(i) for i in range(len(rows))]
        return {"kind": "table", "columns": columns, "names": [""], "index": index, "rows": rows}
    return {"kind": "list", "items": [_plain(v, depth - 1) for v in value[:_MOST].tolist()]}


def _table(value: Any, depth: int) -> Plain | None:
    pd = _module("pandas")
    if pd is None:
        return None
    if isinstance(value, pd.Series):
        value = value.to_frame("value" if value.name is None else value.name)
    if isinstance(value, pd.Categorical):
        return {"kind": "list", "items": [_plain(str(v), depth - 1) for v in value[:_MOST]]}
    if not isinstance(value, pd.DataFrame):
        return None
    value = value.iloc[:_MOST]
    return {
        "kind": "table",
        "columns": [_label(name) for name in value.columns],
        "names": [str(name or "") for name in value.index.names],
        "index": [_label(entry) for entry in value.index],
        "rows": [
            [_cell(entry) for entry in row] for row in value.itertuples(index=False, name=None)
        ],
    }


def _model(value: Any, depth: int) -> Plain | None:
    kind = type(value)
    if kind.__module__.startswith("mixedteach.") and kind.__name__ in ("MixedModel", "LinearModel"):
        mixed = kind.__name__ == "MixedModel"
        table = value.variance_components if mixed else None
        random = [] if table is None else [float(v) for v in table["variance"].iloc[:-1]]
        residual = float(value.scale) if table is None else float(table["variance"].iloc[-1])
        return {
            "kind": "model",
            "formula": str(value.formula),
            "nobs": int(value.nobs),
            "fixed": {str(k): _cell(v) for k, v in value.params.items()},
            "variances": random,
            "residual": residual,
        }
    if kind.__module__.startswith("statsmodels.") and hasattr(value, "model"):
        return _statsmodels(getattr(value, "_results", value))
    return None


def _statsmodels(results: Any) -> Plain | None:
    model = results.model
    if not hasattr(results, "params") or not hasattr(results, "scale"):
        return None
    random: list[float] = []
    if hasattr(results, "fe_params"):  # a mixed model
        fixed = dict(zip(model.exog_names, results.fe_params, strict=False))
        cov_re = results.cov_re
        random += [float(v) for v in getattr(cov_re, "values", cov_re).ravel()]
        random += [float(v) for v in results.vcomp]
    else:
        values = getattr(results.params, "values", results.params)
        fixed = dict(zip(model.exog_names, values, strict=False))
    return {
        "kind": "model",
        "formula": str(getattr(model, "formula", "")),
        "nobs": int(model.nobs if hasattr(model, "nobs") else len(model.endog)),
        "fixed": {str(k): _cell(v) for k, v in fixed.items()},
        "variances": random,
        "residual": float(results.scale),
    }


def _result(value: Any, depth: int) -> Plain | None:
    """Read what tests of SciPy and statsmodels return."""
    kind = type(value)
    if kind.__module__.startswith("scipy.stats") and hasattr(value, "pvalue"):
        found = {"t": value.statistic, "p": value.pvalue}
        if hasattr(value, "df"):
            found["df"] = value.df
        return _plain(found, depth)
    if kind.__name__ == "TukeyHSDResults" and kind.__module__.startswith("statsmodels."):
        groups = [str(g) for g in value.groupsunique]
        pairs = [(a, b) for i, a in enumerate(groups) for b in groups[i + 1 :]]
        rows = [
            [f"{b} - {a}", float(difference), float(p)]  # statsmodels: the second minus the first
            for (a, b), difference, p in zip(pairs, value.meandiffs, value.pvalues, strict=True)
        ]
        index = [str(i) for i in range(len(rows))]
        columns = ["contrast", "estimate", "p"]
        return {"kind": "table", "columns": columns, "names": [""], "index": index, "rows": rows}
    if kind.__name__ == "SimpleTable" and kind.__module__.startswith("statsmodels."):
        pd = _module("pandas")
        return _table(pd.DataFrame(value.data[1:], columns=value.data[0]), depth)
    return None


def _picture(value: Any, depth: int) -> Plain | None:
    axes, figures = _module("matplotlib.axes"), _module("matplotlib.figure")
    if axes is None or figures is None:
        return None
    if isinstance(value, axes.Axes):
        drawn = [value]
    elif isinstance(value, figures.FigureBase):
        drawn = list(value.axes)
    elif (
        isinstance(value, (list, tuple)) and value and all(isinstance(a, axes.Axes) for a in value)
    ):
        drawn = list(value)
    else:
        np = _module("numpy")
        if not isinstance(value, np.ndarray) or value.dtype != object:
            return None
        drawn = [a for a in value.ravel() if isinstance(a, axes.Axes)]
        if not drawn:
            return None
    return {"kind": "picture", "axes": [_axes(ax) for ax in drawn[:12]]}


def _axes(ax: Any) -> Plain:
    lines = [
        {
            "label": str(line.get_label())[:100],
            "x": [_cell(x) for x in list(line.get_xdata(orig=True))[:_MOST]],
            "y": [_cell(y) for y in list(line.get_ydata(orig=True))[:_MOST]],
        }
        for line in ax.lines[:100]
    ]
    return {
        "xlabel": ax.get_xlabel()[:100],
        "ylabel": ax.get_ylabel()[:100],
        "title": ax.get_title()[:200],
        "xticks": [
            [_cell(v), t.get_text()]
            for v, t in zip(ax.get_xticks(), ax.get_xticklabels(), strict=False)
        ][:60],
        "lines": lines,
    }
