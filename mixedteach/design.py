"""From terms and values to the columns of X and Z, as R builds them.

Treatment coding with the first level as reference, main effects before interactions, and the
first factor of an interaction varying fastest.

Source: R's ``model.matrix``, described in Chambers and Hastie (1992), Statistical Models in S,
section 2.3 and 2.4; Bates, Maechler, Bolker and Walker (2015), J. Stat. Softw. 67(1), section 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pandas as pd

from mixedteach.columns import Columns, Component, Factor, ModelFrame, is_missing
from mixedteach.errors import (
    DataError,
    did_you_mean,
)
from mixedteach.formula import Bar, Formula, Part, TermNames

Array = np.ndarray


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
    of_factors : bool
        Whether X holds nothing but zeros and ones.
    """

    def __init__(self, part: Part, frame: pd.DataFrame | Columns) -> None:
        columns = frame if isinstance(frame, Columns) else Columns(frame)
        self.part = part
        self.intercept = part.intercept
        self.terms = part.terms
        names = list(dict.fromkeys(name for term in part.terms for name in term))
        self.components = {name: Component(part.components[name], columns) for name in names}
        self._check_levels()
        self.n = len(columns)
        self._cells: tuple[tuple, Array] | None = None  # the row of the grid of each row of X
        self._make(self.n)

    def _make(self, n: int) -> None:
        """Make X: where all is factors, each row is one of the grid of their levels.

        The grid, and the QR of X by its help, are remembered; for a few cells that is no quicker.
        """
        fitted = {name: component.fitted for name, component in self.components.items()}
        if not fitted and self.intercept:
            self.of_factors = True
            self.full: set[tuple[TermNames, str]] = set()
            self.X, self.names, self.columns = np.ones((n, 1)), ["Intercept"], {(): np.array([0])}
            return
        levels = [
            (name, tuple(map(str, v.levels)))
            for name, v in fitted.items()
            if isinstance(v, Factor) and v.contrast is None
        ]
        self.of_factors = len(levels) == len(fitted)
        if not self.of_factors or not _FEW < prod(len(own) for _, own in levels) <= min(n, 128):
            factors = {name for name, c in self.components.items() if c.is_factor}
            self.full = _full_coding(self.part, factors)
            self.X, self.names, self.columns = self._build(fitted, n)
            return
        key = self.part, tuple(levels)
        self.full, grid, names, columns = _grid(*key)
        self.names, self.columns = list(names), dict(columns)
        place = np.zeros(n, np.intp)
        for name, own in levels:
            place = place * len(own) + fitted[name].codes
        self.X = grid[place]
        self._cells = key, place

    @cached_property
    def index(self) -> pd.Index:
        """The names, as pandas wants them."""
        return pd.Index(self.names)

    @cached_property
    def factored(self) -> tuple[Array, Array] | None:
        """Q and R of X, or None where columns are aliased."""
        if self._cells is None:
            return _full_rank_qr(self.X)
        key, place = self._cells
        found = _grid_qr(*key, np.bincount(place).tobytes())
        return (found[0][place], found[1]) if found else None

    def _check_levels(self) -> None:
        for name, component in self.components.items():
            if component.is_factor and len(component.levels) < 2:
                raise DataError(
                    f"The factor '{name}' has only one level, '{component.levels[0]}', so there is "
                    "nothing to compare: leave it out of the formula."
                )

    def _build(
        self, values: Mapping[str, Factor | Array], n: int, overparametrised: bool = False
    ) -> tuple[Array, list[str], dict[TermNames, Array]]:
        return _build(self.part, self.full, values, n, overparametrised)

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
            absent |= is_missing(frame[name])
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
        if frame is None:
            values = {name: component.fitted for name, component in self.components.items()}
        else:
            values = {name: c.evaluate(frame) for name, c in self.components.items()}
        return self._build(values, self.n if frame is None else len(frame), overparametrised=True)

    def treatment(self) -> tuple[Array, list[str], dict[TermNames, Array]]:
        """Return X in treatment coding whatever coding the formula asked for."""
        values = {
            name: Factor(v.name, v.levels, v.codes) if isinstance(v := c.fitted, Factor) else v
            for name, c in self.components.items()
        }
        return self._build(values, self.n)

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


