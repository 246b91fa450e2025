r"""The search for the optimum: exact Newton steps from a good start, and a plain verdict.

0. *Balanced data* may need no search at all: see the closed form of
   :mod:`mixedteach.fitting.strata`.
1. *Start*: one scoring step from D = I (Rao's MIVQUE). In balanced data with an interior optimum
   it lands on the REML estimate at once.
2. *Newton* with the exact Hessian, its eigenvalues made positive, halved until the deviance falls.
   Quadratic convergence makes the optimum exact to rounding, which the degrees of freedom need.
3. *Boundary*: a standard deviation that tends to zero is set to zero exactly if the deviance is
   not worse there; a zero that the deviance wants to leave (negative slope in the variance) is
   left again.

Source: Rao (1971) for MIVQUE; Nocedal and Wright (2006), Numerical Optimization, section 3.4, for
Newton's method with a modified Hessian.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixedteach.errors import FitError
from mixedteach.fitting.blocks import Tied
from mixedteach.fitting.criterion import Criterion, LazyState, State, factors, theta_of

Array = np.ndarray

_LARGE = 1e7  # a relative standard deviation beyond this means a residual variance of zero
SMALL = 0.05  # a relative standard deviation below this is perhaps zero
_FLAT = 1e-6  # a gradient below this, for each degree of freedom, is zero
SUSPECT = 100  # and so does one beyond this at which the search cannot come to rest
MODERATE = 2.0  # relative standard deviations below this are tried at zero
FAR = 200.0  # a zero at which a parabola puts the deviance by more is not looked at
NEARLY = 6.0  # a zero at which the deviance is higher by less is worth a search
NO_RESIDUAL = (
    "The residual variance tends to zero: the fixed and random effects reproduce the response "
    "exactly. Remove a random effect or check the response for copied values."
)


class NotToldApart(FitError):
    """The design says nothing about some combination of the variances."""

    def __init__(self) -> None:
        super().__init__(
            "The data cannot tell the variances apart: what is left beside the fixed effects holds "
            "too little. Leave a random effect or some fixed effects out."
        )


@dataclass
class Optimum:
    """Where the search ended and how one can tell.

    Attributes
    ----------
    state : State
        The criterion at the optimum.
    path : list of (theta, deviance)
        Every point accepted, the start first.
    zero : ndarray of bool
        Diagonal entries of Lambda that are exactly zero.
    converged : bool
        The gradient is zero to rounding and no direction leads further down.
    """

    state: State
    path: list[tuple[Array, float]]
    zero: Array
    converged: bool


def diagonal(sizes: list[int]) -> Array:
    """Say which entries of theta lie on the diagonal of a Lambda."""
    return np.concatenate(
        [
            [True] if isinstance(k, Tied) else [i == c for c in range(k) for i in range(c, k)]
            for k in sizes
        ]
    )


def minimise(criterion: Criterion, start: Array | None = None) -> Optimum:
    """Find the minimum of the deviance.

    Parameters
    ----------
    criterion : Criterion
    start : ndarray, optional
        Where to begin; by default :func:`mivque`.

    Raises
    ------
    FitError
        If the residual variance tends to zero, so that there is no optimum.
    """
    sizes = criterion.moments.sizes
    on_diagonal = diagonal(sizes)
    path: list[tuple[Array, float]] = []
    if start is None:
        best = _by_closed_form(criterion, on_diagonal)
        if best is not None:
            return Optimum(best, [(best.theta, best.value)], on_diagonal & False, True)
    first = mivque(criterion) if start is None else np.asarray(start, float)
    best = descend(criterion, first, np.ones(len(first), bool), path)
    best = _settle(criterion, best, on_diagonal, path)
    if start is None:
        for other in _other_sides(criterion, best, on_diagonal):
            # a second valley is rare, but a likelihood may have one: look once from each side
            trial = descend(criterion, other, ~(on_diagonal & (other == 0)), path=[])
            trial = _settle(criterion, trial, on_diagonal, [])
            if trial.value < best.value - 1e-9:
                best = trial
                path.append((best.theta, best.value))
    if not criterion.exact and not all(_verdict(criterion, best, on_diagonal)):
        # the average information crawls where the deviance is far from a parabola
        criterion = criterion.exactly()
        stuck = _near_zero(best.theta, on_diagonal) & (best.theta != 0)
        other = np.where(stuck, 0.1, best.theta)
        trial = descend(criterion, other, np.ones(len(other), bool), path)
        trial = _settle(criterion, trial, on_diagonal, path)
        best = trial if trial.value < best.value + 1e-9 else best
    theta = _positive(best.theta, sizes)
    if not np.array_equal(theta, best.theta):
        best = criterion.at(theta)
    zero = on_diagonal & (best.theta == 0)
    flat, curved = _verdict(criterion, best, on_diagonal)
    if not np.isfinite(best.value) or (not flat and np.abs(theta).max() > SUSPECT):
        raise FitError(NO_RESIDUAL)
    return Optimum(best, path, zero, flat and curved)


def _verdict(criterion: Criterion, state: State, on_diagonal: Array) -> tuple[bool, bool]:
    """Say whether the gradient is zero to rounding, and whether no direction leads down."""
    scale = _FLAT * max(1.0, criterion.df)
    slope, hessian = _within(state, ~(on_diagonal & (state.theta == 0)))
    curvature = np.linalg.eigvalsh(hessian) if len(hessian) else slope
    curved = curvature.min(initial=0.0) > -scale * max(1.0, curvature.max(initial=0.0))
    return bool(np.abs(slope).max(initial=0.0) < scale), bool(curved)


def _within(state: State, free: Array) -> tuple[Array, Array]:
    """Return gradient and Hessian in the free entries of theta."""
    if free.all():
        return state.gradient, state.hessian
    return state.gradient[free], state.hessian[np.ix_(free, free)]


def _lambda_start(sizes: list[int], value: float) -> Array:
    return theta_of([value * np.eye(k) for k in sizes], sizes)


def _other_sides(criterion: Criterion, best: State, on_diagonal: Array) -> list[Array]:
    """Return starts from which another valley may be found.

    At the boundary: one with all variances large. Inside: those with one of the moderate variances,
    or all, at zero, if the deviance is lower there (a value costs little), or so little higher
    that it may fall below once the others take up what this one described.
    """
    if _near_zero(best.theta, on_diagonal).any():
        return [_lambda_start(criterion.moments.sizes, 3.0)]
    zeros = []
    # where a look is dear, only at what the curvature does not rule out by far
    rise = 0.0 if criterion.exact else 0.5 * best.hessian.diagonal() * best.theta**2
    for j in np.flatnonzero(on_diagonal & (np.abs(best.theta) < MODERATE) & (rise < FAR)):
        theta = best.theta.copy()
        theta[j] = 0.0
        zeros.append(theta)
    if len(zeros) > 1:
        zeros.append(np.zeros_like(best.theta))
    limit = best.value + (NEARLY if len(best.theta) > 1 else -1e-9)
    return [theta for theta in zeros if criterion.value(theta) < limit]


def _near_zero(theta: Array, on_diagonal: Array) -> Array:
    return on_diagonal & (np.abs(theta) < 1e-3)


def mivque(criterion: Criterion) -> Array:
    """Return theta after one scoring step for (sigma^2, variances) from D = I.

    Raises
    ------
    NotToldApart
        If the expected information is singular (it is so at every D or at none), so that the
        deviance has a floor and no lowest point.
    """
    sizes = criterion.moments.sizes
    ones = _lambda_start(sizes, 1.0)
    r2, t1, t2, q1 = criterion.scores(ones)
    delta = np.array([float(r.a == r.b) for r in criterion.moments.parameters])
    # the residual's row follows from I = V - sum delta_r G_r
    t01 = t1 - t2 @ delta
    information = np.empty((len(t1) + 1, len(t1) + 1))
    information[0, 0] = (criterion.n - criterion.p) - t1 @ delta - t01 @ delta
    information[0, 1:] = information[1:, 0] = t01
    information[1:, 1:] = t2
    if criterion.moments.exact and is_singular(information):
        raise NotToldApart
    score = np.append(r2 - q1 @ delta, q1)
    gamma = np.linalg.lstsq(information, score, rcond=None)[0]
    sigma2 = gamma[0] if gamma[0] > 0 else 0.1 * r2 / criterion.df
    if criterion.scalar:
        return np.sqrt(np.clip(gamma[1:] / sigma2, 0.01, 1e6))
    lambdas = []
    for D in _covariances(gamma[1:] / sigma2, sizes):
        values, vectors = np.linalg.eigh(D)
        values = np.clip(values, 0.01, 1e6)
        lambdas.append(np.linalg.cholesky((vectors * values) @ vectors.T))
    return theta_of(lambdas, sizes)


def is_singular(information: Array) -> bool:
    """Say whether an information matrix is singular, whatever the units of the parameters."""
    scale = 1 / np.sqrt(np.maximum(information.diagonal(), 1e-300))
    return bool(np.linalg.eigvalsh(scale[:, None] * information * scale)[0] <= 1e-9)


def _covariances(delta: Array, sizes: list[int]) -> list[Array]:
    """Return D of each term from its parameters."""
    out, start = [], 0
    for k in sizes:
        if isinstance(k, Tied):
            D, start = delta[start] * np.eye(k), start + 1
        else:
            D = np.zeros((k, k))
            for a in range(k):
                for b in range(a, k):
                    D[a, b] = D[b, a] = delta[start]
                    start += 1
        out.append(D)
    return out


def _by_closed_form(criterion: Criterion, on_diagonal: Array) -> State | None:
    """Return the optimum of a design in which it has a closed form, if it is no boundary."""
    delta = criterion.closed_form()
    if delta is None:
        return None
    try:
        if criterion.scalar:
            theta = np.sqrt(np.maximum(delta, 0.0))
        else:
            sizes = criterion.moments.sizes
            lambdas = [np.linalg.cholesky(D) for D in _covariances(delta, sizes)]
            theta = theta_of(lambdas, sizes)
    except np.linalg.LinAlgError:  # a covariance that is none: the optimum is at the boundary
        return None
    if theta[on_diagonal].min() < SMALL or theta.max() > SUSPECT:
        return None
    return LazyState(criterion.at, theta, *criterion.level(delta), np.zeros(criterion.p))


def descend(
    criterion: Criterion, theta: Array, free: Array, path: list[tuple[Array, float]]
) -> State:
    """Newton's method in the free entries of theta.

    `criterion` is anything with ``df``, ``exact`` and ``at(theta)``; what ``at`` returns has
    ``theta``, ``value``, ``gradient`` and ``hessian``.
    """
    state = _evaluate(criterion, theta)
    if state is None:
        raise FitError(
            "The deviance cannot be computed in double precision: the scales of the columns or of "
            "the variances are too far apart. Centre or rescale the covariates."
        )
    path.append((state.theta, state.value))
    for _ in range(200 if criterion.exact else 60):
        step = np.zeros_like(theta)
        gradient, hessian = _within(state, free)
        values, vectors = np.linalg.eigh(hessian)
        slope = gradient @ vectors
        floor = 1e-10 * max(np.abs(values).max(initial=0.0), 1e-300)
        newton = -slope / np.maximum(np.abs(values), floor)
        step[free] = vectors @ newton
        longest = np.abs(step).max(initial=0.0)
        reach = 1.0 + np.abs(state.theta).max(initial=0.0)
        step *= min(1.0, 2.0 * reach / longest) if longest > 0 else 1.0
        promised = -float(state.gradient @ step)
        if promised < 1e-13 * max(1.0, criterion.df):
            if np.abs(gradient).max(initial=0.0) < 1e-11 * max(1.0, criterion.df):
                return state
            # one more full step costs one evaluation and squares the error
            polished = _evaluate(criterion, state.theta + step)
            if polished is not None and polished.value <= state.value + 1e-9:
                better = np.abs(polished.gradient).sum() <= np.abs(state.gradient).sum()
                return polished if better else state
            return state
        for _ in range(50):
            trial = _evaluate(criterion, state.theta + step)
            allowed = -1e-4 * promised if promised >= 1e-8 else 1e-10
            if trial is not None and trial.value <= state.value + allowed:
                break
            step *= 0.4
            promised *= 0.4
        else:
            return state
        state = trial
        path.append((state.theta, state.value))
        if np.abs(state.theta).max() > _LARGE:
            raise FitError(NO_RESIDUAL)
    return state


def _evaluate(criterion: Criterion, theta: Array) -> State | None:
    """Return the criterion at theta, or None where it is infinite or cannot be computed."""
    try:
        state = criterion.at(theta)
    except np.linalg.LinAlgError:
        return None
    return state if np.isfinite(state.value) else None


def _settle(
    criterion: Criterion, state: State, on_diagonal: Array, path: list[tuple[Array, float]]
) -> State:
    """Set vanishing standard deviations to zero exactly, and leave false zeros."""
    for _ in range(2 * len(state.theta)):
        small = np.flatnonzero(on_diagonal & (np.abs(state.theta) < SMALL) & (state.theta != 0))
        # all of them at once if that is no worse, else the smallest first
        choices = [small] if len(small) else []
        choices += [[j] for j in small[np.argsort(np.abs(state.theta[small]))]] * (len(small) > 1)
        for choice in choices:
            trial = _at_zero(criterion, state, choice)
            if trial is not None:
                state = trial
                path.append((state.theta, state.value))
                break
        else:
            return _leave_false_zero(criterion, state, on_diagonal, path)
    return state


def _at_zero(criterion: Criterion, state: State, choice: Sequence[int]) -> State | None:
    """Return the optimum with the chosen entries at zero, if the deviance allows it there."""
    theta = state.theta.copy()
    theta[choice] = 0.0
    trial = descend(criterion, theta, theta != 0, [])
    no_worse = trial.value <= state.value + 1e-10 * max(1.0, abs(state.value))
    stays = all(trial.hessian[j, j] >= 0 for j in choice)
    return trial if no_worse and stays else None


def _leave_false_zero(
    criterion: Criterion, state: State, on_diagonal: Array, path: list[tuple[Array, float]]
) -> State:
    """At an exact zero the curvature in theta is the slope in the variance: follow it if < 0."""
    for j in np.flatnonzero(on_diagonal & (state.theta == 0)):
        if state.hessian[j, j] < -1e-8 * max(1.0, criterion.df):
            theta = state.theta.copy()
            theta[j] = 0.1
            trial = descend(criterion, theta, np.ones(len(theta), bool), [])
            if trial.value < state.value - 1e-12:
                path.append((trial.theta, trial.value))
                return trial
    return state


def _positive(theta: Array, sizes: list[int]) -> Array:
    """Turn columns of each Lambda so that its diagonal is not negative."""
    if theta.min(initial=0.0) >= 0:
        return theta
    lambdas = factors(theta, sizes)
    for factor in lambdas:
        factor *= np.where(np.diag(factor) < 0, -1.0, 1.0)
    return theta_of(lambdas, sizes)
