"""Names and estimates of standard deviations and correlations, for profile and bootstrap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mixedteach.fitting.lmm import Fit, Problem

if TYPE_CHECKING:
    from mixedteach.design import RandomTerm

Array = np.ndarray


def variance_labels(random: list[RandomTerm]) -> list[str]:
    """Return the names of all standard deviations and correlations, the residual last."""
    labels = []
    for term in random:
        labels += sd_labels(term)
        labels += [
            f"corr({term.effects[a]}, {term.effects[b]} | {term.label})"
            for a, b in effect_pairs(term)
        ]
    return [*labels, "sd(Residual)"]


def sd_labels(term: RandomTerm) -> list[str]:
    """Return the names of a term's standard deviations: one for all effects if they are tied."""
    names = [", ".join(term.effects)] if term.tied else term.effects
    return [f"sd({name} | {term.label})" for name in names]


def effect_pairs(term: RandomTerm) -> list[tuple[int, int]]:
    """Return the pairs of effects of a term that have a correlation (none, if they are tied)."""
    if term.tied:
        return []
    return [(a, b) for a in range(term.size) for b in range(a + 1, term.size)]


def variance_estimates(random: list[RandomTerm], fit: Fit) -> Array:
    """Return the estimates in the order of :func:`variance_labels`.

    A standard deviation of zero is exactly zero, and correlations with it are undefined (NaN).
    """
    covariances = [cov[None] for cov in fit.covariances]
    return variance_arrays(random, covariances, np.array([fit.sigma2]), fit.problem)[0]


def variance_arrays(
    random: list[RandomTerm], covariances: list[Array], sigma2: Array, problem: Problem
) -> Array:
    """Return the estimates of B fits, a row each; covariances are stacks (B, k, k)."""
    columns: list[Array] = []
    for term, cov, turn in zip(random, covariances, problem.turns, strict=True):
        variance = np.diagonal(cov, axis1=1, axis2=2)
        # so that rounding does not pass for a variance
        unit = sigma2[:, None] * (turn**2).sum(axis=1)
        sd = np.where(variance > 1e-14 * unit, np.sqrt(np.maximum(variance, 0.0)), 0.0)
        columns += [sd[:, 0]] if term.tied else list(sd.T)
        for a, b in effect_pairs(term):
            both = sd[:, a] * sd[:, b]
            safe = np.where(both > 0, both, 1.0)
            columns.append(np.where(both > 0, np.clip(cov[:, a, b] / safe, -1, 1), np.nan))
    return np.column_stack([*columns, np.sqrt(sigma2)])
