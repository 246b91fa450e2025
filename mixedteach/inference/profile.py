r"""Profile-likelihood intervals of all parameters.

Let d(psi) be the ML deviance with one parameter fixed at psi and minimised over all
others. The limits of an interval of level 1 - alpha are the two values with

    d(psi) - min d = chi2_{1, 1 - alpha}

The deviance is written in z = (log sigma, L_1, L_2, ...), the L_t lower triangular factors of the
covariance matrices of the random effects, D_t = L_t L_t' / sigma^2:

    f(z) = n log(2 pi sigma^2) + log|I + Z D Z'| + r^2(D) / sigma^2

with beta already at its optimum. Fixing a parameter makes z an affine function of what is left,
z = z0 + B x, once the effects of the term are put in the right order:

    sigma         log sigma is one entry of z
    sd of a       a first: it is |L[0, 0]|
    corr of a, b  a and b first: (L[1, 0], L[1, 1]) = sd_b (rho, sqrt(1 - rho^2))
    beta_j        beta = b0 + N alpha: replace K = [X y] by [X N, y - X b0]

so that every point of every profile is one Newton minimisation with exact derivatives. A zero
standard deviation, or a correlation of one, is an ordinary point of the search.

Source: Bates, Maechler, Bolker and Walker (2015), J. Stat. Softw. 67(1), section 5.1 (the deviance
is that of ML there too, also for a REML fit).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import special

from mixedteach.errors import (
    InferenceError,
    check_level,
    listed,
)
from mixedteach.fitting.blocks import Pieces, Tied, entries
from mixedteach.fitting.criterion import factors, first_traces, jacobian, theta_of
from mixedteach.fitting.lmm import Fit, semidefinite_cholesky
from mixedteach.fitting.optimise import diagonal
from mixedteach.inference.parameters import (
    effect_pairs,
    sd_labels,
    variance_estimates,
    variance_labels,
)
from mixedteach.progress import progress
from mixedteach.table import Table

if TYPE_CHECKING:
    from mixedteach.model import MixedModel

Array = np.ndarray

# -- the deviance with everything free -------------------------------------------------------------


@dataclass(frozen=True)
class _Point:
    theta: Array
    value: float
    gradient: Array
    hessian: Array


class _Deviance:
    """f(z) of the module docstring with gradient and Hessian; sigma and L in units of sigma-hat.

    Parameters
    ----------
    fit : Fit
        By ML.
    term, order
        The term whose effects are to be taken in another order, and that order.

    Attributes
    ----------
    best : ndarray
        z at the ML estimate.
    floor : float
        The smallest sigma: z holds t with sigma^2 = floor^2 + exp(2 t). Where the random effects
        can reproduce every response, the deviance tends to a limit as sigma tends to zero, and
        rounding would take over on the way.
    unit : ndarray, shape (k, k)
        Lower triangular; the effects of `term` in that order have the factor unit @ L. Like the
        bases of the fit it only serves to make the problem well scaled.
    """

    def __init__(self, fit: Fit, term: int = 0, order: list[int] | None = None) -> None:
        self.unit = fit.problem.turns[term] if fit.problem.turns else np.eye(1)
        self.moments = fit.criterion.moments
        self.sigma2 = fit.sigma2
        self.floor = min(0.05, max(1.0, np.abs(fit.state.theta).max()) / 300)
        lambdas = factors(fit.state.theta, self.moments.sizes)
        self.W = [np.eye(k) for k in self.moments.sizes]
        if order is not None:
            W, R = np.linalg.qr(fit.problem.turns[term][order].T)
            sign = np.where(np.diag(R) < 0, -1.0, 1.0)
            self.unit, W = (R * sign[:, None]).T, W * sign
            self.W[term] = W
            lambdas[term] = semidefinite_cholesky(W.T @ lambdas[term] @ lambdas[term].T @ W)
        self.best = np.append(
            0.5 * math.log1p(-(self.floor**2)), theta_of(lambdas, self.moments.sizes)
        )
        self.mix = self._mix()

    def _mix(self) -> Array:
        """Return the matrix that takes entries of L L' to entries of W L L' W'."""
        parameters = self.moments.parameters
        mix = np.zeros((len(parameters), len(parameters)))
        for j, s in enumerate(parameters):
            W = self.W[s.term]
            moved = np.outer(W[:, s.a], W[:, s.b])
            moved = moved + moved.T if s.a != s.b else moved
            for i, r in enumerate(parameters):
                if r.term == s.term:
                    mix[i, j] = moved[r.a, r.b]
        return mix

    def at(self, z: Array, C: Array | None = None) -> _Point:
        """Evaluate at z; `C` maps K to the columns to be used instead (a fixed effect is fixed)."""
        t, lam = float(z[0]), z[1:]
        relative = math.exp(2 * t)
        shrink = 1 / (self.floor**2 + relative)
        tau, rate = -0.5 * math.log(shrink), relative * shrink  # tau = log sigma, d tau / d t
        turn = 2 * rate * (1 - rate)
        D = []
        for factor, W in zip(factors(lam, self.moments.sizes), self.W, strict=True):
            F = W @ factor
            D.append(shrink * F @ F.T)
        pieces = self.moments.at(D)
        exact = self.moments.exact
        T2 = pieces.T2 if exact else np.empty((0, 0))
        if C is not None:
            S, P, Q = (C.T @ array @ C for array in (pieces.S, pieces.P, pieces.Q))
            pieces = Pieces(pieces.log_det, S, P, Q, pieces.T1, T2)
        p = len(pieces.S) - 1
        Phi = np.linalg.inv(pieces.S[:p, :p])
        beta = Phi @ pieces.S[:p, p]
        t1, q1, q2 = first_traces(pieces, beta, Phi, reml=False)
        precision = shrink / self.sigma2
        t2 = 0.5 * (T2 + T2.T) if exact else precision * q2  # else average information
        fit = precision * float(pieces.S[p, p] - pieces.S[:p, p] @ beta)
        n = self.moments.n
        value = n * (math.log(2 * math.pi * self.sigma2) + 2 * tau) + pieces.log_det + fit

        # first in (tau, D), then the chain rule through D = W L L' W' / sigma^2
        gradient = np.append(2 * n - 2 * fit, t1 - precision * q1)
        cross = 2 * precision * q1
        hessian = np.block(
            [[np.array([[4 * fit]]), cross[None]], [cross[:, None], 2 * precision * q2 - t2]]
        )
        J, second = jacobian(lam, self.moments.sizes)
        J = shrink * self.mix @ J
        delta = np.array([D[r.term][r.a, r.b] for r in self.moments.parameters])
        slope = gradient[1:]
        chain = np.zeros((len(z), len(z)))
        chain[0, 0] = rate
        chain[1:, 0], chain[1:, 1:] = -2 * rate * delta, J
        bend = np.zeros((len(z), len(z)))
        bend[0, 0] = gradient[0] * turn + slope @ delta * (4 * rate**2 - 2 * turn)
        bend[0, 1:] = bend[1:, 0] = -2 * rate * slope @ J
        bend[1:, 1:] = shrink * np.einsum("r,rst->st", slope @ self.mix, second)
        return _Point(z, value, chain.T @ gradient, chain.T @ hessian @ chain + bend)


