r"""The deviance as a function of theta, with its exact gradient and Hessian.

With delta the relative covariances (D = sum delta_r E_r), r^2 = y'Py, u = Z'Py and, for REML,
S_M = M - C Phi C' (for ML S_M = M), the profiled deviance and its derivatives are

    f            = log|I + Z D Z'| [+ log|X'WX|] + N [1 + log(2 pi r^2 / N)],  N = n - p or n
    df/d delta_r = tr(E_r S_M) - N u'E_r u / r^2
    d2f          = - tr(E_r S_M E_s S_M) + N [2 u'E_r S E_s u / r^2 - (u'E_r u)(u'E_s u) / r^4]

(S in the last line is always M - C Phi C': beta is profiled out of r^2 under ML too.) The chain
rule through D = Lambda Lambda' then gives derivatives in theta, in which a zero variance is an
ordinary point: the deviance is even in every diagonal entry of Lambda.

Source: Bates et al. (2015), section 3.4, for the deviance; Searle, Casella and McCulloch (1992),
Variance Components, section 6.6, for the derivatives in the variances.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from mixedteach.fitting.blocks import Moments, Pieces, Tied, entries

Array = np.ndarray


@lru_cache(maxsize=64)
def _lower(k: int) -> tuple[Array, Array]:
    """Rows and columns of a lower triangle, a column at a time."""
    columns, rows = np.triu_indices(k)
    return rows, columns


def factors(theta: Array, sizes: list[int]) -> list[Array]:
    """Return Lambda of each term, k x k lower triangular, from theta."""
    out, start = [], 0
    for k in sizes:
        length = entries(k)
        if isinstance(k, Tied):
            factor = theta[start] * np.eye(k)
        else:
            factor = np.zeros((k, k))
            factor[_lower(k)] = theta[start : start + length]
        out.append(factor)
        start += length
    return out


def theta_of(lambdas: list[Array], sizes: list[int] | None = None) -> Array:
    """Return theta, the lower triangles column by column; of tied `sizes` one entry."""
    sizes = [len(factor) for factor in lambdas] if sizes is None else sizes
    return np.concatenate(
        [
            factor[0, :1] if isinstance(k, Tied) else factor[_lower(k)]
            for factor, k in zip(lambdas, sizes, strict=True)
        ]
    )


def jacobian(theta: Array, sizes: list[int]) -> tuple[Array, Array]:
    """Return d delta / d theta (R x R) and d2 delta / d theta2 (R x R x R)."""
    shape = tuple((int(k), isinstance(k, Tied)) for k in sizes)
    second = _curvature(shape)
    return second @ theta, second  # delta is a quadratic form in theta


@lru_cache(maxsize=64)
def _curvature(sizes: tuple[tuple[int, bool], ...]) -> Array:
    """Return d2 delta / d theta2, which no theta changes."""
    R = sum(1 if tied else k * (k + 1) // 2 for k, tied in sizes)
    second, start = np.zeros((R, R, R)), 0
    for k, tied in sizes:
        if tied:
            second[start, start, start] = 2.0
            start += 1
            continue
        pairs = [(a, b) for a in range(k) for b in range(a, k)]  # delta: row a, column b
        entries = [(i, c) for c in range(k) for i in range(c, k)]  # theta: column by column
        for r, (a, b) in enumerate(pairs, start):
            for s, (i, c) in enumerate(entries, start):
                for t, (j, d) in enumerate(entries, start):
                    if c == d:
                        second[r, s, t] = (i == a) * (j == b) + (i == b) * (j == a)
        start += len(pairs)
    second.flags.writeable = False
    return second


@dataclass(frozen=True)
class State:
    """The criterion at one theta: value, derivatives, and what was profiled out.

    ``Phi`` is (X'WX)^-1 in the coordinates of K, ``v`` is (-beta, 1), ``r2`` the penalised
    residual sum of squares, ``gradient`` and ``hessian`` are with respect to theta,
    ``score`` with respect to delta.
    """

    theta: Array
    value: float
    r2: float
    beta: Array
    Phi: Array
    pieces: Pieces
    gradient: Array
    hessian: Array
    score: Array

    @property
    def v(self) -> Array:
        """(-beta, 1): K v = y - X beta."""
        return np.append(-self.beta, 1.0)


class LazyState(State):
    """A state of which the first numbers are known; the rest is found when it is asked for.

    Parameters
    ----------
    at : callable
        Returns the whole state at a theta; a method, so that the state can be pickled.
    theta, value, r2, beta
        See :class:`State`.
    """

    def __init__(
        self, at: Callable[[Array], State], theta: Array, value: float, r2: float, beta: Array
    ) -> None:
        self.__dict__.update(_at=at, theta=theta, value=value, r2=r2, beta=beta)

    def __getattr__(self, name: str) -> Any:
        if name not in _FOUND_LATER:
            raise AttributeError(name)
        whole = self._at(self.theta)
        self.__dict__.update({own: getattr(whole, own) for own in _FOUND_LATER})
        return self.__dict__[name]


_FOUND_LATER = ("Phi", "pieces", "gradient", "hessian", "score")


class Criterion:
    """The profiled REML or ML deviance of one model.

    Parameters
    ----------
    moments : Moments
        Of K = [X y].
    reml : bool
    constant : float
        Added to the value: 2 log|R| under REML if X was replaced by the Q of its QR.
    """

    def __init__(self, moments: Moments, reml: bool, constant: float = 0.0) -> None:
        self.moments = moments
        self.reml = reml
        self.constant = constant
        self.p = moments.w - 1
        self.n = moments.n
        self.df = moments.n - self.p if reml else moments.n
        self.scalar = all(k == 1 for k in moments.sizes)
        self.exact = moments.exact

    def D(self, theta: Array) -> list[Array]:
        """Return the relative covariance matrices Lambda Lambda' of the terms."""
        if self.scalar:
            return list((theta * theta).reshape(-1, 1, 1))
        return [factor @ factor.T for factor in factors(theta, self.moments.sizes)]

    def value(self, theta: Array) -> float:
        """Return the deviance at theta, without derivatives."""
        pieces = self.moments.at(self.D(theta), derivatives=False)
        return self.profile(pieces)[0]

    def profile(self, pieces: Pieces) -> tuple[float, float, Array, Array]:
        """Return the deviance, r^2, beta and Phi for given pieces."""
        p, S = self.p, pieces.S
        if p:
            try:
                low = np.linalg.cholesky(S[:p, :p])
            except np.linalg.LinAlgError:  # rounding has eaten X'WX: no place to be
                return np.inf, 0.0, np.zeros(p), np.zeros((p, p))
            inverse = np.linalg.inv(low)
            Phi = inverse.T @ inverse
            beta = Phi @ S[:p, p]
            log_det = 2 * np.log(np.diag(low)).sum()
        else:
            Phi, beta, log_det = np.empty((0, 0)), np.empty(0), 0.0
        r2 = float(S[p, p] - S[:p, p] @ beta)
        if not r2 > 0:
            return np.inf, r2, beta, Phi
        value = pieces.log_det + self.df * (1 + np.log(2 * np.pi * r2 / self.df))
        if self.reml:
            value += log_det + self.constant
        return float(value), r2, beta, Phi

    def at(self, theta: Array) -> State:
        """Evaluate value, gradient and Hessian at theta."""
        theta = np.asarray(theta, float)
        pieces = self.moments.at(self.D(theta))
        value, r2, beta, Phi = self.profile(pieces)
        if np.isinf(value):
            return self.nowhere(theta, pieces)
        derivatives = delta_derivatives if self.exact else average_derivatives
        score, hessian = derivatives(pieces, beta, Phi, r2, self.df, self.reml)
        gradient, hessian = self.chain(theta, score, hessian)
        return State(theta, value, r2, beta, Phi, pieces, gradient, hessian, score)

    def exactly(self) -> Criterion:
        """Return the same with the exact Hessian in place of the average information."""
        other = copy(self)
        other.exact = True
        return other

    def nowhere(self, theta: Array, pieces: Pieces) -> State:
        """Return the state of a theta at which the deviance is infinite."""
        p, R = self.p, len(theta)
        nothing, flat, beta, Phi = np.zeros(R), np.zeros((R, R)), np.zeros(p), np.zeros((p, p))
        return State(theta, np.inf, 0.0, beta, Phi, pieces, nothing, flat, nothing)

    def chain(self, theta: Array, gradient: Array, hessian: Array) -> tuple[Array, Array]:
        """Turn derivatives in delta into derivatives in theta."""
        if self.scalar:
            slope = 2 * theta
            turned = slope[:, None] * hessian * slope
            turned.flat[:: len(theta) + 1] += 2 * gradient
            return slope * gradient, turned
        J, second = jacobian(theta, self.moments.sizes)
        R = len(theta)
        bend = (gradient @ second.reshape(R, -1)).reshape(R, R)
        return gradient @ J, J.T @ hessian @ J + bend

    def closed_form(self) -> Array | None:
        """Return the delta at which the deviance is stationary, if it can be said at once."""
        return None

    def level(self, delta: Array) -> tuple[float, float]:
        """Return the deviance and r^2 at a delta that ``closed_form`` has given."""
        raise NotImplementedError

    def scores(self, theta: Array) -> tuple[float, Array, Array, Array]:
        """Return r^2, tr(E_r S_M), tr(E_r S_M E_s S_M) and u'E_r u, with REML's S_M."""
        pieces = self.moments.roughly_at(self.D(theta))
        _, r2, beta, Phi = self.profile(pieces)
        trace1, trace2, quad1, _ = traces(pieces, beta, Phi, reml=True)
        return r2, trace1, trace2, quad1


def delta_derivatives(
    pieces: Pieces, beta: Array, Phi: Array, r2: float, df: float, reml: bool
) -> tuple[Array, Array]:
    """Return gradient and Hessian of the profiled deviance in delta (module docstring)."""
    trace1, trace2, quad1, quad2 = traces(pieces, beta, Phi, reml)
    gradient = trace1 - df * quad1 / r2
    hessian = -trace2 + df * (2 * quad2 / r2 - np.outer(quad1, quad1) / r2**2)
    return gradient, hessian


def average_derivatives(
    pieces: Pieces, beta: Array, Phi: Array, r2: float, df: float, reml: bool
) -> tuple[Array, Array]:
    """Return the gradient in delta, and the average of observed and expected information.

    The traces of pairs cancel: they have one sign in the Hessian and the other in its expectation.
    Source: Gilmour, Thompson and Cullis (1995), Biometrics 51, 1440-1450.
    """
    trace1, quad1, quad2 = first_traces(pieces, beta, Phi, reml)
    hessian = df * (quad2 / r2 - np.outer(quad1, quad1) / r2**2)
    return trace1 - df * quad1 / r2, hessian


def first_traces(pieces: Pieces, beta: Array, Phi: Array, reml: bool) -> tuple[Array, Array, Array]:
    """Return tr(E_r S_M), u'E_r u and u'E_r S E_s u."""
    p = len(beta)
    v = np.append(-beta, 1.0)
    Pv = pieces.P @ v
    cross = Pv[:, :p]  # X'W Z E_r u
    quad2 = (pieces.Q @ v) @ v - cross @ Phi @ cross.T
    trace1 = pieces.T1
    if reml and p:
        trace1 = trace1 - np.einsum("ij,rji->r", Phi, pieces.P[:, :p, :p])
    return trace1, Pv @ v, 0.5 * (quad2 + quad2.T)


def traces(
    pieces: Pieces, beta: Array, Phi: Array, reml: bool
) -> tuple[Array, Array, Array, Array]:
    """Return tr(E_r S_M), tr(E_r S_M E_s S_M), u'E_r u and u'E_r S E_s u."""
    trace1, quad1, quad2 = first_traces(pieces, beta, Phi, reml)
    p, trace2 = len(beta), pieces.T2
    if reml and p:
        PhiP = Phi @ pieces.P[:, :p, :p]
        inner = np.einsum("ij,rsji->rs", Phi, pieces.Q[:, :, :p, :p])
        trace2 = trace2 - inner - inner.T + np.einsum("rij,sji->rs", PhiP, PhiP)
    return trace1, 0.5 * (trace2 + trace2.T), quad1, quad2
