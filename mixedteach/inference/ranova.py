"""Likelihood-ratio tests of random effects, one at a time (as lmerTest's ranova)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special

from mixedteach.fitting.lmm import Fit, Problem
from mixedteach.table import Table

if TYPE_CHECKING:
    from mixedteach.design import RandomTerm
    from mixedteach.model import MixedModel

Array = np.ndarray


@dataclass(frozen=True)
class Reduction:
    """One random effect left out: how it is called, and what remains of its term.

    `basis` is None where the whole term goes.
    """

    label: str
    term: int
    basis: Array | None


def reductions(random: list[RandomTerm]) -> list[Reduction]:
    """List the models with one random effect less.

    A random intercept goes as a whole; from a term with several effects each is taken out in
    turn, the intercept staying: ``(x|g)`` becomes ``(1|g)``, and so does ``(0 + f|g)`` with a
    factor f, which holds it. A slope alone, ``(0 + x|g)``, goes as a whole. (lmerTest turns it
    into ``(1|g)``, which is not nested in it.) So do effects that share one variance, ``(x|||g)``:
    one of them cannot be zero without the others.
    """
    out = []
    for number, term in enumerate(random):
        names = list(term.design.terms)
        columns = term.design.columns
        if not names or term.tied:
            out.append(Reduction(term.text, number, None))
            continue
        for name in names:
            if any(term.design.contains(other, name) for other in names):
                continue
            keep = sorted(c for other, w in columns.items() if other != name for c in w)
            basis = term.basis[:, keep] if keep else None
            if not keep and term.design.factors(name) and not _has_intercept(random, term):
                basis = np.ones((len(term.codes), 1))  # (0 + f|g) holds (1|g)
            out.append(Reduction(f"{':'.join(name)} in {term.text}", number, basis))
    return out


def _has_intercept(random: list[RandomTerm], term: RandomTerm) -> bool:
    return any(t.label == term.label and t.design.intercept for t in random)


def ranova(model: MixedModel) -> Table:
    """Return the table of :meth:`mixedteach.model.MixedModel.ranova`."""
    return ranova_table(model, lambda reduction: _without(model, model.fit.problem, reduction))


def ranova_table(model: MixedModel, without: Callable[[Reduction], tuple[float, int]]) -> Table:
    """Return the table; `without` gives log-likelihood and variance parameters of a reduction."""
    rows = [(model.npar, model.llf, model.aic, np.nan, np.nan, np.nan)]
    labels = ["<none>"]
    for reduction in reductions(model.random):
        loglik, parameters = without(reduction)
        npar = len(model.params) + parameters + 1
        lrt = max(0.0, 2 * (model.llf - loglik))
        df = model.npar - npar
        aic = -2 * loglik + 2 * npar
        rows.append((npar, loglik, aic, lrt, df, float(special.chdtrc(df, lrt))))
        labels.append(reduction.label)
    table = pd.DataFrame(
        rows, columns=["npar", "loglik", "AIC", "LRT", "df", "p"],
        index=pd.Index(labels, name="term"),
    )  # fmt: skip
    how = "REML" if model.reml else "ML"
    return Table(
        table,
        caption=f"Likelihood-ratio tests of the random effects, each left out; by {how}",
        notes=["A variance cannot be negative, so these p-values are on the large side: for a "
               "single variance about twice too large."],
        attrs={"ddf": "none", "adjust": "none", "family": "random effects", "level": None},
    )  # fmt: skip


def _without(model: MixedModel, problem: Problem, reduction: Reduction) -> tuple[float, int]:
    """Return log-likelihood and number of variance parameters of a reduced model."""
    kept = [i for i in range(len(problem.groups)) if i != reduction.term or (
        reduction.basis is not None)]  # fmt: skip
    bases = [reduction.basis if i == reduction.term else problem.bases[i] for i in kept]
    if not kept:
        return linear_loglik(problem.X, problem.y, model.reml), 0
    reduced = Problem(
        problem.X, problem.y, [problem.codes[i] for i in kept], bases,
        [problem.groups[i] for i in kept], [problem.tied[i] for i in kept],
    )  # fmt: skip
    fit: Fit = reduced.fit(model.reml)
    return fit.loglik, len(fit.state.theta)


def linear_loglik(X: Array, y: Array, reml: bool) -> float:
    """Return the (restricted) log-likelihood of a linear model at its optimum."""
    n, p = X.shape
    scale = np.sqrt(np.einsum("ij,ij->j", X, X))
    Q, R = np.linalg.qr(X / scale)
    residual = y - Q @ (Q.T @ y)
    df = n - p if reml else n
    value = df * (1 + np.log(2 * np.pi * float(residual @ residual) / df))
    if reml:
        value += 2 * float(np.log(np.abs(np.diag(R) * scale)).sum())
    return -0.5 * value
