"""From columns of a table to values: factors, covariates, and the rows that are complete.

Text, categories and booleans are factors, whose levels follow the categorical dtype, else sorted
order; numbers are covariates. A call such as ``log(x)`` or ``C(width)`` is evaluated by the library
*formulae* and remembers what it learnt from the data of the fit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from numbers import Number
from typing import Any, Protocol

import numpy as np
import pandas as pd

from mixedteach.errors import (
    DataError,
    FormulaError,
    a_kind,
    did_you_mean,
    listed,
    shown,
    warn,
)
from mixedteach.formula import Formula, unquoted, variables_of

Array = np.ndarray


@dataclass(frozen=True)
class Factor:
    """A categorical column: its levels in order and, for each row, the number of its level."""

    name: str
    levels: tuple[Any, ...]
    codes: Array
    contrast: Any = None  # a formulae encoding, or None for treatment coding

    def coding(self, full: bool) -> tuple[Array, list[str]]:
        """Return the coding matrix (levels x columns) and the labels of its columns."""
        labels = [str(level) for level in self.levels]
        if self.contrast is not None and not full:
            matrix = self.contrast.code_without_intercept(labels)
            return np.asarray(matrix.matrix, float), list(matrix.labels)
        identity = np.eye(len(labels))
        return (identity, labels) if full else (identity[:, 1:], labels[1:])


def as_factor(name: str, values: Any, levels: Sequence[Any] | None = None) -> Factor:
    """Turn a column into a Factor; level order follows a categorical dtype, else sorted.

    With `levels` given (those of a fit), a value that is none of them is an error.
    """
    if isinstance(values, pd.Series):
        values = values.array
    if levels is None and isinstance(values, pd.Categorical):
        codes, labels = np.asarray(values.codes, np.intp), values.categories
        count = np.bincount(codes + 1, minlength=len(labels) + 1)[1:]  # -1: missing
        if not count.all():
            place = np.append(np.cumsum(count > 0) - 1, -1)  # -1 stays -1
            codes, labels = place[codes], labels[count > 0]
        return Factor(name, tuple(labels.tolist()), codes)
    if levels is None and len(values) <= _QUICK:
        texts = values.tolist() if hasattr(values, "tolist") else list(values)
        if all(type(text) is str for text in texts):
            known = {text: place for place, text in enumerate(sorted(set(texts)))}
            return Factor(name, tuple(known), np.array([known[text] for text in texts], np.intp))
    if levels is None:
        codes, uniques = pd.factorize(pd.Series(values))  # pandas 2.2 refuses plain .array
        try:
            order = np.argsort(np.asarray(uniques))
        except TypeError:
            order = np.argsort([str(value) for value in uniques])
        texts = [str(value) for value in uniques] if np.asarray(uniques).dtype == object else []
        if len(set(texts)) < len(texts):
            twice = next(text for text in texts if texts.count(text) > 1)
            raise DataError(
                f"The column '{name}' has {twice} as a number and as text, two levels of the same "
                f"name: make them one with data['{name}'].astype(str)."
            )
        rank = np.empty(len(order), np.intp)
        rank[order] = np.arange(len(order))
        return Factor(name, tuple(_plain(uniques[i]) for i in order), rank[codes])
    known = {level: place for place, level in enumerate(levels)}
    by_text = {str(level): place for place, level in enumerate(levels)}
    codes = [known.get(value, by_text.get(str(value), -1)) for value in values]
    if -1 in codes:
        strange = shown(_plain(values[codes.index(-1)]))
        raise DataError(
            f"{strange} is not a level of '{name}' in the fit: choose {listed(levels, last='or')}."
        )
    return Factor(name, tuple(levels), np.asarray(codes, np.intp))


_QUICK = 500  # rows of text that Python sorts out more quickly than pandas


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def is_numeric(values: Any) -> bool:
    """Tell a covariate (numbers) from a factor (text, categories, booleans)."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


