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

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from numbers import Number
from typing import Any

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
    if isinstance(text, pd.DataFrame):
        raise FormulaError(
            "The formula comes first and the data second, as in lmer('y ~ x + (1|g)', data)."
        )
    if not isinstance(text, str):
        raise FormulaError(
            f"The formula must be text in quotes, as 'y ~ x + (1|g)' is, not {a_kind(text)}."
        )
    return _parse(text)


@lru_cache(maxsize=256)
def _parse(text: str) -> Formula:
    if not text.strip():
        raise FormulaError(f"The formula is empty: {_EXAMPLE}.")
    _check_parentheses(text)
    sides = _split(text, "~")
    if len(sides) > 1 and re.search(r"\brandom\s*=", text):
        raise FormulaError(
            f"'random =' in '{text}' is the syntax of R's lme: write the random effect into the "
            "formula, as in 'y ~ x + (1|g)'."
        )
    if len(sides) == 1 and len(_split(text, "=")) > 1:
        raise FormulaError(f"The formula '{text}' has '=' where '~' belongs: {_EXAMPLE}.")
    if len(sides) == 1:
        raise FormulaError(f"The formula '{text}' has no '~': {_EXAMPLE}.")
    if len(sides) > 2:
        raise FormulaError(f"The formula '{text}' has more than one '~': {_EXAMPLE}.")
    left, right = (side.strip() for side in sides)
    if not left:
        raise FormulaError(
            f"The formula '{text}' names no response on the left of '~': {_EXAMPLE}."
        )
    if not right:
        raise FormulaError(
            f"The formula '{text}' ends after '~': name the effects, or write 1 for the mean alone."
        )
    if "^" in _unquoted(text):
        raise FormulaError(
            f"'^' in the formula '{text}' is R's power: write I(x**2) for a square, (a + b)**2 for "
            "crossing."
        )
    fixed_text, bar_texts = _take_out_bars(right, text)
    response, fixed = _response(left, text), _part(fixed_text, text)
    if any(response.name in term for term in fixed.terms):
        raise FormulaError(
            f"The response '{response.name}' stands on both sides of '~' in '{text}': take it out "
            "on the right."
        )
    return Formula(
        text=" ".join(text.split()),
        response=response,
        fixed=fixed,
        bars=tuple(bar for inside in bar_texts for bar in _bars(inside, text)),
    )


_EXAMPLE = "write response ~ effects, as in 'y ~ x + (1|g)'"


def _unquoted(text: str) -> str:
    """Return the text with names in backquotes and strings blanked out, place by place."""
    return re.sub(r"`[^`]*`|'[^']*'|\"[^\"]*\"", lambda found: "x" * len(found.group()), text)


