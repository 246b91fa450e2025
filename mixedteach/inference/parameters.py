"""Names and estimates of standard deviations and correlations, for profile and bootstrap."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mixedteach.fitting.lmm import Fit

if TYPE_CHECKING:
    from mixedteach.design import RandomTerm

Array = np.ndarray


def variance_labels(random: list[RandomTerm]) -> list[str]:
    """Return the names of all standard deviations and correlations, the residual last."""
    labels = []
    for term in random:
        labels += [f"sd({name} | {term.label})" for name in term.effects]
        labels += [
            f"corr({term.effects[a]}, {term.effects[b]} | {term.label})"
            for a, b in effect_pairs(term)
        ]
    return [*labels, "sd(Residual)"]


def effect_pairs(term: RandomTerm) -> list[tuple[int, int]]:
    """Return the pairs of effects of a term that have a correlation."""
    return [(a, b) for a in range(term.size) for b in range(a + 1, term.size)]


def variance_estimates(random: list[RandomTerm], fit: Fit) -> Array:
    """Return the estimates in the order of :func:`variance_labels`.

    A standard deviation of zero is exactly zero, and correlations with it are undefined (NaN).
    """
    values: list[float] = []
    for term, cov, turn in zip(random, fit.covariances, fit.problem.turns, strict=True):
        variance = np.diag(cov)
        unit = fit.sigma2 * (turn**2).sum(axis=1)  # so that rounding does not pass for a variance
        sd = np.where(variance > 1e-14 * unit, np.sqrt(np.maximum(variance, 0.0)), 0.0)
        values += list(sd)
        for a, b in effect_pairs(term):
            both = sd[a] * sd[b]
            values.append(float(np.clip(cov[a, b] / both, -1, 1)) if both > 0 else np.nan)
    return np.array([*values, math.sqrt(fit.sigma2)])