@dataclass(frozen=True)
class _Slice:
    """The deviance as a function of x, z = z0 + B x; x must stay positive in `positive`."""

    deviance: _Deviance
    z0: Array
    B: Array
    C: Array | None = None
    positive: tuple[int, ...] = ()

    def at(self, x: Array) -> _Point:
        nowhere = _Point(x, np.inf, np.zeros(len(x)), np.eye(len(x)))
        if any(x[i] <= 0 for i in self.positive):
            return nowhere
        try:
            point = self.deviance.at(self.z0 + self.B @ x, self.C)
        except (np.linalg.LinAlgError, OverflowError):  # too far out for double precision
            return nowhere
        B = self.B
        return _Point(x, point.value, B.T @ point.gradient, B.T @ point.hessian @ B)


def _minimise(problem: _Slice, x: Array) -> _Point:
    """Newton's method with the eigenvalues of the Hessian made positive, halving long steps.

    As `optimise.descend`, but a profile needs fewer digits than an estimate, and far from the
    estimate rounding leaves fewer: a step may lose `noise`, and a search that stalls has ended.
    """
    noise = 1e-9
    point = problem.at(x)
    for _ in range(100):
        values, vectors = np.linalg.eigh(point.hessian)
        curvature = np.maximum(np.abs(values), 1e-10 * np.abs(values).max(initial=1e-300))
        step = -vectors @ ((vectors.T @ point.gradient) / curvature)
        longest, reach = np.abs(step).max(), 2 * (1 + np.abs(point.theta).max())
        step *= reach / longest if longest > reach else 1.0
        promised = -float(point.gradient @ step)
        for shrink in 0.4 ** np.arange(12):
            trial = problem.at(point.theta + shrink * step)
            if trial.value <= point.value - 1e-4 * shrink * promised + noise:
                break
        else:
            return point
        point = trial
        if promised < noise:
            return point
    return point