def _check_parentheses(text: str) -> None:
    depth, opened = 0, []
    plain = _unquoted(text)
    for quote in re.findall(r"[`'\"]", plain):
        what = "backquote" if quote == "`" else "quotation mark"
        raise FormulaError(
            f"The formula '{text}' opens a {what} at '{text[plain.index(quote) :]}' and never "
            "closes it: add the closing one."
        )
    for place, char in enumerate(plain):
        if char == "(":
            depth += 1
            opened.append(place)
        elif char == ")":
            depth -= 1
            if depth < 0:
                raise FormulaError(
                    f"The formula '{text}' closes a parenthesis that was never opened, "
                    f"after '{text[:place].rstrip()}': take it out."
                )
            opened.pop()
    if depth:
        raise FormulaError(
            f"The formula '{text}' opens a parenthesis at '{text[opened[-1] :]}' and never closes "
            "it: add the closing one."
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
        while inside is not None and (deeper := _unwrapped(inside)) and "|" in _unquoted(deeper):
            inside = deeper
        if inside is not None and len(_split(inside, "|")) > 1:
            bars.append(inside)
        elif len(_split(piece, "|")) > 1:
            raise FormulaError(
                f"'|' stands outside parentheses in the formula '{text}': write the random effect "
                f"as ({' '.join(piece.split())})."
            )
        elif "|" in _unquoted(piece):
            raise FormulaError(
                f"The random effect in '{piece}' must stand on its own: write it in parentheses "
                "and add it with '+', as in 'y ~ x + (1|g)'."
            )
        elif not piece:
            raise FormulaError(
                f"The formula '{text}' has a '+' with nothing beside it: name an effect there, or "
                "take the '+' out."
            )
        else:
            fixed.append(piece)
    return " + ".join(fixed) if fixed else "1", bars


def _unwrapped(piece: str) -> str | None:
    """Return what stands inside one pair of parentheses that encloses all of `piece`."""
    piece = piece.strip()
    if not (piece.startswith("(") and piece.endswith(")")):
        return None
    depth = 0
    for place, char in enumerate(_unquoted(piece)):
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

    own = text.removeprefix("0 + ").removesuffix(" ~ 1").strip()
    try:
        tokens = Scanner(text).scan()
        _check_tokens(tokens, own, whole)
        parser = Parser(tokens)
        description = Resolver(parser.parse()).resolve()
        finished = parser.at_end()
    except FormulaError:
        raise
    except Exception:
        finished = False
    if not finished:  # formulae stops silently at a missing operator: "x z"
        raise FormulaError(f"'{own}' in the formula '{whole}' cannot be read: {_remedy(own)}.")
    return description if isinstance(description, Model) else Model(description)


_COMPARISONS = ("EQUAL_EQUAL", "BANG_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")


def _check_tokens(tokens: Sequence[Any], text: str, whole: str) -> None:
    """Refuse what formulae reads but not as meant: x**2, None, 2."""
    inside: list[bool] = []  # for each open parenthesis: is it that of a call?
    if any(token.kind in _COMPARISONS for token in tokens):
        return  # the parser refuses them outside I()
    for i, token in enumerate(tokens):
        before = tokens[i - 1].kind if i else ""
        if token.kind in ("LEFT_PAREN", "LEFT_BRACE"):
            inside.append(token.kind == "LEFT_BRACE" or before == "IDENTIFIER" or any(inside))
        elif token.kind in ("RIGHT_PAREN", "RIGHT_BRACE") and inside:
            inside.pop()
        elif any(inside):
            continue
        elif token.kind == "PYTHON_LITERAL":
            raise FormulaError(
                f"'{token.lexeme}' in the formula '{whole}' is a word of Python: if it is the name "
                f"of a column, write `{token.lexeme}`."
            )
        elif token.kind == "STAR_STAR" and before in ("IDENTIFIER", "BQNAME"):
            name = tokens[i - 1].lexeme
            raise FormulaError(
                f"'{name}**{tokens[i + 1].lexeme}' in the formula '{whole}' would cross '{name}' "
                f"with itself: write I({name}**{tokens[i + 1].lexeme}) for the power."
            )
        elif token.kind == "NUMBER" and before != "STAR_STAR" and token.literal not in (0, 1):
            raise FormulaError(
                f"'{token.lexeme}' in the formula '{whole}' is a number, and a formula may only "
                "have 1 or 0 (with or without the mean): name a column."
            )


def _remedy(text: str) -> str:
    """Say what to write instead of something that formulae cannot read."""
    plain = _unquoted(text)
    if plain.strip() == ".":
        return "name the columns, for '.' is not understood here"
    if "[" in plain:
        return "it may not have square brackets; order the levels in the data, with pd.Categorical"
    if re.search(r"[=<>!]", plain):
        return "put a comparison inside I(), as in I(x > 2)"
    return (
        "write + : * / or ** between the names of columns, and put a name with spaces or other "
        "signs in `backquotes`"
    )


def _response(left: str, whole: str) -> Any:
    if len(_split(left, "+")) > 1 or len(_split(left, ",")) > 1 or left.startswith("cbind"):
        raise FormulaError(
            f"The formula '{whole}' has more than one response, '{left}': fit a model for each."
        )
    description = _describe(f"{left} ~ 1", whole)
    components = getattr(getattr(description.response, "term", None), "components", None)
    if not components or len(components) != 1:
        raise FormulaError(
            f"The response '{left}' in the formula '{whole}' must be one column, or a function of "
            "one, such as log(y)."
        )
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
                "write a random effect as (effects|group)."
            )
        names = tuple(component.name for component in term.components)
        for component in term.components:
            _check_call(component, whole)
        components.update(zip(names, term.components, strict=True))
        terms.append(names)
    terms.sort(key=len)  # main effects first, as R; sort() keeps the order within
    return Part(intercept, tuple(terms), components)