class Columns:
    """The columns of a table, each read once however many terms it stands in."""

    def __init__(self, data: pd.DataFrame, raw: Mapping[str, Any] | None = None) -> None:
        self.data = data
        self.n = len(data)
        self._raw = dict(raw or {})
        self._factors: dict[str, Factor] = {}

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, name: str) -> pd.Series:
        return self.data[name]

    def raw(self, name: str) -> Any:
        """Return what a column holds: a NumPy array, or one of pandas' own kinds."""
        if name not in self._raw:
            self._raw[name] = held(self.data[name])
        return self._raw[name]

    def factor(self, name: str) -> Factor:
        """Return a column as a factor."""
        if name not in self._factors:
            self._factors[name] = as_factor(name, self.raw(name))
        return self._factors[name]

    def values(self, name: str) -> Factor | Array | None:
        """Return a factor, or finite numbers of shape (n, 1); None for numbers to be looked at."""
        raw = self.raw(name)
        if isinstance(raw, pd.Categorical):
            return self.factor(name)
        numbers = plain_numbers(raw)
        if numbers is not None:
            return numbers[:, None] if np.isfinite(numbers).all() else None
        return None if is_numeric(self[name]) else self.factor(name)


def held(column: pd.Series) -> Any:
    """Return what a column holds; ``.values`` of pandas' own kinds may lose a time zone."""
    return column.values if isinstance(column.dtype, np.dtype) else column.array


def plain_numbers(raw: Any) -> Array | None:
    """Return a copy of NumPy's own numbers as floats; None for anything else."""
    if isinstance(raw, np.ndarray) and raw.dtype.kind in "iuf":
        return raw.astype(float)
    return None


_FUNCTIONS = {
    "np": np,
    **{name: getattr(np, name) for name in ("log", "log10", "log2", "log1p", "exp", "sqrt")},
}


class Component:
    """A column or a call such as ``log(x)`` or ``C(width)``, evaluated the same way ever after.

    Stateful transforms (``center``, ``scale``, ``poly``, ``bs``) remember what they learnt from
    the data of the fit.
    """

    def __init__(self, source: Any, columns: Columns) -> None:
        self.name = source.name
        self.variables = variables_of(source)
        self.call = deepcopy(source) if hasattr(source, "call") else None
        self.levels: tuple[Any, ...] | None = None
        self.contrast = None
        self.fitted = self._learn(columns)

    @property
    def is_factor(self) -> bool:
        """Whether the values are levels rather than numbers."""
        return self.levels is not None

    def _learn(self, columns: Columns) -> Factor | Array:
        if self.call is None:
            values = columns.values(self.name)
            if isinstance(values, Factor):
                self.levels = values.levels
                return values
            return values if values is not None else self._numbers(columns[self.name])
        frame = columns.data
        values = self._raw(frame, new=False)
        if type(values).__name__ == "CategoricalBox":
            self.contrast = values.contrast
            factor = as_factor(self.name, pd.Series(values.data), values.levels)
            self.levels = factor.levels
            if getattr(self.contrast, "reference", None) is not None:
                self.contrast.reference = str(self.contrast.reference)
            factor = Factor(self.name, factor.levels, factor.codes, self.contrast)
            try:
                factor.coding(full=False)
            except Exception as error:
                raise FormulaError(self._misuse(frame)) from error
            return factor
        if is_numeric(values):
            return self._numbers(values)
        factor = as_factor(self.name, values)
        self.levels = factor.levels
        return factor

    def evaluate(self, frame: pd.DataFrame) -> Factor | Array:
        """Return the values for new rows, with the levels and transforms of the fit."""
        values = self._raw(frame, new=True)
        if self.levels is None:
            return self._numbers(values)
        if type(values).__name__ == "CategoricalBox":
            values = pd.Series(values.data)
        factor = as_factor(self.name, values, self.levels)
        return Factor(self.name, factor.levels, factor.codes, self.contrast)

    def _raw(self, frame: pd.DataFrame, new: bool) -> Any:
        if self.call is None:
            return frame[self.name]
        from formulae.environment import Environment

        try:
            with np.errstate(all="ignore"):  # log(0) is found and explained in _numbers
                if not new:
                    self.call.set_type(frame, Environment([_FUNCTIONS]))
                    values = self.call._intermediate_data
                else:
                    values = self.call.call.eval(frame, self.call.env)
        except Exception as error:
            raise FormulaError(self._misuse(frame, error)) from error
        if type(values).__name__ != "CategoricalBox" and np.shape(values)[:1] != (len(frame),):
            raise FormulaError(
                f"'{self.name}' does not give one value for every row: compute the column first, "
                "then name it in the formula."
            )
        return values

    def _misuse(self, frame: pd.DataFrame, error: Exception | None = None) -> str:
        """Say why a call cannot be computed."""
        from formulae.transforms import TRANSFORMS

        known = [*_FUNCTIONS, "C", "I", "center", "scale", "poly", "bs"]
        for function in re.findall(r"([\w.]+)\s*\(", unquoted(self.name)):
            root, _, inner = function.partition(".")
            if root in (*known, *TRANSFORMS, "Sum", "Treatment") and hasattr(np, inner or "log"):
                continue
            return (
                f"The function '{function}' in '{self.name}' is not known here: use one of "
                f"{', '.join(known[1:])}, or compute the column first and name it."
            )
        if self.name.startswith("C("):
            column = self.variables[0] if self.variables else None
            levels = as_factor(column, frame[column]).levels if column else ()
            return (
                f"'{self.name}' is not understood: write C(column), C(column, Sum) or "
                "C(column, Treatment('level'))"
                + (f" with a level of '{column}': {listed(levels, last='or')}." if levels else ".")
            )
        for name in self.variables:
            if not is_numeric(frame[name]):
                return (
                    f"'{self.name}' cannot be computed, because '{name}' holds "
                    f"{_kind(frame[name])}, not numbers: name a column of numbers."
                )
        return (
            f"'{self.name}' cannot be computed from the data ({error}): compute the column first, "
            "then name it in the formula."
        )

    def _numbers(self, values: Any) -> Array:
        try:
            numbers = np.asarray(values, float).copy()  # I(x) may be the table's own memory
        except (TypeError, ValueError) as error:
            raise DataError(
                f"The column '{self.name}' held numbers in the fit, but holds {_kind(values)} "
                "here: convert it with pd.to_numeric."
            ) from error
        bad = int((~np.isfinite(numbers)).reshape(len(numbers), -1).any(axis=1).sum())
        if bad and self.call is None:
            raise DataError(
                f"The column '{self.name}' has infinite values in {_rows(bad)}: correct them, or "
                "make them missing with data.replace([np.inf, -np.inf], np.nan)."
            )
        if bad:
            raise DataError(
                f"'{self.name}' is infinite or undefined in {_rows(bad)}: check the values of "
                f"{listed(self.variables)} there."
            )
        return numbers[:, None] if numbers.ndim == 1 else numbers


