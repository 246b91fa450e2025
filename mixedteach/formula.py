r"""From a formula and a table to a design: response, fixed effects, random effects.

The syntax is lme4's, ``y ~ a*b + (1 + x | group)``. The fixed part and the inside of each bar are
read by the library *formulae*; what we do here is find the bars, expand ``/`` and ``||``, and
build the columns as R does: treatment coding with the first level as reference, main effects
before interactions, and the first factor of an interaction varying fastest.

The stages can be called one by one, as in class::

    formula = parse("content ~ method + (1|tablet)")     # text -> terms
    frame = ModelFrame(formula, data)                    # terms + data -> rows that are complete
    design = FixedDesign(formula, frame)                 # -> columns of X; builds X for new data
    terms = random_terms(formula, frame)                 # -> one RandomTerm for each bar

Source: Bates, Maechler, Bolker and Walker (2015), J. Stat. Softw. 67(1), section 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from mixedteach.errors import DataError, FormulaError, did_you_mean, listed

Array = np.ndarray
TermNames = tuple[str, ...]

# ---------------------------------------------------------------------------------------------
# Reading the text
# ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """One side of a formula: an intercept or not, and terms as tuples of component names."""

    intercept: bool
    terms: tuple[TermNames, ...]
    components: Mapping[str, Any] = field(hash=False, compare=False)

    def variables(self) -> list[str]:
        """Return the data columns that the part uses, in order of appearance."""
        seen: dict[str, None] = {}
        for term in self.terms:
            for name in term:
                seen.update(dict.fromkeys(_variables_of(self.components[name])))
        return list(seen)


@dataclass(frozen=True)
class Bar:
    """One random-effects term, ``(effects | group)``; `group` names the crossed factors."""

    text: str
    effects: Part
    group: tuple[str, ...]

    @property
    def label(self) -> str:
        """The name of the grouping factor, ``plank:width``."""
        return ":".join(self.group)


@dataclass(frozen=True)
class Formula:
    """A parsed model formula; ``str()`` gives back the text."""

    text: str
    response: Any = field(hash=False, compare=False)
    fixed: Part
    bars: tuple[Bar, ...]

    def __str__(self) -> str:
        return self.text

    @property
    def response_name(self) -> str:
        """The left side as it was written."""
        return self.response.name

    def variables(self) -> list[str]:
        """Return every data column that the formula uses, response first."""
        seen = dict.fromkeys(_variables_of(self.response))
        seen.update(dict.fromkeys(self.fixed.variables()))
        for bar in self.bars:
            seen.update(dict.fromkeys([*bar.effects.variables(), *bar.group]))
        return list(seen)


@lru_cache(maxsize=256)
def parse(text: str) -> Formula:
    """Read a model formula.

    Parameters
    ----------
    text : str
        lme4's syntax, for example ``"y ~ a*b + x + (1 + x | g) + (1 | h/k)"``.

    Returns
    -------
    Formula

    Raises
    ------
    FormulaError
        Where the text is no formula; the message says what to change.

    Examples
    --------
    >>> formula = parse("yield ~ variety*nitrogen + (1|block/variety)")
    >>> formula.fixed.terms
    (('variety',), ('nitrogen',), ('variety', 'nitrogen'))
    >>> [bar.label for bar in formula.bars]
    ['block', 'block:variety']
    """
    if not isinstance(text, str):
        raise FormulaError(
            f"A formula is a text such as 'y ~ x + (1|g)', not {type(text).__name__}."
        )
    _check_parentheses(text)
    sides = _split(text, "~")
    if len(sides) == 1:
        raise FormulaError(
            f"The formula '{text}' has no '~': write response ~ effects, as in 'y ~ x + (1|g)'."
        )
    if len(sides) > 2:
        raise FormulaError(f"The formula '{text}' has more than one '~'.")
    left, right = (side.strip() for side in sides)
    if not left:
        raise FormulaError(f"The formula '{text}' names no response on the left of '~'.")
    if not right:
        raise FormulaError(
            f"The formula '{text}' ends after '~': name the effects, or write 1 for the mean alone."
        )
    if "^" in text:
        raise FormulaError(
            f"'^' in '{text}' is R's power: write I(x**2) for a square, (a + b)**2 for crossing."
        )
    fixed_text, bar_texts = _take_out_bars(right, text)
    return Formula(
        text=" ".join(text.split()),
        response=_response(left, text),
        fixed=_part(fixed_text, text),
        bars=tuple(bar for inside in bar_texts for bar in _bars(inside, text)),
    )


def _check_parentheses(text: str) -> None:
    depth, opened = 0, []
    for place, char in enumerate(text):
        if char == "(":
            depth += 1
            opened.append(place)
        elif char == ")":
            depth -= 1
            if depth < 0:
                raise FormulaError(
                    f"The formula '{text}' closes a parenthesis that was never opened, "
                    f"after '{text[:place].rstrip()}'."
                )
            opened.pop()
    if depth:
        raise FormulaError(
            f"The formula '{text}' opens a parenthesis that is never closed: '{text[opened[-1] :]}'."
        )


def _split(text: str, separator: str) -> list[str]:
    """Split at separators outside parentheses, brackets and quotes."""
    pieces, depth, quote, start, place = [], 0, "", 0, 0
    while place < len(text):
        char = text[place]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"`":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif depth == 0 and text.startswith(separator, place):
            pieces.append(text[start:place])
            place += len(separator)
            start = place
            continue
        place += 1
    return [*pieces, text[start:]]


def _take_out_bars(right: str, text: str) -> tuple[str, list[str]]:
    """Separate ``(effects | group)`` pieces from the fixed effects."""
    fixed, bars = [], []
    for piece in _split(right, "+"):
        piece = piece.strip()
        inside = _unwrapped(piece)
        if inside is not None and len(_split(inside, "|")) > 1:
            bars.append(inside)
        elif "|" in piece and len(_split(piece, "|")) > 1:
            raise FormulaError(
                f"'|' stands outside parentheses in '{text}': "
                f"write ({_bar_only(piece)}) with parentheses around the random effect."
            )
        elif "|" in piece:
            raise FormulaError(
                f"The random effect in '{piece}' must be added with '+' on its own: "
                "write ... + (effects|group)."
            )
        elif not piece:
            raise FormulaError(f"The formula '{text}' has a '+' with nothing beside it.")
        else:
            fixed.append(piece)
    return " + ".join(fixed) if fixed else "1", bars


def _bar_only(piece: str) -> str:
    return " ".join(piece.split())


def _unwrapped(piece: str) -> str | None:
    """Return what stands inside one pair of parentheses that encloses all of `piece`."""
    if not (piece.startswith("(") and piece.endswith(")")):
        return None
    depth = 0
    for place, char in enumerate(piece):
        depth += (char == "(") - (char == ")")
        if depth == 0 and place < len(piece) - 1:
            return None
    return piece[1:-1]


def _describe(text: str, whole: str) -> Any:
    """Let formulae read one side; say in our words when it cannot."""
    from formulae.parser import Parser
    from formulae.resolver import Resolver
    from formulae.scanner import Scanner
    from formulae.terms.terms import Model

    message = (
        f"'{text.removeprefix('0 + ').removesuffix(' ~ 1').strip()}' in the formula '{whole}' "
        "cannot be read: use + : * / ** between names of columns, and put a name with spaces in "
        "`backquotes`."
    )
    try:
        parser = Parser(Scanner(text).scan())
        description = Resolver(parser.parse()).resolve()
        finished = parser.at_end()
    except Exception as error:
        raise FormulaError(message) from error
    if not finished:  # formulae stops silently at a missing operator: "x z"
        raise FormulaError(message)
    return description if isinstance(description, Model) else Model(description)


def _response(left: str, whole: str) -> Any:
    if len(_split(left, "+")) > 1 or len(_split(left, ",")) > 1 or left.startswith("cbind"):
        raise FormulaError(
            f"The formula '{whole}' has two responses, '{left}': fit one model for each."
        )
    description = _describe(f"{left} ~ 1", whole)
    components = getattr(getattr(description.response, "term", None), "components", None)
    if not components or len(components) != 1:
        raise FormulaError(f"The response '{left}' in '{whole}' must be one column, or log(column).")
    return components[0]


def _part(text: str, whole: str) -> Part:
    description = _describe(text, whole)
    intercept, terms, components = False, [], {}
    for term in description.terms:
        if type(term).__name__ == "Intercept":
            intercept = True
            continue
        if not hasattr(term, "components"):
            raise FormulaError(
                f"'{text}' in the formula '{whole}' is not a list of effects: "
                "a random effect is written (effects|group)."
            )
        names = tuple(component.name for component in term.components)
        if any(name.startswith("offset(") for name in names):
            raise FormulaError(
                f"offset() in '{whole}' is not supported: subtract it from the response instead."
            )
        components.update(zip(names, term.components, strict=True))
        terms.append(names)
    terms.sort(key=len)  # main effects first, as R; sort() keeps the order within
    return Part(intercept, tuple(terms), components)


def _bars(inside: str, whole: str) -> list[Bar]:
    """Expand one bar: ``/`` into its levels, ``||`` into independent terms."""
    double = "||" in inside
    pieces = _split(inside, "||" if double else "|")
    if len(pieces) != 2 or not pieces[0].strip() or not pieces[1].strip():
        raise FormulaError(
            f"The random effect '({inside})' in '{whole}' needs effects on the left of '|' and one "
            "grouping factor on the right, as in (1|g)."
        )
    effects = _part(pieces[0].strip(), whole)
    if not effects.intercept and not effects.terms:
        raise FormulaError(f"The random effect '({inside})' in '{whole}' has no effects: write 1.")
    groups = _part("0 + " + pieces[1].strip(), whole)
    if not groups.terms or groups.intercept:
        raise FormulaError(
            f"The grouping factor '{pieces[1].strip()}' in '{whole}' must name columns, "
            "as in (1|g), (1|g/h) or (1|g:h)."
        )
    for term in groups.terms:
        for name in term:
            if hasattr(groups.components[name], "call"):
                raise FormulaError(
                    f"The grouping factor '{name}' in '{whole}' must be a column: "
                    "make the column first, then name it."
                )
    shares = [effects]
    if double:
        shares = [Part(True, (), {})] if effects.intercept else []
        shares += [Part(False, (term,), effects.components) for term in effects.terms]
    return [
        Bar(f"({_effects_text(share)} | {':'.join(group)})", share, group)
        for group in sorted(groups.terms, key=len)
        for share in shares
    ]


def _effects_text(effects: Part) -> str:
    terms = [":".join(term) for term in effects.terms]
    if not effects.intercept:
        return " + ".join(["0", *terms])
    return " + ".join(terms) if terms else "1"


def _variables_of(component: Any) -> list[str]:
    """Return the data columns a component needs, in the order in which they are written."""
    names = [name for name in component.var_names if name]  # formulae names a literal ''
    if len(names) < 2:
        return names
    return sorted(names, key=component.name.find)


# ---------------------------------------------------------------------------------------------
# From columns to values
# ---------------------------------------------------------------------------------------------


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
        used = np.unique(values.codes)
        used = used[used >= 0]
        if len(used) < len(values.categories):
            values = values.remove_unused_categories()
        return Factor(name, tuple(values.categories), np.asarray(values.codes, np.intp))
    if levels is None:
        codes, uniques = pd.factorize(values)
        try:
            order = np.argsort(np.asarray(uniques))
        except TypeError:
            order = np.argsort([str(value) for value in uniques])
        rank = np.empty(len(order), np.intp)
        rank[order] = np.arange(len(order))
        return Factor(name, tuple(_plain(uniques[i]) for i in order), rank[codes])
    known = {level: place for place, level in enumerate(levels)}
    by_text = {str(level): place for place, level in enumerate(levels)}
    codes = [known.get(value, by_text.get(str(value), -1)) for value in values]
    if -1 in codes:
        strange = values[codes.index(-1)]
        raise DataError(
            f"'{strange}' is no level of '{name}' in the fit; its levels are {listed(levels)}."
        )
    return Factor(name, tuple(levels), np.asarray(codes, np.intp))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def is_numeric(values: Any) -> bool:
    """Tell a covariate (numbers) from a factor (text, categories, booleans)."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