def _full_coding(part: Part, factors: set[str]) -> set[tuple[TermNames, str]]:
    """Say which factors get a column for every level: R's rule.

    A factor f in a term T is coded by contrasts if T without f is in the model (the empty
    term always counts as present), else by one column a level. Without an intercept the
    first factor met gets a column for every level.
    """
    present = {frozenset(term) for term in part.terms} | {frozenset()}
    met = [(term, name) for term in part.terms for name in term if name in factors]
    full = {(term, name) for term, name in met if frozenset(term) - {name} not in present}
    return full if part.intercept else full | set(met[:1])


def _build(
    part: Part, full: set[tuple[TermNames, str]], values: Mapping[str, Factor | Array], n: int,
    overparametrised: bool = False,
) -> tuple[Array, list[str], dict[TermNames, Array]]:  # fmt: skip
    """Return X, the names of its columns, and the columns of each term."""
    blocks, names, columns, start = [], [], {}, 0
    if part.intercept:
        blocks.append(np.ones((n, 1)))
        names.append("Intercept")
        columns[()] = np.array([0])
        start = 1
    for term in part.terms:
        block, labels = np.ones((n, 1)), [""]
        for name in term:
            every = overparametrised or (term, name) in full
            own, own_labels = _code(name, values[name], every)
            # the earlier factor varies fastest, as in R
            block = (own[:, :, None] * block[:, None, :]).reshape(n, -1)
            labels = [f"{b}:{a}" if b else a for a, b in product(own_labels, labels)]
        blocks.append(block)
        names.extend(labels)
        columns[term] = np.arange(start, start + len(labels))
        start += len(labels)
    return (np.hstack(blocks) if blocks else np.empty((n, 0))), names, columns


def _full_rank_qr(X: Array) -> tuple[Array, Array] | None:
    """Return Q and R, or None where a column is aliased."""
    n, p = X.shape
    if p > n:
        return None
    if p <= _FEW:
        return _gram_schmidt(X)
    lengths = np.sqrt(np.einsum("ij,ij->j", X, X))
    Q, R = np.linalg.qr(X / np.where(lengths > 0, lengths, 1.0))
    return (Q, R * lengths) if (np.abs(R.diagonal()) >= _ALIASED).all() else None


@np.errstate(over="ignore", invalid="ignore")
def _gram_schmidt(X: Array) -> tuple[Array, Array] | None:
    """Do the same for few columns, quicker than by LAPACK.

    Every column is made orthogonal twice, which is enough: Giraud, Langou and Rozloznik (2005),
    Computers and Mathematics with Applications 50, 1069-1075.
    """
    n, p = X.shape
    Q, R = np.empty((n, p), order="F"), np.zeros((p, p))
    for j in range(p):
        x, before = X[:, j], Q[:, :j]
        length = math.sqrt(x.dot(x))
        for _ in range(2 if j else 0):
            along = x.dot(before)
            x = x - before.dot(along)
            R[:j, j] += along
        left = math.sqrt(x.dot(x))
        if not left > _ALIASED * length:  # nor infinite: such columns are refused later
            return None
        np.divide(x, left, out=Q[:, j])
        R[j, j] = left
    return Q, R


Levels = tuple[tuple[str, tuple[str, ...]], ...]


@lru_cache(maxsize=64)
def _grid_qr(part: Part, levels: Levels, counts: bytes) -> tuple[Array, Array] | None:
    """Return Q, a row for each row of the grid, and R of the X that has each `counts` times."""
    grid, count = _grid(part, levels)[1], np.frombuffer(counts, np.intp)
    there = count > 0
    root = np.sqrt(count[there])[:, None]
    found = _full_rank_qr(grid[: len(count)][there] * root)
    if found is None:
        return None
    Q = np.zeros((len(count), grid.shape[1]))
    Q[there] = found[0] / root
    return Q, found[1]