# -- one parameter at a time -----------------------------------------------------------------------


@dataclass
class _Profile:
    """The profile of one parameter.

    Attributes
    ----------
    estimate, low, high
        The ML estimate and the ends of the parameter's range.
    step : float
        About the distance of a limit from the estimate.
    slice_at : callable
        The problem that is left when the parameter is fixed.
    start : ndarray
        x at the ML estimate.
    even : ndarray
        Entries of x in which the deviance is even, so that zero is always stationary.
    mixed : ndarray
        Entries of x that are off the diagonals of the factors L.
    minimum : float
        The ML deviance.
    """

    estimate: float
    low: float
    high: float
    step: float
    slice_at: Callable[[float], _Slice]
    start: Array
    even: Array
    mixed: Array
    minimum: float
    known: dict[float, tuple[float, Array]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.known[self.estimate] = (0.0, self.start)

    def drop(self, value: float) -> float:
        """Return by how much the deviance exceeds its minimum with the parameter at `value`."""
        if value not in self.known:
            problem = self.slice_at(value)
            # from the nearest point known, and once more from the estimate with every variance
            # positive: a variance that is zero at the estimate can be needed here
            near = self.known[min(self.known, key=lambda other: abs(other - value))][1]
            found = [
                _minimise(problem, x)
                for x in (self._off_zero(near, 0.05), self._off_zero(self.start, 0.5))
            ]
            best = min(found, key=lambda point: point.value)
            if best.value < self.minimum - 1e-3:
                raise InferenceError(
                    "The profile found a lower deviance than the ML fit: the fit is not at its "
                    "optimum, and intervals around it would mislead. A simpler model may help."
                )
            self.known[value] = (best.value - self.minimum, best.theta)
        return self.known[value][0]

    def improves(self, value: float, sign: int) -> bool:
        """Search at a limit from other starts, and say whether the deviance is lower there.

        Where several correlations are free, near their ends, it can have several minima. What was
        found beyond the limit from the higher one is then forgotten.
        """
        count = int(self.mixed.sum())
        if count < 2:
            return False
        every = np.array(list(product((-1.0, 1.0), repeat=min(count, 3))))
        signs = np.vstack([np.zeros(count), np.resize(every.T, (count, len(every))).T])
        x = self._off_zero(self.start, 0.5)
        problem, drop = self.slice_at(value), self.drop(value)
        for pattern in signs:
            x[self.mixed] = 0.5 * pattern
            point = _minimise(problem, x)
            if point.value - self.minimum < min(drop, self.known[value][0]) - 1e-6:
                self.known[value] = (point.value - self.minimum, point.theta)
        if self.known[value][0] == drop:
            return False
        self.known = {v: one for v, one in self.known.items() if sign * (v - value) <= 0}
        return True

    def _off_zero(self, x: Array, value: float) -> Array:
        return np.where(self.even & (np.abs(x) < value), value, x)

    def limit(self, sign: int, cutoff: float) -> float:
        """Return the nearest value beyond which the deviance exceeds its minimum by `cutoff`.

        The end of the range if it does so nowhere; NaN if no such value is found.
        """
        from scipy.optimize import brentq

        root = math.sqrt(cutoff)
        bound = self.high if sign > 0 else self.low
        inside, step = self.estimate, self.step
        if inside == bound:
            return bound
        for _ in range(60):
            outside = inside + sign * step
            if sign * (outside - bound) >= 0:
                outside = bound
            drop = self.drop(outside)
            if drop > cutoff:
                found = brentq(
                    lambda value: math.sqrt(min(max(self.drop(value), 0.0), 99 * cutoff)) - root,
                    inside, outside, xtol=1e-10 * abs(outside - inside), rtol=1e-14,
                )  # fmt: skip
                if not self.improves(found, sign):
                    return found
                inside, step = found, 0.1 * max(abs(found - self.estimate), self.step)
                continue
            if outside == bound:
                return bound
            # the root of the drop is nearly a straight line through the estimate
            ahead = 1.1 * math.sqrt(cutoff / max(drop, 1e-12 * cutoff)) - 1
            inside, step = outside, abs(outside - self.estimate) * min(max(ahead, 0.1), 3.0)
        return np.nan


def _profile_sigma(fit: Fit, cutoff: float) -> tuple[_Profile, Callable[[float], float]]:
    """Return the profile of t, and the function that takes t to sigma."""
    deviance = _Deviance(fit)
    B = np.eye(len(deviance.best))[:, 1:]

    def slice_at(value: float) -> _Slice:
        return _Slice(deviance, np.append(value, np.zeros(B.shape[1])), B)

    def sigma(t: float) -> float:
        # at its least value sigma is as good as zero
        floor2 = deviance.floor**2
        return math.sqrt(fit.sigma2 * (floor2 + math.exp(2 * t))) if t > low else 0.0

    low = math.log(deviance.floor)
    start, even = deviance.best[1:], diagonal(deviance.moments.sizes)
    mixed = ~even
    step = math.sqrt(cutoff / (2 * fit.n))
    estimate = float(deviance.best[0])
    return _Profile(estimate, low, np.inf, step, slice_at, start, even, mixed, fit.deviance), sigma


def _profile_sd(fit: Fit, term: int, a: int, estimate: float, cutoff: float) -> _Profile:
    """Return the profile of one standard deviation."""
    k, entry = fit.criterion.moments.sizes[term], _first_entry(fit, term)
    order = [a, *(i for i in range(k) if i != a)]
    deviance = _Deviance(fit, term, None if isinstance(k, Tied) else order)
    unit = float(deviance.unit[0, 0]) * math.sqrt(fit.sigma2)
    free = np.delete(np.arange(len(deviance.best)), entry)
    B = np.eye(len(deviance.best))[:, free]

    def slice_at(value: float) -> _Slice:
        z0 = np.zeros(len(deviance.best))
        z0[entry] = value / unit
        return _Slice(deviance, z0, B)

    groups = fit.problem.groups[term]
    step = max(estimate, 0.1 * unit) * math.sqrt(cutoff / (2 * groups))
    even, mixed = (own[free] for own in _entries(deviance))
    start = deviance.best[free]
    return _Profile(estimate, 0.0, np.inf, step, slice_at, start, even, mixed, fit.deviance)


def _profile_corr(fit: Fit, term: int, a: int, b: int, estimate: float, cutoff: float) -> _Profile:
    """Return the profile of one correlation between effects of positive variance."""
    k, entry = fit.criterion.moments.sizes[term], _first_entry(fit, term)
    deviance = _Deviance(fit, term, [a, b, *(i for i in range(k) if i not in (a, b))])
    # x holds sd_a / unit[0, 0] in the place of L[0, 0] and sd_b / unit[1, 1] in that of L[1, 0]
    free = np.delete(np.arange(len(deviance.best)), entry + k)
    identity = np.eye(len(deviance.best))[:, free]

    def slice_at(value: float) -> _Slice:
        B = identity.copy()
        B[entry + 1, entry] = -deviance.unit[1, 0] / deviance.unit[1, 1]
        B[entry + 1, entry + 1] = value
        B[entry + k, entry + 1] = math.sqrt(max(1 - value**2, 0.0))
        return _Slice(deviance, np.zeros(len(B)), B, positive=(entry, entry + 1))

    step = (1 - 0.9 * estimate**2) * math.sqrt(cutoff / fit.problem.groups[term])
    even, mixed = (own[free] for own in _entries(deviance))
    even[entry] = mixed[entry + 1] = False
    start = deviance.best[free]
    below = deviance.unit[1, :2] @ np.array(
        [[deviance.best[entry], 0.0], [deviance.best[entry + 1], deviance.best[entry + k]]]
    )
    start[entry + 1] = math.hypot(*below) / deviance.unit[1, 1]
    return _Profile(estimate, -1.0, 1.0, step, slice_at, start, even, mixed, fit.deviance)


def _profile_beta(fit: Fit, j: int, cutoff: float) -> _Profile:
    """Return the profile of beta_j minus its estimate."""
    deviance = _Deviance(fit)
    direction = fit.inverse_R[j]  # beta_j in the coordinates of K
    p = len(direction)
    length = float(direction @ direction)
    N = np.linalg.qr(direction[:, None], mode="complete")[0][:, 1:]
    B = np.eye(len(deviance.best))

    def slice_at(value: float) -> _Slice:
        C = np.zeros((p + 1, p))
        C[:p, : p - 1] = N
        C[:p, p - 1] = -(fit.state.beta + direction * value / length)
        C[p, p - 1] = 1.0
        return _Slice(deviance, np.zeros(len(B)), B, C)

    step = 1.1 * math.sqrt(cutoff * fit.cov_beta[j, j])
    even, mixed = _entries(deviance)
    return _Profile(0.0, -np.inf, np.inf, step, slice_at, deviance.best, even, mixed, fit.deviance)


def _entries(deviance: _Deviance) -> tuple[Array, Array]:
    """Return which entries of z are on the diagonals of the factors L, and which are off them."""
    on = diagonal(deviance.moments.sizes)
    return np.append(False, on), np.append(False, ~on)


def _first_entry(fit: Fit, term: int) -> int:
    """Return the place of L[0, 0] of a term in z."""
    return 1 + sum(entries(k) for k in fit.criterion.moments.sizes[:term])


# -- the tables ------------------------------------------------------------------------------------


def profile(model: MixedModel, level: float = 0.95) -> Table:
    r"""Return likelihood-profile intervals of all parameters.

    Parameters
    ----------
    model : MixedModel
    level : float

    Returns
    -------
    Table
        Index: ``sd(effect | group)``, ``corr(effect, effect | group)``, ``sd(Residual)`` and the
        coefficients; columns ``estimate`` (by ML), ``lower, upper``.

    Notes
    -----
    The limits of psi are where d(psi) - min d = chi2_{1, level}, d the ML deviance minimised over
    all other parameters. Standard deviations end at 0, correlations at -1 and 1. As in lme4's
    ``confint(method="profile")`` the deviance is that of ML for a REML fit as well.

    Source: Bates et al. (2015), J. Stat. Softw. 67(1), section 5.1.

    Examples
    --------
    >>> import mixedteach as mt
    >>> from mixedteach.inference.profile import profile
    >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    >>> profile(m).round(4)
                            estimate    lower    upper
    parameter
    sd(Intercept | tablet)    0.2835   0.1336   0.5096
    sd(Residual)              0.1981   0.1351   0.3308
    Intercept                10.3900  10.1590  10.6210
    method[hplc]             -0.0500  -0.2417   0.1417
    """
    level = check_level(level)
    cutoff = float(special.chdtri(1, 1 - level))
    fit = model.fit.problem.fit(reml=False) if model.reml else model.fit
    if not fit.optimum.converged:
        raise InferenceError(
            "The ML fit did not converge, so there is no minimum to measure a profile from. "
            "Centring or scaling the covariates, or a simpler model, usually helps."
        )
    labels = variance_labels(model.random)
    estimates = dict(zip(labels, variance_estimates(model.random, fit), strict=True))
    with progress(len(labels) + len(model.params), "profile") as bar:
        limits, notes = _limits(model, fit, estimates, cutoff, bar)
    lost = [name for name, pair in limits.items() if np.isnan(pair).any()]
    if lost:
        notes.append(
            f"No limit was found for {listed(lost)}: the deviance stays below the cut-off."
        )
    names = [*labels, *model.params.index]
    values = [(estimates[name], *limits[name]) for name in names]
    return Table(
        pd.DataFrame(
            values, columns=["estimate", "lower", "upper"], index=pd.Index(names, name="parameter")
        ),
        caption=f"Profile-likelihood intervals ({100 * level:g}%); estimates and deviance by ML"
        + (", although the model was fitted by REML" if model.reml else ""),
        notes=notes,
        attrs={"ddf": "none", "adjust": "none", "family": "parameters", "level": level,
               "method": "profile"},
    )  # fmt: skip


def _limits(
    model: MixedModel, fit: Fit, estimates: dict[str, float], cutoff: float, bar: Any
) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """Return the limits of every parameter, and what is to be said of them.

    The estimates of the fixed effects are added to `estimates`.
    """
    limits: dict[str, tuple[float, float]] = {}
    notes: list[str] = []

    def found(label: str, low: float, high: float) -> None:
        limits[label] = (low, high)
        bar.update()

    for number, term in enumerate(model.random):
        sds = sd_labels(term)
        without = []  # the drop of the deviance when a standard deviation is set to zero
        for a, label in enumerate(sds):
            one = _profile_sd(fit, number, a, estimates[label], cutoff)
            found(label, one.limit(-1, cutoff), one.limit(1, cutoff))
            without.append(one.drop(0.0))
        for a, b in effect_pairs(term):
            label = f"corr({term.effects[a]}, {term.effects[b]} | {term.label})"
            if min(without[a], without[b]) <= cutoff:
                found(label, -1.0, 1.0)
                zero = sds[a] if without[a] <= without[b] else sds[b]
                how = "is estimated as" if estimates[zero] == 0 else "can be"
                notes.append(f"{label} can be anything, because {zero} {how} zero.")
            else:
                one = _profile_corr(fit, number, a, b, estimates[label], cutoff)
                found(label, one.limit(-1, cutoff), one.limit(1, cutoff))
    one, sigma = _profile_sigma(fit, cutoff)
    found("sd(Residual)", sigma(one.limit(-1, cutoff)), sigma(one.limit(1, cutoff)))
    if limits["sd(Residual)"][0] == 0:
        notes.append("sd(Residual) can be zero: the random effects could reproduce every response.")
    for j, name in enumerate(model.params.index):
        one = _profile_beta(fit, j, cutoff)
        estimates[name] = fit.beta[j]
        found(name, fit.beta[j] + one.limit(-1, cutoff), fit.beta[j] + one.limit(1, cutoff))
    return limits, notes