_FUNCTIONS = {
    "np": np,
    **{name: getattr(np, name) for name in ("log", "log10", "log2", "log1p", "exp", "sqrt")},
}


class Component:
    """A column or a call such as ``log(x)`` or ``C(width)``, evaluated the same way ever after.

    Stateful transforms (``center``, ``scale``, ``poly``, ``bs``) remember what they learnt from
    the data of the fit.
    """

    def __init__(self, source: Any, frame: pd.DataFrame) -> None:
        self.name = source.name
        self.variables = _variables_of(source)
        self.call = deepcopy(source) if hasattr(source, "call") else None
        self.levels: tuple[Any, ...] | None = None
        self.contrast = None
        self.fitted = self._learn(frame)

    @property
    def is_factor(self) -> bool:
        """Whether the values are levels rather than numbers."""
        return self.levels is not None

    def _learn(self, frame: pd.DataFrame) -> Factor | Array:
        values = self._raw(frame, new=False)
        if type(values).__name__ == "CategoricalBox":
            self.contrast = values.contrast
            factor = as_factor(self.name, pd.Series(values.data), values.levels)
            self.levels = factor.levels
            return Factor(self.name, factor.levels, factor.codes, self.contrast)
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
            if not new:
                self.call.set_type(frame, Environment([_FUNCTIONS]))
                return self.call._intermediate_data
            return self.call.call.eval(frame, self.call.env)
        except Exception as error:
            raise FormulaError(
                f"'{self.name}' cannot be computed from the data ({error}); "
                "compute the column first, then name it in the formula."
            ) from error

    def _numbers(self, values: Any) -> Array:
        try:
            numbers = np.asarray(values, float)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"The column '{self.name}' held numbers in the fit, but not here."
            ) from error
        if not np.isfinite(numbers).all():
            what = "infinite values" if np.isinf(numbers).any() else "values that are no numbers"
            raise DataError(f"'{self.name}' gives {what}; remove or correct those rows first.")
        return numbers[:, None] if numbers.ndim == 1 else numbers