class Structure(Protocol):
    """Something besides the formula that uses columns (a residual covariance)."""

    def variables(self) -> list[str]:
        """Return the columns."""

    def check(self, data: pd.DataFrame) -> None:
        """Refuse columns that the data do not have."""


class ModelFrame:
    """The rows that a formula can use: complete ones, with what was left out counted.

    What `also` uses besides the formula must be complete, too.

    Attributes
    ----------
    data : DataFrame
        The complete rows.
    rows : ndarray of bool, shape (rows of the original,)
        Which rows were kept.
    n_dropped : int
    missing : dict
        Column -> number of missing values.
    notes : list of str
        What was left out and why.
    """

    def __init__(
        self, formula: Formula, data: pd.DataFrame, also: Sequence[Structure] = ()
    ) -> None:
        check_table(data, "The data")
        if not len(data):
            raise DataError("The data have no rows: check the file, or the filter, they come from.")
        names = formula.variables()
        _check_columns(formula, names, data)
        for structure in also:
            structure.check(data)
            names += [name for name in structure.variables() if name not in names]
        self.original = data
        # a light copy: later changes of the table are not ours, and pandas copies .attrs each time
        light = type(data) is pd.DataFrame and not data.attrs
        plain = data.copy(deep=False) if light else pd.DataFrame(data)
        raw = {name: held(plain[name]) for name in names}
        absent = {name: is_missing(plain[name]) for name in names if not _complete(raw[name])}
        self.missing = {name: int(gone.sum()) for name, gone in absent.items() if gone.any()}
        keep = np.ones(len(data), bool)
        for name in self.missing:
            keep &= ~absent[name]
        self.rows = keep
        self.n_dropped = int(len(data) - keep.sum()) if self.missing else 0
        self.notes: list[str] = []
        if self.missing and not keep.any():
            raise DataError(
                "No row is complete: in every row a value is missing in "
                f"{listed(self.missing, last='or')}."
            )
        if self.n_dropped:
            where = ", ".join(f"{name} {count}" for name, count in self.missing.items())
            self.notes.append(
                f"{self.n_dropped} of {len(data)} rows left out for missing values ({where})."
            )
            plain, raw = plain[keep], {}
        self.data = plain
        self.columns = Columns(plain, raw)
        self._check_values(formula, names)
        for name in names:
            values = self.columns.raw(name)
            if isinstance(values, pd.Categorical):
                levels = self.columns.factor(name).levels
                if len(levels) < len(values.categories):
                    empty = values.categories[~values.categories.isin(levels)]
                    self.notes.append(
                        f"{'Level' if len(empty) == 1 else 'Levels'} {listed(empty)} of '{name}' "
                        f"{'has' if len(empty) == 1 else 'have'} no data and "
                        f"{'is' if len(empty) == 1 else 'are'} left out."
                    )

    def _check_values(self, formula: Formula, names: Iterable[str]) -> None:
        """Read numbers in object columns as numbers; refuse what is neither number nor level."""
        names = [name for name in names if not _is_plain(self.columns.raw(name))]
        if not names:
            return
        response = variables_of(formula.response)
        parts = [formula.fixed, *(bar.effects for bar in formula.bars)]
        effects = {name for part in parts for name in part.variables()}
        wrapped = {
            name for part in parts for key, component in part.components.items()
            if key.startswith("C(") for name in variables_of(component)
        }  # fmt: skip
        for name in names:
            values = self.columns[name]
            if values.dtype == object:
                numbers = _numbers_in(name, values)
                if numbers is not None and (name in effects or name in response):
                    self.data = self.data.assign(**{name: numbers})
                    self.columns = Columns(self.data)
                    continue
            if name in effects and name not in wrapped and name not in response:
                if isinstance(values.dtype, pd.StringDtype):
                    small = len(values) <= _QUICK
                    met = dict.fromkeys(values.tolist()) if small else values.unique().tolist()
                    _check_text(name, list(met))
                else:
                    _check_effect(name, values)

    def __len__(self) -> int:
        return len(self.data)

    def response(self, formula: Formula) -> Array:
        """Return y, shape (n,), after checking that it is a column of finite numbers."""
        source = formula.response
        if not hasattr(source, "call"):
            numbers = plain_numbers(self.columns.raw(source.name))
            if numbers is not None and np.isfinite(numbers).all():
                return numbers
        for name in variables_of(source):
            if not is_numeric(self.data[name]) or self.data[name].dtype.kind == "c":
                raise DataError(not_numbers(name, self.data[name]))
        values = Component(source, self.columns).fitted
        if isinstance(values, Factor) or values.shape[1] != 1:
            raise DataError(f"The response '{source.name}' must be one column of numbers.")
        return values[:, 0]


