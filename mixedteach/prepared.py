"""All of a mixed model but the response: made once, and remembered for the designs seen last.

Whoever simulates, turns a slider or fits ten responses of one experiment calls ``lmer`` again and
again with tables that differ in the response alone. Their design is the same, and so is what
follows from it: the columns of X and Z, the checks they have passed, the decomposition of X, the
strata of a balanced design. It is looked up by *value*, so that it cannot be out of date: the right
side of the formula and every entry of the columns that it uses.
"""

from __future__ import annotations

from collections.abc import Hashable
from copy import copy
from typing import Any

import numpy as np
import pandas as pd

from mixedteach.columns import ModelFrame
from mixedteach.design import FixedDesign, random_terms
from mixedteach.errors import FitError
from mixedteach.fit_checks import (
    check_confounded,
    check_groups,
    check_response,
    check_size,
    check_told_apart,
    slope_notes,
    unit_notes,
)
from mixedteach.fitting.lmm import Problem
from mixedteach.fitting.room import NoRoom
from mixedteach.fixed_effects import keep_columns
from mixedteach.formula import Formula

Array = np.ndarray

_KEPT = 16  # designs
_SMALL = 50_000  # entries of X and Z: larger designs are not kept


class Prepared:
    """The design of a model, checked, and its problem with the response it was made with.

    Attributes
    ----------
    design : FixedDesign
    random : list of RandomTerm
    kept : ndarray of int
        The columns of X that are not aliased.
    aliased, notes : list of str
        What should be said of the columns left out, and of the rest of the design.
    problem : Problem
    """

    def __init__(self, formula: Formula, frame: ModelFrame, y: Array) -> None:
        self.design = design = FixedDesign(formula.fixed, frame.columns)
        self.random = random = random_terms(formula, frame, [design])
        self.kept, self.aliased = keep_columns(design, len(y))
        check_response(formula, y)
        check_size(design, random)
        check_groups(random, len(y))
        self.notes = [*slope_notes(random), *unit_notes(random)]
        try:
            self.problem = Problem(
                design.X[:, self.kept] if self.aliased else design.X,
                y,
                [term.codes for term in random],
                [term.basis for term in random],
                [term.groups for term in random],
                [term.tied for term in random],
                factored=design.factored,
                triangles=[term.design.factored[1] for term in random],
            )
        except NoRoom as error:
            raise FitError(error.sentence([random[t].text for t in error.terms])) from None
        check_confounded(self.problem, random)
        if any(self.problem.tied):
            check_told_apart(self.problem, random)

    @property
    def entries(self) -> int:
        """How many numbers X and Z have."""
        return self.design.X.size + sum(term.basis.size for term in self.random)

    def protect(self) -> None:
        """Forbid changes of what several models share."""
        for term in self.random:
            for array in (term.codes, term.basis):
                array.flags.writeable = False
        for array in (self.design.X, self.problem.X, self.kept):
            array.flags.writeable = False

    def bare(self) -> Prepared:
        """Return the same without what was computed for the response, which may be large."""
        other = copy(self)
        other.problem = self.problem.with_response(self.problem.y[:])
        return other


_seen: dict[Hashable, Prepared] = {}


def prepare(formula: Formula, frame: ModelFrame, y: Array) -> Prepared:
    """Return the design of a model, from the memory if it is there, and check the response."""
    key = _key(formula, frame)
    if key is None:
        return Prepared(formula, frame, y)
    found = _seen.pop(key, None)
    if found is not None:
        check_response(formula, y)
        _seen[key] = found
        return found
    found = Prepared(formula, frame, y)
    if found.entries <= _SMALL:
        found.protect()
        _remember(key, found.bare())
    return found


def _remember(key: Hashable, made: Prepared) -> None:
    """Keep a design in the place of the one that was not used for longest."""
    for oldest in list(_seen)[: 1 - _KEPT]:  # a list: other threads may fit models, too
        _seen.pop(oldest, None)
    _seen[key] = made


def forget() -> None:
    """Forget all designs."""
    _seen.clear()


def _key(formula: Formula, frame: ModelFrame) -> Hashable | None:
    """Return all that the design depends on; None where the table is large or a column strange."""
    columns = frame.columns
    if columns.n * len(formula.design_variables) > _SMALL:
        return None
    # with the names of the columns: `log(x)` may be one, and log(x) is written the same
    key: list[Hashable] = [formula.fixed, formula.bars, formula.design_variables, columns.n]
    for name in formula.design_variables:
        raw = columns.raw(name)
        if isinstance(raw, pd.Categorical):
            key += [*_listed(raw.categories), raw.ordered, raw.codes.tobytes()]
        elif isinstance(raw, np.ndarray) and raw.dtype.kind in "iufb":
            key += [raw.dtype, raw.tobytes()]
        elif raw.dtype == object or isinstance(raw.dtype, pd.StringDtype):
            key += _listed(raw)
        else:
            return None
    return tuple(key)


def _listed(values: Any) -> list[Hashable]:
    """Return type and values, and how these are written: 1, 1.0 and True are equal to Python."""
    own = tuple(values.tolist())
    if isinstance(values.dtype, pd.StringDtype):
        return [pd.StringDtype, own]
    # equal, and written differently: intervals of 1 and of 1.0, hours of two time zones, 0.0, -0.0
    return [values.dtype, own, tuple(map(type, own)), tuple(map(str, own))]