class ModelFrame:
    """The rows that a formula can use: complete ones, with what was left out counted.

    Attributes
    ----------
    data : DataFrame
        The used columns of the complete rows.
    rows : ndarray of bool, shape (rows of the original,)
        Which rows were kept.
    n_dropped : int
    missing : dict
        Column -> number of missing values.
    notes : list of str
        What was left out and why.
    """

    def __init__(self, formula: Formula, data: pd.DataFrame) -> None:
        if not isinstance(data, pd.DataFrame):
            raise DataError(
                f"The data must be a pandas DataFrame, not {type(data).__name__}; "
                "pd.DataFrame(...) makes one."
            )
        names = formula.variables()
        _check_columns(formula, names, data)
        used = data[names]
        absent = used.isna().to_numpy()
        keep = ~absent.any(axis=1) if absent.any() else np.ones(len(used), bool)
        self.original = data
        self.rows = keep
        self.n_dropped = int(len(used) - keep.sum())
        self.data = used[keep] if self.n_dropped else used
        self.missing = {
            name: int(count) for name, count in zip(names, absent.sum(axis=0), strict=True) if count
        }
        self.notes: list[str] = []
        if len(data) == 0:
            raise DataError("The data have no rows.")
        if not keep.any():
            raise DataError(
                f"No row is complete: every row misses a value in {listed(self.missing)}."
            )
        if self.n_dropped:
            where = ", ".join(f"{name} {count}" for name, count in self.missing.items())
            self.notes.append(
                f"{self.n_dropped} of {len(used)} rows left out for missing values ({where})."
            )
        for name in names:
            values = self.data[name]
            if isinstance(values.dtype, pd.CategoricalDtype):
                present = np.bincount(values.cat.codes, minlength=len(values.cat.categories)) > 0
                if not present.all():
                    empty = values.cat.categories[~present]
                    self.notes.append(
                        f"{'Level' if len(empty) == 1 else 'Levels'} {listed(empty)} of '{name}' "
                        f"{'has' if len(empty) == 1 else 'have'} no data and "
                        f"{'is' if len(empty) == 1 else 'are'} left out."
                    )

    def __len__(self) -> int:
        return len(self.data)

    def response(self, formula: Formula) -> Array:
        """Return y, shape (n,), after checking that it is a column of finite numbers."""
        source = formula.response
        for name in _variables_of(source):
            if not is_numeric(self.data[name]):
                raise DataError(
                    f"The response '{name}' holds {_kind(self.data[name])}, not numbers; "
                    f"pd.to_numeric(data['{name}'], errors='coerce') shows which entries are no "
                    "numbers."
                )
        values = Component(source, self.data).fitted
        if isinstance(values, Factor) or values.shape[1] != 1:
            raise DataError(f"The response '{source.name}' must be one column of numbers.")
        return values[:, 0]