def _check_call(component: Any, whole: str) -> None:
    """Refuse the calls that R knows and we do not."""
    callee = getattr(getattr(component, "call", None), "callee", "")
    if callee == "offset":
        raise FormulaError(
            f"'{component.name}' in the formula '{whole}' is not supported: subtract it from the "
            "response instead."
        )
    inner = component.name[len(callee) + 1 : -1]
    if callee == "Error":
        raise FormulaError(
            f"'{component.name}' in the formula '{whole}' is the syntax of R's aov: write the "
            f"random effect as (1|{inner})."
        )
    if callee in ("factor", "as.factor", "category"):
        raise FormulaError(
            f"'{component.name}' in the formula '{whole}' is the syntax of R: write C({inner})."
        )


def _bars(inside: str, whole: str) -> list[Bar]:
    """Expand one bar: ``/`` into its levels, ``||`` into independent terms."""
    double = "||" in _unquoted(inside)
    pieces = _split(inside, "||" if double else "|")
    if len(pieces) != 2 or not pieces[0].strip() or not pieces[1].strip():
        raise FormulaError(
            f"The random effect '({inside})' in the formula '{whole}' needs effects on the left of "
            "one '|' and the grouping factor on its right, as in (1|g)."
        )
    effects = _part(pieces[0].strip(), whole)
    if not effects.intercept and not effects.terms:
        raise FormulaError(
            f"The random effect '({inside})' in the formula '{whole}' has nothing that varies: "
            "write (1|g) for a random mean, or (0 + x|g) for a random slope alone."
        )
    groups = _part("0 + " + pieces[1].strip(), whole)
    if not groups.terms or groups.intercept:
        raise FormulaError(
            f"The grouping factor '{pieces[1].strip()}' in the formula '{whole}' must be a column "
            "or several, as in (1|g), (1|g/h) or (1|g:h)."
        )
    for term in groups.terms:
        for name in term:
            if hasattr(groups.components[name], "call"):
                inner = name[2:-1] if name.startswith("C(") else ""
                raise FormulaError(
                    f"The grouping factor '{name}' in the formula '{whole}' must be a column: "
                    + (f"write '{inner}' without C()." if inner else "make it first, then name it.")
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
    if component.name.startswith("C("):  # C(x, Sum) names no column Sum
        names = [name for name in names if name not in ("Sum", "Treatment")] or names
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
        for function in re.findall(r"([\w.]+)\s*\(", _unquoted(self.name)):
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
            numbers = np.asarray(values, float)
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


class ModelFrame:
    """The rows that a formula can use: complete ones, with what was left out counted.

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

    def __init__(self, formula: Formula, data: pd.DataFrame) -> None:
        check_table(data, "The data")
        if not len(data):
            raise DataError("The data have no rows: check the file, or the filter, they come from.")
        names = formula.variables()
        _check_columns(formula, names, data)
        self.original = data
        plain = pd.DataFrame(data)  # the same columns without .attrs, which pandas copies each time
        absent = {name: _missing(plain[name]) for name in names}
        self.missing = {name: int(gone.sum()) for name, gone in absent.items() if gone.any()}
        self.rows = ~np.logical_or.reduce(list(absent.values()))
        keep = self.rows
        self.n_dropped = int(len(data) - keep.sum())
        self.data = plain[keep] if self.n_dropped else plain
        self.notes: list[str] = []
        if not keep.any():
            raise DataError(
                "No row is complete: in every row a value is missing in "
                f"{listed(self.missing, last='or')}."
            )
        if self.n_dropped:
            where = ", ".join(f"{name} {count}" for name, count in self.missing.items())
            self.notes.append(
                f"{self.n_dropped} of {len(data)} rows left out for missing values ({where})."
            )
        self._check_values(formula, names)
        for name in names:
            values = self.data[name].array
            if isinstance(values, pd.Categorical):
                present = np.bincount(values.codes, minlength=len(values.categories)) > 0
                if not present.all():
                    empty = values.categories[~present]
                    self.notes.append(
                        f"{'Level' if len(empty) == 1 else 'Levels'} {listed(empty)} of '{name}' "
                        f"{'has' if len(empty) == 1 else 'have'} no data and "
                        f"{'is' if len(empty) == 1 else 'are'} left out."
                    )

    def _check_values(self, formula: Formula, names: Iterable[str]) -> None:
        """Read numbers in object columns as numbers; refuse what is neither number nor level."""
        response = _variables_of(formula.response)
        parts = [formula.fixed, *(bar.effects for bar in formula.bars)]
        effects = {name for part in parts for name in part.variables()}
        wrapped = {
            name for part in parts for key, component in part.components.items()
            if key.startswith("C(") for name in _variables_of(component)
        }  # fmt: skip
        for name in names:
            values = self.data[name]
            if values.dtype == object:
                numbers = _numbers_in(name, values)
                if numbers is not None and (name in effects or name in response):
                    self.data = self.data.assign(**{name: numbers})
                    continue
            if name in effects and name not in wrapped and name not in response:
                _check_effect(name, values)

    def __len__(self) -> int:
        return len(self.data)

    def response(self, formula: Formula) -> Array:
        """Return y, shape (n,), after checking that it is a column of finite numbers."""
        source = formula.response
        for name in _variables_of(source):
            if not is_numeric(self.data[name]) or self.data[name].dtype.kind == "c":
                raise DataError(_not_numbers(name, self.data[name]))
        values = Component(source, self.data).fitted
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


def _missing(values: pd.Series) -> Array:
    """Return which entries of a column are missing, shape (n,)."""
    array = values.array
    if isinstance(array, pd.Categorical):
        return array.codes < 0
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iub":
        return np.zeros(len(values), bool)
    return np.asarray(pd.isna(array), bool)


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


def _not_numbers(name: str, values: pd.Series) -> str:
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
    comma = _decimal_comma(texts)
    if comma:
        raise DataError(
            f"The column '{name}' holds text with decimal commas, such as '{comma}': read the file "
            f"with pd.read_csv(file, decimal=','), or write C({name}) if these are levels of a "
            "factor."
        )
    wrong = texts[pd.to_numeric(texts, errors="coerce").isna()]
    if len(texts) > 10 and 2 * len(wrong) < len(texts):
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
            if name in _variables_of(component):
                inside = f"'{component.name}'" if hasattr(component, "call") else what
                where = f"'{name}' in {inside}"
    if name in _variables_of(formula.response):
        where = f"The response '{name}'"
    return f"{where} is not a column of the data." + did_you_mean(name, data.columns)


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
                    f"The factor '{name}' has only one level, '{component.levels[0]}', so there is "
                    "nothing to compare: leave it out of the formula."
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
        """Return the rows of X for new data, with the levels and coding of the fit.

        A row in which a value is missing becomes a row of NaN.
        """
        used = [name for component in self.components.values() for name in component.variables]
        for name in dict.fromkeys(used):
            if name not in frame.columns:
                raise DataError(
                    f"The new data lack the column '{name}' that the model uses."
                    + did_you_mean(name, frame.columns)
                )
            if isinstance(frame[name], pd.DataFrame):
                raise DataError(f"The new data have more than one column '{name}': rename one.")
        absent = np.zeros(len(frame), bool)
        for name in used:
            absent |= _missing(frame[name])
        if absent.any() or not len(frame):
            out = np.full((len(frame), len(self.names)), np.nan)
            if not absent.all():
                out[~absent] = self.rows(frame[~absent])
            return out
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
            values = {name: c.evaluate(frame) for name, c in self.components.items()}
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
    p = X.shape[1]
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
        """Return group codes (-1 for a new group, -2 for a missing one) and basis for new rows."""
        for name in self.bar.group:
            if name not in frame.columns:
                raise DataError(
                    f"The new data lack the grouping factor '{name}': add it, or use "
                    "predict(..., random=False), which does not need it."
                )
        places = {str(level): place for place, level in enumerate(self.levels)}
        labels = _joined([self._labels(name, frame[name]) for name in self.bar.group])
        codes = np.array([places.get(label, -1) for label in labels], np.intp)
        for name in self.bar.group:
            codes[_missing(frame[name])] = -2
        return codes, self.design.rows(frame)

    def _labels(self, name: str, values: pd.Series) -> Array:
        """Return the groups as the fit wrote them: 1.0 for 1, where the fit had 1."""
        known = {level: str(level) for level in self.factors[name].levels}
        return np.array([known.get(value, str(value)) for value in values.array], dtype=object)


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
    """Give each combination of levels that occurs a number, first factor slowest."""
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
