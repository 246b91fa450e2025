r"""The deviance of a balanced design: the criterion from a handful of tables.

With S = L L' (K = [X y], so that the last pivot of L is r) and every table in these coordinates,
L^-1 T_k L^-T, what :mod:`mixedteach.fitting.criterion` asks for is read off. With P_r turned into
these coordinates and cut into blocks of X and y,

    tr(Phi P_r)         = tr P_xx            u'E_r u / r^2       = P_yy
    tr(Phi P_r Phi P_s) = <P_r,xx, P_s,xx>   (.. Phi ..) / r^2   = P_r,yx P_s,xy

and of Q_rs only the trace over X and the entry of y are needed. Where every fixed effect lies in
one stratum nothing of X is left: the entries of y are all that is needed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mixedteach.fitting.criterion import Criterion, State
from mixedteach.fitting.strata import Weights
from mixedteach.fitting.tables import TablePieces, Tables

Array = np.ndarray


class Traces(NamedTuple):
    """What ``mixedteach.fitting.criterion.traces`` returns, the last two divided by r^2."""

    trace1: Array
    trace2: Array
    quad1: Array
    quad2: Array


class CondensedCriterion(Criterion):
    """The profiled REML or ML deviance, from :class:`mixedteach.fitting.tables.Tables`."""

    moments: Tables  # type: ignore[assignment]

    def __init__(self, moments: Tables, reml: bool, constant: float = 0.0) -> None:
        super().__init__(moments, reml, constant)  # type: ignore[arg-type]
        self.rule = self.scoring_rule = moments.rule

    def delta(self, theta: Array) -> Array:
        """Return the relative variance parameters."""
        return theta * theta if self.scalar else self.moments.delta(self.D(theta))

    def value(self, theta: Array) -> float:
        """Return the deviance at theta, without derivatives."""
        theta = np.asarray(theta, float)
        return self._solve(*self.rule.inverse(self.delta(theta)))[0]

    def scores(self, theta: Array) -> tuple[float, Array, Array, Array]:
        """Return r^2, REML's traces and u'E_r u (see the base class)."""
        weights = self.scoring_rule.weights(self.delta(theta))
        _, r2, low = self._solve(weights.log_det, weights.S)
        found = self._traces(low, r2, weights, reml=True)
        return r2, found.trace1, found.trace2, r2 * found.quad1

    def at(self, theta: Array) -> State:
        """Evaluate value, gradient and Hessian at theta."""
        theta = np.asarray(theta, float)
        delta = self.delta(theta)
        weights, pieces = self.rule.weights(delta), TablePieces(self.moments, delta)
        value, r2, low = self._solve(weights.log_det, weights.S)
        if not math.isfinite(value):
            return self.nowhere(theta, pieces)
        trace1, trace2, quad1, quad2 = self._traces(low, r2, weights, self.reml)
        score = trace1 - self.df * quad1
        hessian = self.df * (2 * quad2 - quad1[:, None] * quad1) - trace2
        gradient, hessian = self.chain(theta, score, hessian)
        beta, Phi = self._fixed(low, weights)
        return State(theta, value, r2, beta, Phi, pieces, gradient, hessian, score)

    def _deviance(self, log_det: float, r2: float) -> float:
        value = log_det + self.df * (1 + math.log(2 * math.pi * r2 / self.df))
        return value + self.constant if self.reml else value

    def _solve(self, log_det: float, weights: Array) -> tuple[float, float, Array]:
        """Return the deviance, r^2 and L; the deviance is infinite where S has no L."""
        S = self.moments.weighted(weights)
        try:
            low = np.linalg.cholesky(S)
        except np.linalg.LinAlgError:
            return math.inf, 0.0, S
        pivots = low.diagonal()
        r2 = float(pivots[-1]) ** 2
        if self.reml:
            log_det += 2 * float(np.log(pivots[:-1]).sum())
        return self._deviance(log_det, r2), r2, low

    def _traces(self, low: Array, r2: float, weights: Weights, reml: bool) -> Traces:
        w, p = len(low), self.p
        inverse = np.linalg.inv(low)
        turned = (inverse @ self.moments.values @ inverse.T).reshape(-1, w * w)
        P = weights.P @ turned
        own, P_own = turned[:, :: w + 1], P[:, :: w + 1]  # diagonals, (K, w) and (R, w)
        xy = P[:, p * w : p * w + p]
        trace1, trace2 = weights.T1, weights.T2
        if reml and p:
            trace1 = trace1 - P_own[:, :p].sum(axis=1)
            xx = P.reshape(-1, w, w)[:, :p, :p].reshape(len(P), -1)
            trace2 = trace2 - 2 * (weights.Q @ own[:, :p].sum(axis=1)) + xx @ xx.T
        quad2 = weights.Q @ own[:, p] - xy @ xy.T
        return Traces(trace1, _even(trace2), P_own[:, p], _even(quad2))

    def _fixed(self, low: Array, weights: Weights) -> tuple[Array, Array]:
        """Return beta and Phi."""
        p = self.p
        half = np.linalg.inv(low[:p, :p])
        return low[p, :p] @ half, half.T @ half


class OrthogonalCriterion(CondensedCriterion):
    """The same where every fixed effect lies in one stratum, so that beta is that of OLS."""

    def __init__(self, moments: Tables, reml: bool, constant: float = 0.0) -> None:
        super().__init__(moments, reml, constant)
        self.scoring_rule = moments.layout.restricted
        self.rule = self.scoring_rule if reml else moments.rule
        self.squares = moments.squares

    def closed_form(self) -> Array | None:
        """Return the one stationary delta, or None where it takes a search."""
        found = self.rule.solve(self.squares, self.df) if self.squares[0] > 0 else None
        return found if found is not None and np.isfinite(found).all() else None

    def level(self, delta: Array) -> tuple[float, float]:
        """Return the deviance and r^2."""
        return self._solve(*self.rule.inverse(delta))[:2]

    def _solve(self, log_det: float, weights: Array) -> tuple[float, float, Array]:
        r2 = float(weights @ self.squares)
        return self._deviance(log_det, r2) if r2 > 0 else math.inf, r2, weights

    def _traces(self, low: Array, r2: float, weights: Weights, reml: bool) -> Traces:
        over = self.squares / r2
        return Traces(weights.T1, weights.T2, weights.P @ over, _even(weights.Q @ over))

    def _fixed(self, low: Array, weights: Weights) -> tuple[Array, Array]:
        return np.zeros(self.p), self.moments.layout.inverse(weights.S)


def _even(X: Array) -> Array:
    return 0.5 * (X + X.T)
