r"""One mixed model as numbers: condensed once, fitted as often as one likes.

:class:`Problem` holds the data in the coordinates in which they are best computed: X replaced by
the Q of its QR decomposition, y by what is left after least squares on X, the columns of each
random effect by an orthogonal basis. A response or a covariate shifted by a million, or measured
in other units, then costs no digits. :class:`Fit` carries the optimum back to the coordinates of
the reader.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mixedteach.errors import FitError
from mixedteach.fitting.balanced import lay_out
from mixedteach.fitting.blocks import Moments, Tied, condense, term_sizes
from mixedteach.fitting.closed import ClosedForm, closed_form
from mixedteach.fitting.condensed import CondensedCriterion, OrthogonalCriterion
from mixedteach.fitting.criterion import Criterion, LazyState, State, jacobian, theta_of, traces
from mixedteach.fitting.optimise import Optimum, diagonal, minimise
from mixedteach.fitting.tables import Layout, Tables
from mixedteach.progress import progress

if TYPE_CHECKING:
    from mixedteach.fitting.crossed import CrossedMoments

Array = np.ndarray


class Problem:
    """Response, fixed and random effects of one model, ready to be fitted.

    Parameters
    ----------
    X : ndarray, shape (n, p)
        Fixed effects, of full column rank.
    y : ndarray, shape (n,)
    codes : list of ndarray of int, shape (n,)
        The group of each row, one vector a random term.
    bases : list of ndarray, shape (n, k)
        The columns that vary by group.
    groups : list of int
        Number of groups of each term.
    tied : sequence of bool, optional
        Whether the effects of each term are independent and share one variance (nlme's pdIdent).
    factored : pair of ndarray, optional
        Q (n, p) and R (p, p) of X, if they are known.
    triangles : list of ndarray, optional
        R (k, k) of each basis, if they are known.
    """

    def __init__(
        self, X: Array, y: Array, codes: Sequence[Array], bases: Sequence[Array],
        groups: Sequence[int], tied: Sequence[bool] = (),
        factored: tuple[Array, Array] | None = None, triangles: Sequence[Array] | None = None,
    ) -> None:  # fmt: skip
        self.X, self.codes, self.bases, self.groups = X, codes, bases, list(groups)
        self.sizes = term_sizes(bases, tied)
        self.n, self.p = X.shape
        self.Q, self.R = _scaled_qr(X) if factored is None else factored
        triangles = [_scaled_qr(basis)[1] for basis in bases] if triangles is None else triangles
        self.turns = [
            _scaled(basis) if isinstance(k, Tied) else _orthogonal(R, self.n)
            for basis, k, R in zip(bases, self.sizes, triangles, strict=True)
        ]
        pairs = zip(bases, self.turns, strict=True)
        self.turned = [b if t.size == 1 and t[0, 0] == 1 else b @ t for b, t in pairs]
        self.layout = self._lay_out()
        self._nothing = np.zeros(self.p)
        self._closed: dict[bool, ClosedForm | None] = {}
        self._shared = self.__dict__.copy()  # all that does not depend on the response
        self.y = y
        if self.layout is None:
            self.condensed  # noqa: B018  what does not fit into memory is refused here

    def with_response(self, y: Array) -> Problem:
        """Return the same problem with another response."""
        if y is self.y:
            return self
        other = object.__new__(type(self))
        other.__dict__.update(self._shared, _shared=self._shared, y=y)
        return other

    @cached_property
    def _regressed(self) -> tuple[Array, Array]:
        """Coefficients of Q by least squares, and what they leave of y."""
        Q, y = self.Q, self.y
        first = Q.T.dot(y)
        residual = y - Q.dot(first)
        again = Q.T.dot(residual)  # a second pass removes what rounding left
        return first + again, residual - Q.dot(again)

    @property
    def ols(self) -> Array:
        """Coefficients of Q by least squares, shape (p,)."""
        return self._regressed[0]

    @property
    def residual(self) -> Array:
        """What least squares leave of y, shape (n,)."""
        return self._regressed[1]

    @cached_property
    def condensed(self) -> Tables | Moments | CrossedMoments:
        """The data condensed to tables, or where these do not exist by blocks."""
        if self.layout is None:
            return self.moments
        return self.layout.tables(self.Q, self.residual)

    @cached_property
    def moments(self) -> Moments | CrossedMoments:
        """The data condensed by blocks."""
        return self._moments(np.column_stack([self.Q, self.residual]))

    def _moments(self, K: Array) -> Moments | CrossedMoments:
        return condense(K, self.codes, self.turned, self.groups, self.tied)

    @property
    def tied(self) -> list[bool]:
        """Whether the effects of each term share one variance."""
        return [isinstance(k, Tied) for k in self.sizes]

    def _lay_out(self) -> Layout | None:
        """Return how the data are condensed to tables, if the design is balanced."""
        return lay_out(self.Q, self.codes, self.turned, self.groups, self.sizes)

    def criterion(self, reml: bool) -> Criterion:
        """Return the deviance as a function of theta (in the orthogonal bases)."""
        if self.layout is None:
            return Criterion(self.condensed, reml, self.constant(reml))
        kind = CondensedCriterion if self.layout.restricted is None else OrthogonalCriterion
        return kind(self.condensed, reml, self.constant(reml))

    def _at(self, reml: bool, theta: Array) -> State:
        return self.criterion(reml).at(theta)

    def constant(self, reml: bool) -> float:
        """Return log|X'X| under REML: what Q in the place of X takes off the deviance."""
        return 2 * sum(math.log(abs(r)) for r in self.R.diagonal().tolist()) if reml else 0.0

    @property
    def inverse_R(self) -> Array:
        """R^-1, shape (p, p), one for all responses."""
        if "inverse_R" not in self._shared:
            inverse = np.linalg.inv(self.R) if self.p else np.empty((0, 0))
            self._shared["inverse_R"] = inverse
        return self._shared["inverse_R"]

    def closed_form(self, reml: bool) -> ClosedForm | None:
        """Return what gives the optimum without a search, in a small balanced design."""
        if reml not in self._closed:
            own = closed_form(self.layout, self.Q, self.inverse_R, reml, self.constant(reml))
            self._closed[reml] = own
        return self._closed[reml]

    def fit_at_once(self, reml: bool) -> Fit | None:
        """Fit in closed form; None where there must be a search or the response is not finite."""
        closed = self.closed_form(reml)
        found = None if closed is None else closed.optimum(self.y)
        if closed is None or found is None:
            return None
        theta, value, r2, beta = found
        state = LazyState(partial(self._at, reml), theta, value, r2, self._nothing)
        fit = Fit(self, None, Optimum(state, [(theta, value)], closed.no_zero, True), reml)
        fit.beta = beta
        return fit

    def fit(self, reml: bool = True, start: Array | None = None) -> Fit:
        """Estimate the variances by REML or ML."""
        at_once = self.fit_at_once(reml) if start is None else None
        if at_once is not None:
            return at_once
        self.check_response()
        criterion = self.criterion(reml)
        if criterion.moments.exact:
            return Fit(self, criterion, minimise(criterion, start), reml)
        with progress(None, "fit: steps of the search") as bar:
            return Fit(self, criterion, minimise(_Watched(criterion, bar), start), reml)

    def check_response(self) -> None:
        """Refuse a response that the fixed effects reproduce."""
        total, y = float(self.residual.dot(self.residual)), self.y
        if total > 1e-26 * self.n * float(y.dot(y)):  # quick to say, and nearly always so
            return
        if total <= self.n * (1e-13 * float(np.abs(y).max(initial=0.0))) ** 2:
            raise FitError(
                "The fixed effects reproduce the response exactly; nothing is left to estimate "
                "variances from. Check the response."
            )

    def refit(self, y: Array, reml: bool = True, start: Array | None = None) -> Fit:
        """Fit the same model to another response."""
        return self.with_response(np.asarray(y, float)).fit(reml, start)


class _Watched:
    """A criterion that tells a progress bar of every evaluation."""

    def __init__(self, criterion: Criterion, bar: Any) -> None:
        self.criterion, self.bar = criterion, bar

    def __getattr__(self, name: str) -> Any:
        return getattr(self.criterion, name)

    def exactly(self) -> _Watched:
        return _Watched(self.criterion.exactly(), self.bar)

    def at(self, theta: Array) -> State:
        self.bar.update()
        return self.criterion.at(theta)

    def value(self, theta: Array) -> float:
        self.bar.update()
        return self.criterion.value(theta)


def _scaled_qr(X: Array) -> tuple[Array, Array]:
    scale = np.sqrt(np.einsum("ij,ij->j", X, X))
    Q, R = np.linalg.qr(X / np.where(scale > 0, scale, 1.0))
    return Q, R * scale


def _orthogonal(R: Array, n: int) -> Array:
    """Return T (k x k) such that the columns of a basis Q R times T have mean square one."""
    if R.size == 1:
        length = abs(float(R[0, 0])) / np.sqrt(n)
        return np.array([[1 / length if length > 0 else 1.0]])
    signs = np.where(R.diagonal() < 0, -1.0, 1.0)[:, None]
    return np.linalg.inv(R * signs / np.sqrt(n))


def _scaled(basis: Array) -> Array:
    """Return a multiple of I: tied effects keep their columns, the only bases that leave D = I."""
    k = basis.shape[1]
    size = float(np.sqrt(np.mean(basis**2)))
    return np.eye(k) / (size if size > 0 else 1.0)


class Fit:
    """An optimum and what inference needs of it; p fixed effects, R variance parameters.

    The criterion is made when it is asked for, if it is not given.
    """

    def __init__(
        self, problem: Problem, criterion: Criterion | None, optimum: Optimum, reml: bool
    ) -> None:
        self.problem, self.optimum, self.reml = problem, optimum, reml
        if criterion is not None:
            self.criterion = criterion

    @cached_property
    def criterion(self) -> Criterion:
        """The deviance as a function of theta."""
        return self.problem.criterion(self.reml)

    @property
    def state(self) -> State:
        """The criterion at the optimum."""
        return self.optimum.state

    @property
    def n(self) -> int:
        """Number of observations."""
        return self.problem.n

    @property
    def deviance(self) -> float:
        """Minus twice the (restricted) log-likelihood."""
        return self.state.value

    @property
    def loglik(self) -> float:
        """The (restricted) log-likelihood."""
        return -0.5 * self.state.value

    @property
    def warm(self) -> Array:
        """The optimum as a start for other responses: zero is stationary, and must be left."""
        theta = self.state.theta
        return np.where(diagonal(self.criterion.moments.sizes), np.maximum(theta, 0.1), theta)

    @cached_property
    def sigma2(self) -> float:
        """The residual variance."""
        return self.state.r2 / (self.n - self.problem.p if self.reml else self.n)

    @property
    def inverse_R(self) -> Array:
        """R^-1: takes coefficients of Q to coefficients of X."""
        return self.problem.inverse_R

    @cached_property
    def beta(self) -> Array:
        """Fixed effects, shape (p,)."""
        return self.inverse_R.dot(self.problem.ols + self.state.beta)

    @cached_property
    def cov_beta(self) -> Array:
        """Their covariance sigma^2 (X'WX)^-1, shape (p, p)."""
        return self.sigma2 * self.inverse_R @ self.state.Phi @ self.inverse_R.T

    @cached_property
    def relative(self) -> list[Array]:
        """Covariance of each term's effects relative to sigma^2, in the bases as given."""
        return [
            turn @ D @ turn.T
            for turn, D in zip(self.problem.turns, self.criterion.D(self.state.theta), strict=True)
        ]

    @cached_property
    def covariances(self) -> list[Array]:
        """Covariance matrix of each term's effects, k x k."""
        return [self.sigma2 * D for D in self.relative]

    @cached_property
    def theta(self) -> Array:
        """Theta in the bases as given: lower triangles of the relative Cholesky factors.

        A term whose effects are tied has one entry, sd / sigma.
        """
        return theta_of([semidefinite_cholesky(D) for D in self.relative], self.problem.sizes)

    @cached_property
    def _effects(self) -> tuple[list[Array], list[Array]]:
        D = self.criterion.D(self.state.theta)
        return self.problem.moments.effects(D, self.state.v)

    @cached_property
    def random_effects(self) -> list[Array]:
        """Predicted random effects of each term, shape (groups, k)."""
        return [b @ turn.T for b, turn in zip(self._effects[0], self.problem.turns, strict=True)]

    @cached_property
    def conditional_covariances(self) -> list[Array]:
        """Var(b | y) with beta taken as known, shape (groups, k, k), as lme4's condVar."""
        return [
            self.sigma2 * (turn @ V @ turn.T)
            for V, turn in zip(self._effects[1], self.problem.turns, strict=True)
        ]

    @cached_property
    def zhat(self) -> Array:
        """Z b, the random part of the fitted values, shape (n,)."""
        out = np.zeros(self.n)
        for b, codes, basis in zip(
            self.random_effects, self.problem.codes, self.problem.bases, strict=True
        ):
            out += np.einsum("ij,ij->i", basis, b[codes])
        return out

    @cached_property
    def fixed(self) -> Array:
        """X beta, shape (n,), from the orthogonal coordinates so that shifts cost no digits."""
        return (self.problem.y - self.problem.residual) + self.problem.Q @ self.state.beta

    @cached_property
    def fitted(self) -> Array:
        """X beta + Z b, shape (n,)."""
        return self.fixed + self.zhat

    @cached_property
    def resid(self) -> Array:
        """The residuals y - X beta - Z b, shape (n,)."""
        return self.problem.residual - self.problem.Q @ self.state.beta - self.zhat

    # -- for degrees of freedom ----------------------------------------------------------------

    def to_q(self, L: Array) -> Array:
        """Rewrite linear functions of beta as functions of the coefficients of Q."""
        return L @ self.inverse_R

    def variances(self, L: Array) -> Array:
        """Return Var(L_i beta) of each row of L, by way of the coefficients of Q."""
        rows = self.to_q(L)
        return self.sigma2 * np.einsum("mi,ij,mj->m", rows, self.state.Phi, rows)

    @cached_property
    def delta(self) -> Array:
        """The relative variance parameters, D = sum delta_r E_r (orthogonal bases)."""
        D = self.criterion.D(self.state.theta)
        return np.array([D[r.term][r.a, r.b] for r in self.criterion.moments.parameters])

    @cached_property
    def theta_hessian(self) -> tuple[Array, Array]:
        """Hessian of the deviance in (theta, log sigma), and d delta / d theta.

        sigma is *not* profiled out. A theta at its bound is left out of both.
        """
        state, p2 = self.state, self.sigma2
        t1, t2, q1, q2 = traces(state.pieces, state.beta, state.Phi, self.reml)
        H_delta = -t2 + 2 * q2 / p2
        J, second = jacobian(state.theta, self.criterion.moments.sizes)
        H_theta = J.T @ H_delta @ J + np.einsum("r,rst->st", t1 - q1 / p2, second)
        cross = J.T @ (2 * q1 / p2)
        free = ~self.optimum.zero
        H = np.block(
            [
                [H_theta[np.ix_(free, free)], cross[free, None]],
                [cross[None, free], np.array([[4.0 * self.criterion.df]])],
            ]
        )
        return H, J[:, free]

    @cached_property
    def with_residual(self) -> tuple[Array, Array, Array]:
        """P, Q and T of the module `blocks` with the residual as parameter 0, fixed effects only.

        From I = (I + Z D Z') - sum delta_r G_r, every piece of the residual follows from the
        others. Shapes (R+1, p, p), (R+1, R+1, p, p), (R+1, R+1); relative to sigma^2.
        """
        pieces, delta, p = self.state.pieces, self.delta, self.problem.p
        R = len(delta)
        S, P, Q = pieces.S[:p, :p], pieces.P[:, :p, :p], pieces.Q[:, :, :p, :p]
        P0 = S - np.einsum("r,rij->ij", delta, P)
        Q0 = P - np.einsum("r,rsij->sij", delta, Q)
        Q00 = P0 - np.einsum("s,sij->ij", delta, Q0)
        T0 = pieces.T1 - pieces.T2 @ delta
        T00 = self.n - pieces.T1 @ delta - T0 @ delta
        allP = np.concatenate([P0[None], P])
        allQ = np.empty((R + 1, R + 1, p, p))
        allQ[0, 0], allQ[1:, 1:] = Q00, Q
        allQ[0, 1:], allQ[1:, 0] = Q0, np.swapaxes(Q0, 1, 2)
        allT = np.block([[np.array([[T00]]), T0[None, :]], [T0[:, None], pieces.T2]])
        return allP, allQ, allT


def semidefinite_cholesky(D: Array) -> Array:
    """Return lower triangular F with F F' = D for a positive semidefinite D (zeros allowed)."""
    k = len(D)
    low = np.zeros((k, k))
    floor = 1e-13 * max(np.abs(np.diag(D)).max(initial=0.0), 0.0)
    for c in range(k):
        pivot = D[c, c] - low[c, :c] @ low[c, :c]
        if pivot <= floor:
            continue
        low[c, c] = np.sqrt(pivot)
        low[c + 1 :, c] = (D[c + 1 :, c] - low[c + 1 :, :c] @ low[c, :c]) / low[c, c]
    return low