def check_table(data: Any, what: str) -> None:
    """Say how to make a DataFrame of something that is none; `what` is ``The data``."""
    if isinstance(data, pd.DataFrame):
        if isinstance(data.columns, pd.MultiIndex):
            raise DataError(
                f"{what} have columns with several levels of names: give every column one name, as "
                "in data.columns = ['_'.join(names) for names in data.columns]."
            )
        return
    start = f"{what} must be a pandas DataFrame, not {a_kind(data)}"
    if data is None:
        raise DataError(f"{start}: pd.read_csv('file.csv') reads one from a file.")
    if isinstance(data, str):
        raise DataError(f"{start}: read the file first, as in data = pd.read_csv({shown(data)}).")
    if callable(data):
        name = getattr(data, "__name__", "load")
        raise DataError(f"{start}: put parentheses behind its name, as in {name}().")
    if isinstance(data, pd.Series):
        raise DataError(f"{start}: give the whole table, not one column of it.")
    if hasattr(data, "to_pandas"):
        raise DataError(f"{start}: data.to_pandas() makes one.")
    if isinstance(data, np.ndarray):
        raise DataError(f"{start}: pd.DataFrame(array, columns=['y', 'x', 'g']) makes one.")
    raise DataError(f"{start}: pd.DataFrame(...) makes one of columns of equal length.")


