r"""Estimated marginal means: what the model predicts for a level, averaged evenly over the rest.

The reference grid holds every combination of the levels of the factors in the fixed effects, with
covariates at their mean (also where a condition such as I(age > 9) makes levels of them). A
marginal mean is an average of rows of X over that grid, so it is a linear function of beta; nothing
is averaged over the data unless asked (weights='proportional').

A mean is estimable if its row lies in the row space of the design with all its columns, aliased
ones included; if not, it is shown blank.

Source: Searle, Speed and Milliken (1980), The American Statistician 34, 216-221.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pandas as pd

from mixedteach.columns import Component, as_factor, is_numeric
from mixedteach.errors import InferenceError, did_you_mean, listed, one_of, shown
from mixedteach.inference.functions import LinearFunctions, Model, linear_functions
from mixedteach.table import significant

Array = np.ndarray


def emmeans(
    model: Model,
    specs: str | Sequence[str],
    by: str | Sequence[str] | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    weights: str = "equal",
    ddf: str | None = None,
    level: float = 0.95,
    adjust: str = "none",
) -> LinearFunctions:
    """Return estimated marginal means; see :meth:`mixedteach.model.MixedModel.emmeans`."""
    wanted, given = _names(model, specs, by)
    variables = grid_variables(model, at)
    _check(model, [*wanted, *given], variables, at)
    one_of(weights, ("equal", "proportional"), "a way to weight the cells")
    factors = {name: values for name, values in variables.items() if len(values) > 1}
    parents = nesting(model, [name for name in factors if is_factor(model, name)])
    wanted += [p for name in [*wanted, *given] for p in parents.get(name, ())
               if p not in [*wanted, *given]]  # fmt: skip
    wanted = list(dict.fromkeys(wanted))
    shown = [*wanted, *given]
    rest = [name for name in factors if name not in shown]
    for name in shown:
        factors.setdefault(name, variables[name])
    # the last-named factor of the specs varies slowest, `by` slowest of all, as R's emmeans
    cells = [dict(zip(shown[::-1], values, strict=True))
             for values in product(*(factors[name] for name in shown[::-1]))]  # fmt: skip
    nuisance = [dict(zip(rest[::-1], values, strict=True))
                for values in product(*(factors[name] for name in rest[::-1]))]  # fmt: skip
    seen = _occurring(model, parents)
    cells = [cell for cell in cells if _occurs(cell, parents, seen)]
    shares = _shares(model, cells, rest, nuisance, weights, parents, seen)
    fixed = {name: values[0] for name, values in variables.items() if name not in factors}
    grid = pd.DataFrame([fixed | cell | other for cell in cells for other in nuisance])
    rows = model.design.rows(_typed(model, grid))
    L = np.einsum("cnp,cn->cp", rows.reshape(len(cells), len(nuisance), -1), shares)
    labels = pd.DataFrame({name: [cell[name] for cell in cells] for name in shown})
    order = [*wanted, *given]
    return linear_functions(
        model,
        estimable(model, L),
        labels[order],
        whole=L,
        ddf=ddf,
        means=True,
        by=given,
        factors=wanted,
        estimate="emmean",
        level=level,
        adjust=adjust,
        family="means",
        k=len(cells),
        title=f"Estimated marginal means of {' and '.join(wanted)}"
        + (f" by {' and '.join(given)}" if given else ""),
        notes=_said(model, wanted, rest, weights, fixed, given, parents),
    )


def _names(model: Model, specs: Any, by: Any) -> tuple[list[str], list[str]]:
    """Read what the means are of, and what they are grouped by."""
    if isinstance(specs, str) and "~" in specs:
        if specs.split("~")[0].strip():
            raise InferenceError(
                f"'{specs}' is the syntax of R: name the factor alone, and compare its means with "
                ".pairs()."
            )
        specs = specs.split("~", 1)[1]
    known = _known(model)
    if isinstance(specs, str) and specs.strip() not in known:
        left, *right = re.split(r"\|(?=(?:[^`]*`[^`]*`)*[^`]*$)", specs, maxsplit=1)
        if right and right[0].strip():
            if by is not None:
                raise InferenceError(
                    f"'{specs}' and by={shown(by)} both say what to group by: leave one out."
                )
            by = right[0]
        specs = left
    wanted, given = _pieces(specs, "The first argument of emmeans()", known), []
    if by is not None:
        given = _pieces(by, "by=", known)
    if not wanted:
        raise InferenceError("emmeans() needs the name of a factor, as in emmeans('method').")
    both = [name for name in wanted if name in given]
    if both:
        raise InferenceError(
            f"The means of '{both[0]}' cannot also be grouped by '{both[0]}': leave one out."
        )
    return wanted, given


def _known(model: Model) -> dict[str, str]:
    """Return the names by which variables may be called, C(width) and `my width` among them."""
    known = {}
    for component in model.design.components.values():
        for name in component.variables:
            known |= {name: name, f"`{name}`": name}
        if len(component.variables) == 1:
            known[component.name] = component.variables[0]
    return known


def _pieces(names: Any, what: str, known: Mapping[str, str]) -> list[str]:
    if isinstance(names, str):
        text = names.strip()
        names = [text] if text in known else re.findall(r"`[^`]*`|[^\s*+:,`]+", text)
    elif not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
        raise InferenceError(
            f"{what} must be the name of a factor, such as 'method', or a list of names, not "
            f"{shown(names)}."
        )
    return list(dict.fromkeys(known.get(name.strip(), name.strip("` ")) for name in names))


def grid_variables(model: Model, at: Mapping[str, Any] | None = None) -> dict[str, list[Any]]:
    """Return, for each variable of the fixed effects, the values it takes in the reference grid.

    Factors take all their levels, covariates their mean; `at` overrides either.
    """
    design, frame = model.design, model.frame
    out: dict[str, list[Any]] = {}
    for component in design.components.values():
        for name in component.variables:
            if component.is_factor and component.call is None:
                out[name] = list(component.levels)
            elif _has_levels(component, frame[name]):
                out[name] = list(as_factor(name, frame[name]).levels)
            elif name not in out:
                out[name] = [float(frame[name].mean())]
    if at is not None and not isinstance(at, Mapping):
        raise InferenceError(
            f"at={shown(at)} must be a dict of variables and values, as in at={{'age': [8, 12]}}."
        )
    for name, values in (at or {}).items():
        if name not in out:
            raise InferenceError(
                f"at= names {shown(name)}, which is not in the fixed effects."
                + did_you_mean(name, out)
            )
        single = isinstance(values, str) or not isinstance(values, Iterable)
        out[name] = _chosen(name, [values] if single else list(values), out[name], model)
    return out


def _chosen(name: str, values: list[Any], usual: list[Any], model: Model) -> list[Any]:
    """Check the values that at= gives for a variable: levels, or finite numbers."""
    if not values:
        raise InferenceError(f"at= gives no value for '{name}': give at least one.")
    if is_factor(model, name):
        levels = {level: level for level in usual} | {str(level): level for level in usual}
        for value in values:
            if not isinstance(value, Hashable) or value not in levels:
                raise InferenceError(
                    f"at= names {shown(value)}, which is not a level of '{name}': choose "
                    f"{listed(usual, last='or')}."
                )
        return [levels[value] for value in values]
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        numbers = [np.nan]
    if not np.isfinite(numbers).all():
        raise InferenceError(
            f"at= gives {shown(values)} for the covariate '{name}': give finite numbers, as in "
            f"at={{'{name}': [{significant(usual[0])}]}}."
        )
    return values


def is_factor(model: Model, name: str) -> bool:
    """Say whether a variable enters the fixed effects as a factor."""
    return any(
        _has_levels(component, model.frame[name])
        for component in model.design.components.values()
        if name in component.variables
    )


def _has_levels(component: Component, column: pd.Series) -> bool:
    """Say whether a column that a component uses has levels, and not merely the component.

    Numbers have them in C(width), where each is one; in I(age > 9) they are a covariate.
    """
    if not component.is_factor or component.call is None:
        return component.is_factor or not is_numeric(column)
    return not is_numeric(column) or column.nunique() == len(component.levels)


def _check(
    model: Model, names: list[str], variables: Mapping[str, Any], at: Mapping[str, Any] | None
) -> None:
    factors = [name for name in variables if is_factor(model, name)]
    for name in names:
        if name not in variables:
            raise InferenceError(_no_factor(model, name, factors))
        if name not in factors and name not in (at or {}):
            mean = significant(variables[name][0])
            raise InferenceError(
                f"'{name}' is a covariate and has no levels: say at which values, as in "
                f"at={{'{name}': [{mean}]}}, or fit it as a factor with C({name})."
            )


def _no_factor(model: Model, name: str, factors: Sequence[str]) -> str:
    """Say why there are no means of that name."""
    random = getattr(model, "random", [])
    if any(name in term.bar.group or name == term.label for term in random):
        return (
            f"'{name}' is a grouping factor, and means are estimated for fixed effects only: "
            "look at .random_effects, or add it to the fixed effects."
        )
    if any(name in term.bar.effects.variables() for term in random):
        return f"'{name}' is only in the random effects: add it to the fixed effects as well."
    return f"'{name}' is not a factor of the fixed effects." + (
        did_you_mean(name, factors) or " There are none."
    )


def nesting(model: Model, factors: Sequence[str]) -> dict[str, list[str]]:
    """Return factor -> factors it is nested in.

    In the data, each of its levels occurs with one of theirs; or the formula says so: in A + A:B,
    which A/B stands for, the levels of B have no meaning of their own. Means of a nested factor
    are averaged only over the combinations that occur (as R's emmeans).
    """
    out: dict[str, list[str]] = {}
    for name in factors:
        for other in factors:
            if other == name or name in out.get(other, ()):
                continue
            seen = model.frame[[name, other]].drop_duplicates()
            if not seen[name].duplicated().any():
                out.setdefault(name, []).append(other)
    for name, above in _nested_by_formula(model, factors).items():
        out[name] = list(dict.fromkeys([*out.get(name, ()), *above]))
    for name, above in out.items():  # and in what those are nested in
        out[name] = list(dict.fromkeys([*above, *(v for own in above for v in out.get(own, ()))]))
    # two that are nested in each other, one by the formula, one by the data: neither is
    return {name: above for name, above in out.items() if name not in above}


def _nested_by_formula(model: Model, factors: Sequence[str]) -> dict[str, list[str]]:
    """Return B -> [A] where the model has A and A:B, but B not on its own.

    In general: B has no main effect, there is a term T with B whose margin T without B is in the
    model, and A is in T but T without A is not.
    """
    terms = {frozenset(term) for term in model.design.terms}
    variable = {
        part: c.variables[0] for part, c in model.design.components.items()
        if len(c.variables) == 1 and c.variables[0] in factors
    }  # fmt: skip
    out: dict[str, list[str]] = {}
    for part, name in variable.items():
        if {part} in terms:
            continue
        inside = [T - {part} for T in terms if part in T and T - {part} in terms]
        above = [{v for v in rest if (rest | {part}) - {v} not in terms} for rest in inside]
        above = [own for own in above if own and not any(other < own for other in above if other)]
        found = [variable[v] for v in variable if any(v in own for own in above)]
        if found:
            out[name] = [v for v in found if v != name]
    return out


def _levels(model: Model, names: Iterable[str]) -> dict[str, list[Any]]:
    """Return the levels of some factors in the rows of the data."""
    factors = {name: as_factor(name, model.frame[name]) for name in names}
    return {name: [f.levels[code] for code in f.codes] for name, f in factors.items()}


def _occurring(model: Model, parents: Mapping[str, list[str]]) -> dict[str, set[tuple]]:
    """Return the combinations of each nested factor and those above it that are in the data."""
    levels = _levels(model, {v for name, above in parents.items() for v in (name, *above)})
    return {
        name: set(zip(*(levels[v] for v in (name, *above)), strict=True))
        for name, above in parents.items()
    }


def _occurs(
    cell: Mapping[str, Any], parents: Mapping[str, list[str]], seen: Mapping[str, set[tuple]]
) -> bool:
    """Say whether the nested factors of a cell stand with levels they occur with."""
    return all(
        tuple(cell[v] for v in (name, *above)) in seen[name]
        for name, above in parents.items()
        if name in cell and all(v in cell for v in above)
    )


def _shares(
    model: Model, cells: Sequence[dict[str, Any]], rest: Sequence[str],
    nuisance: Sequence[dict[str, Any]], weights: str, parents: Mapping[str, list[str]],
    seen: Mapping[str, set[tuple]],
) -> Array:  # fmt: skip
    """Return the weight of each combination of the other factors, for each cell (rows sum to 1).

    The levels of a nested factor share the weight of what they are nested in.
    """
    counted = [name for name in rest if is_factor(model, name)]  # covariates at=: evenly
    above = [v for name in counted for v in parents.get(name, ())]
    proportional = weights == "proportional" and bool(counted)
    if proportional:
        keys = list(dict.fromkeys([*counted, *above]))
        counts = Counter(zip(*_levels(model, keys).values(), strict=True))
    siblings = {
        name: Counter(combination[1:] for combination in seen[name])
        for name in counted if name in parents
    }  # fmt: skip

    def weight(combination: Mapping[str, Any]) -> float:
        if proportional:
            return counts[tuple(combination[v] for v in keys)]
        if not _occurs(combination, parents, seen):
            return 0.0
        shared = [own[tuple(combination[v] for v in parents[n])] for n, own in siblings.items()]
        return 1.0 / prod(shared)

    if not siblings and not any(v in rest for above in parents.values() for v in above):
        shares = np.tile([weight(other) for other in nuisance], (len(cells), 1))  # all cells alike
    else:
        shares = np.array([[weight(cell | other) for other in nuisance] for cell in cells])
    total = shares.sum(axis=1, keepdims=True)
    return shares / np.where(total > 0, total, 1.0)


def _typed(model: Model, grid: pd.DataFrame) -> pd.DataFrame:
    """Give grid columns the dtype of the data, so that transforms see what they saw."""
    for name in grid.columns:
        dtype = model.frame[name].dtype
        if isinstance(dtype, pd.CategoricalDtype):
            grid[name] = pd.Categorical(grid[name], dtype=dtype)
        elif pd.api.types.is_bool_dtype(dtype):
            grid[name] = grid[name].astype(bool)
        elif is_numeric(model.frame[name]):
            grid[name] = pd.to_numeric(grid[name])
    return grid


def estimable(model: Model, L: Array) -> Array:
    """Reduce rows over all columns to the kept ones; rows that are not estimable become NaN."""
    full = model.design.X
    if len(model.kept) == full.shape[1]:
        return L
    scale = np.sqrt(np.einsum("ij,ij->j", full, full))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh((full / scale).T @ (full / scale))
    null = vectors[:, values < 1e-10 * values.max()] / scale[:, None]
    size = np.abs(L).max(axis=1, keepdims=True) * np.abs(null).max(initial=1e-300)
    bad = (np.abs(L @ null) > 1e-7 * size).any(axis=1)
    out = L[:, model.kept].copy()
    out[bad] = np.nan
    return out


def _said(
    model: Model, wanted: Sequence[str], rest: Sequence[str], weights: str,
    fixed: Mapping[str, Any], given: Sequence[str], parents: Mapping[str, list[str]],
) -> list[str]:  # fmt: skip
    notes = []
    for name, above in parents.items():
        notes.append(f"{name} is nested in {' and '.join(above)}: only combinations that occur.")
    if rest:
        how = "equal weights" if weights == "equal" else "weights proportional to the data"
        notes.append(f"Averaged over {listed(rest).replace(chr(39), '')} with {how}.")
    held = {name: value for name, value in fixed.items() if not isinstance(value, str)}
    if held:
        shown = ", ".join(f"{name} = {significant(float(value))}" for name, value in held.items())
        notes.append(f"Covariates held at {shown}.")
    inside = [
        term for term in model.design.terms
        if set(term) & set(wanted) and set(term) - set(wanted) - set(given)
        and len(term) > 1 and set(term) & set(rest)
    ]  # fmt: skip
    if model.formula.response_name not in model.frame.columns:
        notes.append(f"Means are on the scale of {model.formula.response_name}.")
    if inside:
        name = ":".join(inside[0])
        notes.append(f"{name} is in the model: these means average over differences it allows.")
    return notes
