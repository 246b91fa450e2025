r"""Power by formula, where the analysis of variance is exact: balanced blocks.

g blocks (subjects, tablets) of k readings each, y = X beta + b_block + e with one factor of a
levels, each equally often in every block (or none, a = 1). With lambda = k sd_b^2 / sd_e^2 and
nu = g k - g - a + 1:

*Fixed effect*, tested within blocks: F of the hypothesis L beta = 0 of rank q is distributed as a
non-central F,

    power = P(F'_{q,nu}(delta) > F_{q,nu;1-alpha}),
    delta = (L beta)' [sd_e^2 L (X'X)^-1 L']^-1 (L beta).

For two levels and one reading each it is the paired t-test: nu = g - 1 and
delta = g (mu_1 - mu_2)^2 / (2 sd_e^2). The REML fit gives this F unless its variance between blocks
is zero, which happens with probability P(F_{g-1,nu} < 1 / (1 + lambda)).

*Random effect*: the ratio of mean squares MS_b / MS_e is (1 + lambda) F_{g-1,nu}. The
likelihood-ratio statistic is a function of this ratio w alone; under REML, with N' = g k - a,

    LRT = N' log{[(g-1) w + nu] / N'} - (g-1) log w    for w > 1, else 0,

which rises with w, so that power = P(F_{g-1,nu} > w* / (1 + lambda)), LRT(w*) = chi^2_{1-alpha}.
Residuals of compound symmetry are the same model with sd_e^2 = sigma^2 (1 - rho), but for one
thing: rho may be negative, so that the fit never pools, and the F of fixed effects is exact always.

Under ML, with N = g k,

    LRT = N log{[(g-1) w + nu] / N} - g log{(g-1) w / g} - (N-g) log{nu / (N-g)}.

Sources: Cohen (1988), chapters 2 and 8, for the first; Searle, Casella and McCulloch (1992),
Variance Components, section 3.5, for the distribution of the ratio of mean squares. The two
likelihood ratios follow from their section 3.7 by inserting the estimates.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import special

from mixedteach.fitting.residual.correlation import CompoundSymmetry
from mixedteach.model import MixedModel
from mixedteach.power.planned import PlannedModel
from mixedteach.power.questions import Bound, Question

Array = np.ndarray

# A formula stands for the mixed model's test as long as the two rarely differ.
RARE = 0.05


@dataclass(frozen=True)
class Blocks:
    """A balanced block design with one random effect.

    Attributes
    ----------
    groups, size, levels : int
        g, k, a.
    ratio : float
        lambda, k sd_b^2 / sd_e^2.
    reml : bool
    sigma : float
        sd_e.
    codes : ndarray of int
        The block of each row.
    pools : bool
        Whether the fit pools where blocks seem to differ too little (not in compound symmetry).
    """

    groups: int
    size: int
    levels: int
    ratio: float
    reml: bool
    sigma: float = 1.0
    codes: Array = field(default_factory=lambda: np.empty(0, np.intp))
    pools: bool = True

    @property
    def within(self) -> int:
        """Degrees of freedom within blocks, nu."""
        return self.groups * (self.size - 1) - self.levels + 1

    @property
    def chance_of_zero(self) -> float:
        """Probability that the variance between blocks is estimated as zero."""
        if not self.pools:
            return 0.0
        return float(special.fdtr(self.groups - 1, self.within, self.edge / (1 + self.ratio)))

    @property
    def edge(self) -> float:
        """The ratio of mean squares below which that variance is zero."""
        if self.reml:
            return 1.0
        rest = self.groups * (self.size - 1)
        return self.groups * self.within / ((self.groups - 1) * rest)


def blocks_of(base: MixedModel, plan: PlannedModel) -> Blocks | None:
    """Recognise balanced blocks; None if the model is another."""
    terms, random, own = base.design.terms, base.random, plan.residuals
    symmetric = not random and own is not None and own.variance is None and isinstance(
        own.correlation, CompoundSymmetry)  # fmt: skip
    if not base.design.intercept or not (symmetric or (len(random) == 1 and own is None)):
        return None
    if symmetric:
        group = base.fit.residual.correlation.group
        codes_of_blocks, groups, rho = group.codes, len(group.levels), own.values["rho"]
        between, sigma = rho * plan.sigma**2, plan.sigma * float(np.sqrt(1 - rho))
    elif random[0].effects != ["Intercept"]:
        return None
    else:
        codes_of_blocks, groups = random[0].codes, random[0].groups
        between, sigma = float(plan.covariances[0][0, 0]), plan.sigma
    if len(terms) > 1 or any(len(base.design.factors(term)) != 1 for term in terms):
        return None
    if any(not base.design.components[name].is_factor for t in terms for name in t):
        return None
    levels, codes = 1, np.zeros(base.nobs, np.intp)
    for (name,) in terms:
        levels = len(base.design.components[name].levels)
        codes = base.design.components[name].fitted.codes
    cells = np.zeros((groups, levels), int)
    np.add.at(cells, (codes_of_blocks, codes), 1)
    size = int(cells.sum(axis=1)[0])
    if np.ptp(cells) or size < 2:
        return None
    ratio = size * between / sigma**2
    return Blocks(groups, size, levels, ratio, base.reml, sigma, codes_of_blocks, not symmetric)


def of_effect(blocks: Blocks, L: Array, X: Array, mean: Array, sigma: float, alpha: float) -> float:
    """Return the power of the F test of L beta = 0 within blocks."""
    cross = np.linalg.inv(X.T @ X)
    value = L @ (cross @ (X.T @ mean))
    values, vectors = np.linalg.eigh(sigma**2 * L @ cross @ L.T)
    keep = values > 1e-10 * values.max()
    q = int(keep.sum())
    delta = float(((vectors[:, keep].T @ value) ** 2 / values[keep]).sum())
    critical = special.fdtri(q, blocks.within, 1 - alpha)
    return float(1 - special.ncfdtr(q, blocks.within, delta, critical))


def likelihood_ratio(blocks: Blocks, w: float) -> float:
    """Return the likelihood-ratio statistic as a function of the ratio of mean squares."""
    if w <= blocks.edge:
        return 0.0
    g, nu = blocks.groups, blocks.within
    if blocks.reml:
        rest = g - 1 + nu
        return rest * np.log(((g - 1) * w + nu) / rest) - (g - 1) * np.log(w)
    n = g * blocks.size
    return (
        n * np.log(((g - 1) * w + nu) / n)
        - g * np.log((g - 1) * w / g)
        - (n - g) * np.log(nu / (n - g))
    )


def of_variance(blocks: Blocks, alpha: float) -> float:
    """Return the power of the likelihood-ratio test of the variance between blocks."""
    from scipy.optimize import brentq

    critical = float(special.chdtri(1, alpha))
    high = 2 * blocks.edge
    while likelihood_ratio(blocks, high) < critical:
        high *= 2
    w = brentq(lambda w: likelihood_ratio(blocks, w) - critical, blocks.edge, high, xtol=1e-12)
    return float(special.fdtrc(blocks.groups - 1, blocks.within, w / (1 + blocks.ratio)))


def power(
    question: Question, bound: Bound, blocks: Blocks, base: MixedModel, mean: Array, alpha: float
) -> float | None:
    """Return the power of a test in balanced blocks, or None if there is no formula for it."""
    if bound.term is not None:
        return of_variance(blocks, alpha)
    name = question.ddf or base.default_ddf
    if not blocks.reml or not bound.single or name in ("none", "residual") or bound.L is None:
        return None
    cross = np.linalg.inv(base.X.T @ base.X)
    weights = bound.L @ cross @ base.X.T  # the estimates are these sums of readings
    sums = np.array([np.bincount(blocks.codes, row) for row in weights])
    if np.abs(sums).max() > 1e-9 * np.abs(weights).max():
        return None  # not within blocks: an intercept, for example
    return of_effect(blocks, bound.L, base.X, mean, blocks.sigma, alpha)


def said(question: Question, bound: Bound) -> str:
    """Say which formula was used."""
    if bound.term is not None:
        return "exact, from the F distribution of the ratio of mean squares"
    return "exact, from the non-central F distribution"