def in_another_order(index: pd.Index, rows: pd.Index) -> bool:
    """Say whether an index names the rows of a fit, but in another order."""
    if not rows.is_unique or index.equals(rows):
        return False
    return bool(index.is_unique and index.isin(rows).all())


def is_missing(values: pd.Series) -> Array:
    """Return which entries of a column are missing, shape (n,)."""
    array = values.array
    if isinstance(array, pd.Categorical):
        return array.codes < 0
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iub":
        return np.zeros(len(values), bool)
    return np.asarray(pd.isna(array), bool)


def _complete(raw: Any) -> bool:
    """Say at a glance that nothing is missing; if False one must look."""
    if isinstance(raw, pd.Categorical):
        return bool(raw.codes.min() >= 0)
    if not isinstance(raw, np.ndarray):
        return False
    kind = raw.dtype.kind
    return kind in "iub" or (kind == "f" and not math.isnan(raw.min()))  # NaN if one of them is


def _is_plain(raw: Any) -> bool:
    """Say whether a column is categorical or of NumPy's own real numbers."""
    if isinstance(raw, np.ndarray):
        return raw.dtype.kind in "iuf"
    return isinstance(raw, pd.Categorical)


_DATES = {
    "datetime64": "dates", "datetime": "dates", "date": "dates", "period": "dates",
    "timedelta": "times", "timedelta64": "times", "time": "times",
}  # fmt: skip


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def _kind(values: Any) -> str:
    """Say what a column holds that is no numbers."""
    values = pd.Series(values)
    if isinstance(values.dtype, pd.CategoricalDtype):
        return "categories"
    if isinstance(values.dtype, pd.StringDtype):
        return "text"
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    if inferred in _DATES:
        return _DATES[inferred]
    if inferred.startswith("mixed") and {*map(type, values)} & {str} and _any_number(values):
        return "numbers and text mixed"
    named = {"boolean": "True and False", "complex": "complex numbers", "string": "text"}
    return named.get(inferred) or f"{type(values.iloc[0]).__name__} objects"


def _any_number(values: Iterable[Any]) -> bool:
    return any(isinstance(value, Number) and not isinstance(value, bool) for value in values)


def _numbers_in(name: str, values: pd.Series) -> Array | None:
    """Return the numbers of an object column (whole numbers, Decimal), or None if it has others."""
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    if inferred in ("integer", "floating", "mixed-integer-float", "decimal"):
        return values.to_numpy(float)
    try:
        hash(tuple(values))
    except TypeError as error:
        strange = next(value for value in values if not isinstance(value, Hashable))
        raise DataError(
            f"The column '{name}' has {a_kind(strange)} in a cell, {shown(strange)}: every cell "
            "must hold one value."
        ) from error
    return None


def not_numbers(name: str, values: pd.Series) -> str:
    """Say why a response is no column of numbers, and what to do."""
    start = f"The response '{name}' holds"
    kind = _kind(values)
    if kind == "True and False":
        return f"{start} True and False, not numbers: a linear mixed model needs a measurement."
    if kind in ("dates", "times"):
        return f"{start} {kind}, not numbers: {_to_numbers(name, values)}."
    if kind == "complex numbers":
        return f"{start} complex numbers: take their real part or their absolute value."
    texts = pd.Series(values.astype(object).unique(), dtype=object).astype(str)
    comma = _decimal_comma(texts)
    if comma:
        return (
            f"{start} text with decimal commas, such as '{comma}': read the file with decimal=',', "
            "as in pd.read_csv(file, decimal=',')."
        )
    wrong = texts[pd.to_numeric(texts, errors="coerce").isna()]
    if not len(wrong):
        return (
            f"{start} numbers stored as {kind}, such as '{texts[0]}': convert them with "
            f"data['{name}'] = data['{name}'].astype(float)."
        )
    if len(wrong) == len(texts):
        return (
            f"{start} {kind}, such as '{wrong.iloc[0]}', and no numbers: name a column of "
            "measurements."
        )
    return (
        f"{start} {kind}, such as '{wrong.iloc[0]}': correct such entries, or make them missing "
        f"with data['{name}'] = pd.to_numeric(data['{name}'], errors='coerce')."
    )