def _kind(values: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(values):
        return "True and False"
    return "categories" if isinstance(values.dtype, pd.CategoricalDtype) else "text"


def _check_columns(formula: Formula, names: Iterable[str], data: pd.DataFrame) -> None:
    known = set(data.columns)
    for name in names:
        if name not in known:
            raise FormulaError(
                f"The column '{name}' in the formula is not in the data."
                + did_you_mean(name, data.columns)
            )
        if isinstance(data[name], pd.DataFrame):
            raise DataError(f"The data have more than one column named '{name}'; rename one.")


# ---------------------------------------------------------------------------------------------
# Fixed effects
# ---------------------------------------------------------------------------------------------


class FixedDesign:
    """The columns of X: how they are made, what they are called, which term each belongs to.

    Attributes
    ----------
    X : ndarray, shape (n, p)
        The matrix of the fit, aliased columns included (see :func:`drop_aliased`).
    names : list of str
        ``Intercept``, ``method[hplc]``, ``width[2]:depth[3]``, ...
    terms : tuple of tuple of str
        The terms in R's order; the intercept is no term.
    columns : dict
        term -> positions of its columns; ``()`` -> the intercept.
    """

    def __init__(self, part: Part, frame: pd.DataFrame) -> None:
        self.part = part
        self.intercept = part.intercept
        self.terms = part.terms
        names = list(dict.fromkeys(name for term in part.terms for name in term))
        self.components = {name: Component(part.components[name], frame) for name in names}
        self._check_levels()
        self.full = self._full_coding()
        self.frame = frame
        fitted = {name: component.fitted for name, component in self.components.items()}
        self.X, self.names, self.columns = self._build(fitted, len(frame))

    def _check_levels(self) -> None:
        for name, component in self.components.items():
            if component.is_factor and len(component.levels) < 2:
                raise DataError(
                    f"The factor '{name}' has only one level, '{component.levels[0]}': "
                    "there is nothing to compare; leave it out of the formula."
                )

    def _full_coding(self) -> set[tuple[TermNames, str]]:
        """Say which factors get a column for every level: R's rule.

        A factor f in a term T is coded by contrasts if T without f is in the model (the empty
        term always counts as present), else by one column a level. Without an intercept the
        first factor met gets a column for every level.
        """
        present = {frozenset(term) for term in self.terms} | {frozenset()}
        full = {
            (term, name)
            for term in self.terms
            for name in term
            if self.components[name].is_factor and frozenset(term) - {name} not in present
        }
        if not self.intercept:
            first = next(
                (
                    (term, name)
                    for term in self.terms
                    for name in term
                    if self.components[name].is_factor
                ),
                None,
            )
            if first:
                full.add(first)
        return full

    def _build(
        self, values: Mapping[str, Factor | Array], n: int, overparametrised: bool = False
    ) -> tuple[Array, list[str], dict[TermNames, Array]]:
        blocks, names, columns, start = [], [], {}, 0
        if self.intercept:
            blocks.append(np.ones((n, 1)))
            names.append("Intercept")
            columns[()] = np.array([0])
            start = 1
        for term in self.terms:
            block, labels = np.ones((n, 1)), [""]
            for name in term:
                full = overparametrised or (term, name) in self.full
                part, part_labels = _code(name, values[name], full)
                # the earlier factor varies fastest, as in R
                block = (part[:, :, None] * block[:, None, :]).reshape(n, -1)
                labels = [f"{b}:{a}" if b else a for a, b in product(part_labels, labels)]
            blocks.append(block)
            names.extend(labels)
            columns[term] = np.arange(start, start + len(labels))
            start += len(labels)
        return (np.hstack(blocks) if blocks else np.empty((n, 0))), names, columns

    def rows(self, frame: pd.DataFrame) -> Array:
        """Return the rows of X for new data, with the levels and coding of the fit."""
        for component in self.components.values():
            for name in component.variables:
                if name not in frame.columns:
                    raise DataError(
                        f"The new data lack the column '{name}' that the model uses."
                        + did_you_mean(name, frame.columns)
                    )
        values = {name: c.evaluate(frame) for name, c in self.components.items()}
        return self._build(values, len(frame))[0]

    def overparametrised(
        self, frame: pd.DataFrame | None = None
    ) -> tuple[Array, list[str], dict[TermNames, Array]]:
        """Return X with a column for every level of every factor (SAS's design matrix)."""
        source = self.frame if frame is None else frame
        if frame is None:
            values = {name: component.fitted for name, component in self.components.items()}
        else:
            values = {name: component.evaluate(frame) for name, component in self.components.items()}
        return self._build(values, len(source), overparametrised=True)

    def treatment(self) -> tuple[Array, list[str], dict[TermNames, Array]]:
        """Return X in treatment coding whatever coding the formula asked for."""
        values = {
            name: Factor(v.name, v.levels, v.codes) if isinstance(v := c.fitted, Factor) else v
            for name, c in self.components.items()
        }
        return self._build(values, len(self.frame))

    def factors(self, term: TermNames) -> frozenset[str]:
        """Return the factors of a term."""
        return frozenset(name for name in term if self.components[name].is_factor)

    def covariates(self, term: TermNames) -> frozenset[str]:
        """Return the covariates of a term."""
        return frozenset(name for name in term if not self.components[name].is_factor)

    def contains(self, large: TermNames, small: TermNames) -> bool:
        """Say whether `large` contains `small`: all its factors, exactly its covariates (SAS)."""
        return (
            large != small
            and self.factors(small) < self.factors(large)
            and self.covariates(small) == self.covariates(large)
        )


def _code(name: str, values: Factor | Array, full: bool) -> tuple[Array, list[str]]:
    if isinstance(values, Factor):
        coding, labels = values.coding(full)
        return coding[values.codes], [f"{name}[{label}]" for label in labels]
    if values.shape[1] == 1:
        return values, [name]
    return values, [f"{name}[{column}]" for column in range(values.shape[1])]


def aliased_columns(X: Array, tolerance: float = 1e-7) -> list[int]:
    """Return the columns that earlier columns already determine, as R's ``qr`` finds them.

    A column is aliased if less than `tolerance` of its length is left after regression on the
    columns before it.
    """
    n, p = X.shape
    lengths = np.sqrt(np.einsum("ij,ij->j", X, X))
    kept, aliased = list(range(p)), []
    while kept:
        scaled = X[:, kept] / np.where(lengths[kept] > 0, lengths[kept], 1.0)
        left = np.abs(np.diag(np.linalg.qr(scaled, mode="r")))
        short = np.flatnonzero(left < tolerance)
        # a column beyond the n-th can only be aliased
        place = short[0] if short.size else (len(left) if len(left) < len(kept) else None)
        if place is None:
            break
        aliased.append(kept.pop(place))
    return sorted(aliased)


# ---------------------------------------------------------------------------------------------
# Random effects
# ---------------------------------------------------------------------------------------------


@dataclass
class RandomTerm:
    """One bar as data: which group each row belongs to, and the columns that vary by group.

    Attributes
    ----------
    label : str
        The grouping factor, ``plank:width``.
    text : str
        The term as lme4 writes it, ``(1 | plank:width)``.
    effects : list of str
        ``Intercept``, ``Days``, ...; k of them.
    levels : list
        Labels of the m groups.
    codes : ndarray of int, shape (n,)
        The group of each row.
    basis : ndarray, shape (n, k)
        The columns that are multiplied by the random effects.
    """

    label: str
    text: str
    bar: Bar
    effects: list[str]
    levels: list[Any]
    codes: Array
    basis: Array
    design: FixedDesign
    factors: dict[str, Factor]

    @property
    def size(self) -> int:
        """The number of effects a group has, k."""
        return self.basis.shape[1]

    @property
    def groups(self) -> int:
        """The number of groups, m."""
        return len(self.levels)

    def locate(self, frame: pd.DataFrame) -> tuple[Array, Array]:
        """Return group codes (-1 for a new group) and basis for new rows."""
        for name in self.bar.group:
            if name not in frame.columns:
                raise DataError(
                    f"The new data lack the grouping factor '{name}'; "
                    "predict(..., random=False) does not need it."
                )
        places = {str(level): place for place, level in enumerate(self.levels)}
        labels = _joined([frame[name].to_numpy() for name in self.bar.group])
        codes = np.array([places.get(label, -1) for label in labels], np.intp)
        return codes, self.design.rows(frame)


def random_terms(formula: Formula, frame: ModelFrame) -> list[RandomTerm]:
    """Build one RandomTerm for each bar of the formula."""
    return [_random_term(bar, frame) for bar in formula.bars]


def _random_term(bar: Bar, frame: ModelFrame) -> RandomTerm:
    factors = {name: as_factor(name, frame.data[name]) for name in bar.group}
    codes, levels = _cross(list(factors.values()))
    design = FixedDesign(bar.effects, frame.data)
    return RandomTerm(
        label=bar.label,
        text=bar.text,
        bar=bar,
        effects=design.names,
        levels=levels,
        codes=codes,
        basis=design.X,
        design=design,
        factors=factors,
    )


def _cross(factors: Sequence[Factor]) -> tuple[Array, list[Any]]:
    """Number the combinations of levels that occur, first factor slowest."""
    if len(factors) == 1:
        return factors[0].codes, list(factors[0].levels)
    flat = np.zeros(len(factors[0].codes), np.intp)
    for factor in factors:
        flat = flat * len(factor.levels) + factor.codes
    seen, codes = np.unique(flat, return_inverse=True)
    columns = []
    for factor in reversed(factors):
        columns.append(np.asarray(factor.levels, dtype=object)[seen % len(factor.levels)])
        seen = seen // len(factor.levels)
    return codes, _joined(columns[::-1])


def _joined(columns: Sequence[Array]) -> list[Any]:
    if len(columns) == 1:
        return [str(value) for value in columns[0]]
    return [":".join(map(str, row)) for row in zip(*columns, strict=True)]
