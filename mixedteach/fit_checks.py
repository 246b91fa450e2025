"""What must hold before a mixed model is fitted, and what should be said of the fit.

Each check refuses with one sentence: what is wrong, where, and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixedteach.design import FixedDesign, RandomTerm
from mixedteach.errors import (
    DataError,
    FitError,
    FormulaError,
    listed,
)
from mixedteach.fitting.blocks import is_nested
from mixedteach.fitting.criterion import theta_of, traces
from mixedteach.fitting.lmm import Fit, Problem
from mixedteach.fixed_effects import many_levels
from mixedteach.formula import Formula

Array = np.ndarray


def check_size(design: FixedDesign, random: Sequence[RandomTerm]) -> None:
    """Refuse columns with numbers whose squares cannot be computed."""
    for own in dict.fromkeys([design, *(term.design for term in random)]):
        if own.of_factors:
            continue  # zeros and ones
        for name, size in zip(own.names, np.abs(own.X).max(axis=0, initial=0.0), strict=True):
            if size != 0 and not 1e-100 < size < 1e100:
                raise DataError(_too_large(f"'{name}'", size))


def _too_large(what: str, size: float) -> str:
    return (
        f"{what} has values as {'large' if size > 1 else 'small'} as {size:.0e}, which cannot be "
        "squared: change its unit."
    )


def check_confounded(problem: Problem, random: Sequence[RandomTerm]) -> None:
    """Refuse random effects that fixed effects already say everything about."""
    for term in random:
        if term.groups > problem.p:
            continue  # more groups than fixed effects: they cannot say everything
        for a, name in enumerate(term.effects):
            z = term.basis[:, a]
            whole = np.bincount(term.codes, z**2, minlength=term.groups)
            fixed = np.zeros(term.groups)
            for q in problem.Q.T:
                fixed += np.bincount(term.codes, q * z, minlength=term.groups) ** 2
            if (whole - fixed <= 1e-9 * whole.max(initial=0.0)).all():
                what = "mean" if name == "Intercept" else f"'{name}'"
                raise FitError(
                    f"The fixed effects already give every group of '{term.label}' its own {what}, "
                    f"so {term.text} has nothing left to vary: leave one of the two out."
                )


def check_response(formula: Formula, y: Array) -> None:
    """Refuse a response that does not vary, or whose squares cannot be computed."""
    least, most = float(y.min()), float(y.max())
    size = max(abs(least), abs(most))
    if most - least <= 1e-13 * size:
        raise DataError(
            f"The response '{formula.response_name}' has the same value in every row, so there is "
            "no variance to explain: check the column."
        )
    check_unit(formula, size)


def check_unit(formula: Formula, size: float) -> None:
    """Refuse a response, by its largest absolute value, whose squares cannot be computed."""
    if size != 0 and not 1e-100 < size < 1e100:
        raise DataError(_too_large(f"The response '{formula.response_name}'", size))


def check_groups(random: Sequence[RandomTerm], n: int) -> None:
    """Refuse random effects whose variance the data cannot tell from another."""
    seen: dict[tuple[str, str], str] = {}
    for term in random:
        for name in term.effects:
            before = seen.setdefault((term.label, name), "")
            if before == term.text:
                raise FormulaError(f"{term.text} stands in the formula twice: leave one out.")
            if before:
                what = "intercept" if name == "Intercept" else f"slope '{name}'"
                raise FormulaError(
                    f"{before} and {term.text} both have a random {what}: keep only one of them, "
                    "or write (x||g) for an independent intercept and slope."
                )
            seen[term.label, name] = term.text
    for i, term in enumerate(random):
        for other in random[:i]:
            shared = [name for name in term.effects if name in other.effects]
            if (
                shared
                and term.label != other.label
                and term.groups == other.groups
                and is_nested(term.codes, other.codes)
            ):
                raise DataError(
                    f"'{other.label}' and '{term.label}' form the same groups, so the data cannot "
                    f"tell their variances apart: leave {other.text} or {term.text} out."
                )
    for term in random:
        if term.groups < 2:
            raise DataError(
                f"The grouping factor '{term.label}' has only one level, '{term.levels[0]}', and a "
                f"variance between groups needs at least two: leave {term.text} out."
            )
        count = 0 if term.tied else term.groups * term.size  # of tied effects: check_told_apart
        if count >= n and term.size == 1:
            raise DataError(
                f"'{term.label}' has as many levels as there are rows, {n}, so its effect cannot "
                f"be told from the residual: leave {term.text} out."
            )
        if count >= n:
            remedy = many_levels(term.design, n) or "use fewer of them, as in (1|g)."
            raise DataError(
                f"{term.text} has {count} random effects for {n} rows, so they cannot be told from "
                f"the residual: {remedy}"
            )
        columns = zip(term.effects, term.basis.T, strict=True)
        same = [name for name, column in columns if name != "Intercept" and np.ptp(column) == 0]
        if same:
            raise DataError(
                f"'{same[0]}' has the same value in every row, so {term.text} has no slope to "
                f"estimate: leave '{same[0]}' out."
            )
        if term.design.factored is None:
            raise DataError(
                f"The effects {listed(term.effects)} of {term.text} are collinear, so their "
                "variances cannot be told apart: use fewer of them."
            )


def check_told_apart(problem: Problem, random: Sequence[RandomTerm]) -> None:
    """Refuse variances that no data of this design can tell apart, by the rank of what they tell.

    Needed where effects share a variance: ``(0+f|||g)`` says what ``(1|g:f)`` says.
    """
    criterion, moments = problem.criterion(reml=True), problem.moments
    D = criterion.D(plain_theta(moments.sizes))
    pieces = moments.at(D)
    _, _, beta, Phi = criterion.profile(pieces)
    t1, t2, _, _ = traces(pieces, beta, Phi, reml=True)
    # the residual's row follows from I = V - sum delta_r G_r
    delta = np.array([D[r.term][r.a, r.b] for r in moments.parameters])
    t01 = t1 - t2 @ delta
    t00 = problem.n - problem.p - t1 @ delta - t01 @ delta
    information = np.block([[np.array([[t00]]), t01[None]], [t01[:, None], t2]])
    check_information(information, [random[r.term].text for r in moments.parameters])


def plain_theta(sizes: list[int]) -> Array:
    """Return parameters of the random effects at which nothing is special."""
    if not sizes:
        return np.empty(0)
    return theta_of([np.eye(k) + 0.3 * np.tri(k, k, -1) for k in sizes], sizes)


def check_information(information: Array, owners: Sequence[str]) -> None:
    """Refuse covariance parameters whose expected information is singular.

    The first is the residual variance; `owners` names the term or structure of each of the others.
    """
    scale = 1 / np.sqrt(np.maximum(np.diag(information), 1e-300))
    values, vectors = np.linalg.eigh(scale[:, None] * information * scale)
    if values[0] > 1e-9:
        return
    used = np.abs(vectors[1:, 0]) > 1e-3
    own = list(dict.fromkeys(name for name, u in zip(owners, used, strict=False) if u))
    if len(own) < 2:
        raise FitError(
            f"The data hold nothing that tells {own[0] if own else 'the model'} from the residual "
            "variance (too few rows in a group or level, or fixed effects that say the same): "
            "leave it out, or use a simpler one."
        )
    raise FitError(
        f"The data cannot tell {', '.join(own[:-1])} and {own[-1]} apart, for they describe the "
        "same covariances: leave one of them out."
    )


def unit_notes(random: Sequence[RandomTerm]) -> list[str]:
    """Say where effects share a variance that depends on units or on the reference level."""
    notes = []
    for term in random:
        if not term.tied:
            continue
        if ((term.basis == 0) | (term.basis == 1)).all() and (term.basis.sum(1) == 1).all():
            continue  # each row has one effect
        names = [name for own in term.design.terms for name in own]
        covariates = [n for n in dict.fromkeys(names) if not term.design.components[n].is_factor]
        if covariates:
            depends = f"in another unit of {covariates[0]}, or with another zero, it"
            remedy = ""
        else:
            depends = f"with another reference level of {names[0]} it"
            inside = " + ".join(":".join(own) for own in term.design.terms)
            remedy = f"; (0 + {inside} ||| {term.label}) does not depend on it"
        notes.append(
            f"{term.text} gives {listed(term.effects)} one variance: {depends} is another "
            f"model{remedy}."
        )
    return notes


def slope_notes(random: Sequence[RandomTerm]) -> list[str]:
    """Say where a factor that varies by group has no data in some group."""
    notes = []
    for term in random:
        for component in term.design.components.values():
            if not component.is_factor:
                continue
            seen = np.zeros((term.groups, len(component.levels)), bool)
            seen[term.codes, component.fitted.codes] = True
            missing = int((~seen).any(axis=1).sum())
            if missing:
                notes.append(
                    f"In {term.text}, {missing} of {term.groups} groups have no data for some "
                    f"level of '{component.name}': their effect there is predicted from the others."
                )
    return notes


def boundary_notes(random: Sequence[RandomTerm], fit: Fit) -> list[str]:
    """Explain variances of zero and perfect correlations."""
    notes, start = [], 0
    for term, cov, turn in zip(random, fit.covariances, fit.problem.turns, strict=True):
        count = 1 if term.tied else term.size * (term.size + 1) // 2
        singular = fit.optimum.zero[start : start + count].any()
        start += count
        # what rounding makes of zero, in the unit of each effect
        floor = 1e-14 * fit.sigma2 * (turn**2).sum(axis=1)
        zero = [term.effects[a] for a in range(term.size) if cov[a, a] <= floor[a]]
        what = "" if term.effects == ["Intercept"] else f" ({', '.join(zero)})"
        if zero:
            all_of_it = f"{term.text} then changes nothing in the fit; keep"
            then = all_of_it if len(zero) == term.size else "Keep"
            notes.append(
                f"The variance of {term.label}{what} is estimated as zero: beyond the other terms, "
                f"the groups differ no more than chance would make them. {then} it if the design "
                "demands it."
            )
        elif singular and term.size > 1:
            exact = term.size == 2
            notes.append(
                f"The random effects of {term.text} are perfectly correlated"
                f"{f' ({np.sign(cov[0, 1]):+.0f})' if exact else ' in some combination'}: the data "
                "do not support so many variances. (x||g) or (1|g) is simpler."
            )
    return notes