def _decimal_comma(texts: pd.Series) -> str | None:
    """Return an entry with a decimal comma if all entries are numbers once commas are points."""
    found = texts[texts.str.fullmatch(r"\s*[+-]?\d+,\d+\s*")]
    points = pd.to_numeric(texts.str.replace(",", ".", regex=False), errors="coerce")
    return found.iloc[0] if len(found) and points.notna().all() else None


def _to_numbers(name: str, values: pd.Series) -> str:
    """Say how dates become numbers."""
    if values.dtype.kind == "M":
        return f"count days, as in (data['{name}'] - data['{name}'].min()).dt.days"
    if values.dtype.kind == "m":
        return f"count seconds, as in data['{name}'].dt.total_seconds()"
    return "convert them to numbers, of days for example"


def _check_effect(name: str, values: pd.Series) -> None:
    """Refuse a column that is neither a covariate nor a factor."""
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype) or (is_numeric(values) and dtype.kind != "c"):
        return
    kind = _kind(values)
    if kind in ("dates", "times"):
        raise DataError(
            f"The column '{name}' holds {kind}: {_to_numbers(name, values)}, or use C({name}) if "
            "each is a level of a factor."
        )
    if kind == "complex numbers":
        raise DataError(
            f"The column '{name}' holds complex numbers: take their real part or absolute value."
        )
    if kind not in ("text", "numbers and text mixed"):
        return
    unique = pd.Series(values.unique(), dtype=object)
    texts = unique[[isinstance(value, str) for value in unique]]
    if len(texts) < len(unique):
        raise DataError(
            f"The column '{name}' mixes numbers and text, such as '{texts.iloc[0]}': correct the "
            f"text, or write C({name}) if these are levels of a factor."
        )
    _check_text(name, texts.tolist())


def _check_text(name: str, levels: Sequence[str]) -> None:
    """Refuse numbers with decimal commas; warn of text that is mostly numbers."""
    comma = _decimal_comma(pd.Series(levels)) if any("," in text for text in levels) else None
    if comma:
        raise DataError(
            f"The column '{name}' holds text with decimal commas, such as '{comma}': read the file "
            f"with pd.read_csv(file, decimal=','), or write C({name}) if these are levels of a "
            "factor."
        )
    if len(levels) <= 10:
        return
    texts = pd.Series(levels)
    wrong = texts[pd.to_numeric(texts, errors="coerce").isna()]
    if 2 * len(wrong) < len(texts):
        correct = f"correct {listed(wrong, limit=3)} and convert" if len(wrong) else "convert"
        warn(
            f"The column '{name}' holds text and is a factor with {len(texts)} levels, though most "
            f"are numbers: if it should be a covariate, {correct} it with pd.to_numeric."
        )


def _check_columns(formula: Formula, names: Iterable[str], data: pd.DataFrame) -> None:
    known = set(data.columns)
    for name in names:
        if name not in known:
            raise FormulaError(_unknown(formula, name, data))
        if len(known) < len(data.columns) and list(data.columns).count(name) > 1:
            raise DataError(f"The data have more than one column '{name}': rename one.")


def _unknown(formula: Formula, name: str, data: pd.DataFrame) -> str:
    """Say where in the formula an unknown name stands, and which was probably meant."""
    if name in data.index.names:
        return f"'{name}' is the index of the data, not a column: data.reset_index() makes it one."
    if name in {str(column) for column in data.columns}:
        return (
            f"The name of the column {name} is not text: data = data.rename(columns=str) makes it "
            "so."
        )
    where = f"'{name}'"
    parts = [(formula.fixed, "the fixed effects")]
    parts += [(bar.effects, f"the random effect {bar.text}") for bar in formula.bars]
    if any(name in bar.group for bar in formula.bars):
        where = f"The grouping factor '{name}'"
    for part, what in reversed(parts):
        for component in part.components.values():
            if name in variables_of(component):
                inside = f"'{component.name}'" if hasattr(component, "call") else what
                where = f"'{name}' in {inside}"
    if name in variables_of(formula.response):
        where = f"The response '{name}'"
    return f"{where} is not a column of the data." + did_you_mean(name, data.columns)