@lru_cache(maxsize=64)
def _grid(
    part: Part, levels: Levels
) -> tuple[set[tuple[TermNames, str]], Array, list[str], dict[TermNames, Array]]:
    """Return coding, X, names and columns for every combination of levels, the last fastest."""
    shape = [len(own) for _, own in levels]
    codes = np.indices(shape).reshape(len(shape), prod(shape))
    values = {
        name: Factor(name, own, code) for (name, own), code in zip(levels, codes, strict=True)
    }
    full = _full_coding(part, set(values))
    return full, *_build(part, full, values, prod(shape))


def _code(name: str, values: Factor | Array, full: bool) -> tuple[Array, list[str]]:
    if isinstance(values, Factor):
        coding, labels = values.coding(full)
        return coding[values.codes], [f"{name}[{label}]" for label in labels]
    if values.shape[1] == 1:
        return values, [name]
    return values, [f"{name}[{column}]" for column in range(values.shape[1])]


_ALIASED = 1e-7
_FEW = 4  # columns


def aliased_columns(X: Array, tolerance: float = _ALIASED) -> list[int]:
    """Return the columns that earlier columns already determine, as R's ``qr`` finds them.

    A column is aliased if less than `tolerance` of its length is left after regression on the
    columns before it.
    """
    p = X.shape[1]
    lengths = np.sqrt(np.einsum("ij,ij->j", X, X))
    if p == 1:
        return [] if lengths[0] > 0 else [0]
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
    def tied(self) -> bool:
        """Whether the effects are independent and share one variance: (x|||g), k > 1."""
        return self.bar.tied and self.size > 1

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
            codes[is_missing(frame[name])] = -2
        return codes, self.design.rows(frame)

    def _labels(self, name: str, values: pd.Series) -> Array:
        """Return the groups as the fit wrote them: 1.0 for 1, where the fit had 1."""
        known = {level: str(level) for level in self.factors[name].levels}
        return np.array([known.get(value, str(value)) for value in values.array], dtype=object)


def random_terms(
    formula: Formula, frame: ModelFrame, designs: Iterable[FixedDesign] = ()
) -> list[RandomTerm]:
    """Build one RandomTerm for each bar of the formula.

    `designs` are those already made of these rows: terms with the same effects share one.
    """
    designs = {design.part: design for design in designs}
    for bar in formula.bars:
        if bar.effects not in designs:
            designs[bar.effects] = FixedDesign(bar.effects, frame.columns)
    return [_random_term(bar, frame.columns, designs[bar.effects]) for bar in formula.bars]


def _random_term(bar: Bar, columns: Columns, design: FixedDesign) -> RandomTerm:
    factors = {name: columns.factor(name) for name in bar.group}
    codes, levels = _cross(list(factors.values()))
    return RandomTerm(
        label=bar.label,
        text=bar.text,
        bar=bar,
        effects=list(design.names),
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
    size = prod(len(factor.levels) for factor in factors)
    if size <= 4 * len(flat):
        there = np.bincount(flat, minlength=size) > 0
        seen, codes = np.flatnonzero(there), (np.cumsum(there) - 1)[flat]
    else:
        seen, codes = np.unique(flat, return_inverse=True)
    columns = []
    for factor in reversed(factors):
        columns.append(np.asarray(factor.levels, dtype=object)[seen % len(factor.levels)])
        seen = seen // len(factor.levels)
    labels = _joined(columns[::-1])
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        names = ":".join(factor.name for factor in factors)
        raise DataError(
            f"The levels of {names} hold ':' themselves, so that '{twice}' names two groups: use "
            "another character in the levels."
        )
    return codes, labels


def _joined(columns: Sequence[Array]) -> list[Any]:
    if len(columns) == 1:
        return [str(value) for value in columns[0]]
    return [":".join(map(str, row)) for row in zip(*columns, strict=True)]
