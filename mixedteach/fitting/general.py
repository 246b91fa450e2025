r"""A fit with a residual covariance of its own: Var(y) = sigma^2 (Z D Z' + Gamma).

*The idea* (Pinheiro and Bates 2000, section 5.1.1): with Gamma = F F', the model for F^-1 y, F^-1 X
and F^-1 Z has independent residuals of equal variance, so its deviance is the usual one; the change
of variables adds log|Gamma|. :func:`whitened_deviance` says it in four lines.

*The computation.* Rows fall into sets that are independent of each other (the connected components
of all groupings). Set by set, with U = Z D Z' + Gamma, W = U^-1 and U_r the derivative of U in
parameter r, the pieces of :mod:`mixedteach.fitting.blocks` are small dense products:

    S = K'WK    P_r = K'W U_r W K    Q_rs = K'W U_r W U_s W K    T_r = tr(W U_r)
    T_rs = tr(W U_r W U_s)           and P, T of the second derivatives U_rs

so that the deviance has its exact gradient and Hessian in *all* parameters at once: theta, and the
eta of the residual covariance. (Whitening alone would leave the derivatives in eta to differences.)
Parameters are counted theta first; everything else is as in :mod:`mixedteach.fitting.criterion`.

Sources: Pinheiro and Bates (2000), Mixed-Effects Models in S and S-PLUS, sections 5.1 to 5.3;
Searle, Casella and McCulloch (1992), Variance Components, section 6.6, for the derivatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import solve_triangular

from mixedteach.errors import FitError
from mixedteach.fitting import pls
from mixedteach.fitting.blocks import Pieces, parameters, term_sizes
from mixedteach.fitting.criterion import Criterion, State, factors, jacobian, theta_of, traces
from mixedteach.fitting.lmm import Fit, Problem
from mixedteach.fitting.optimise import NO_RESIDUAL, Optimum, diagonal
from mixedteach.fitting.residual.covariance import Residual, ResidualSets

Array = np.ndarray
Pairs = list[tuple[int, int]]

LARGEST = 2000  # rows in one set: its covariance is stored in full


def whitened_deviance(
    theta: Array, Gamma: Array, X: Array, y: Array, Z: Array, sizes: Sequence[int],
    groups: Sequence[int], reml: bool = True,
) -> float:  # fmt: skip
    """Return the profiled deviance by whitening: the plain path, to be read.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([10.1, 10.4, 10.8, 10.6, 10.1, 10.2]); X = np.ones((6, 1))
    >>> Z = pls.z_matrix(np.array([0, 0, 1, 1, 2, 2]), np.ones((6, 1)), 3)
    >>> round(whitened_deviance(np.array([1.0]), np.eye(6), X, y, Z, [1], [3]), 4)
    1.6791
    """
    F = np.linalg.cholesky(Gamma)
    wX, wy, wZ = (solve_triangular(F, part, lower=True) for part in (X, y, Z))
    white = pls.solve(theta, wX, wy, wZ, sizes, groups, reml)
    return float(white.deviance + 2 * np.log(np.diag(F)).sum())


# -- the data, set by set --------------------------------------------------------------------------


@dataclass
class _Bucket:
    """Sets of one size: their rows (sets, m), the constant derivatives of Z D Z', and Gamma."""

    rows: Array
    G: list[Array]
    gamma: ResidualSets


@dataclass(frozen=True)
class Second:
    """Second derivatives: for each pair of parameters, P and T of U_rs."""

    pairs: Pairs
    P: Array
    T: Array


class Blocks:
    """The counterpart of :class:`mixedteach.fitting.blocks.Moments` with a residual covariance.

    Parameters
    ----------
    K : ndarray, shape (n, w)
        [X y].
    codes, bases, groups
        The random terms (none for :func:`mixedteach.gls`).
    residual : Residual
    buckets
        Of another response, to be shared.
    """

    exact = True  # as in ``Moments``

    def __init__(
        self, K: Array, codes: Sequence[Array], bases: Sequence[Array], groups: Sequence[int],
        residual: Residual, tied: Sequence[bool] = (), buckets: list[_Bucket] | None = None,
    ) -> None:  # fmt: skip
        self.K, self.codes, self.bases, self.groups = K, codes, bases, list(groups)
        self.n, self.w = K.shape
        self.sizes, self.tied = term_sizes(bases, tied), tied
        self.parameters = parameters(self.sizes)
        self.residual = residual
        self.buckets = self._fill() if buckets is None else buckets

    def _fill(self) -> list[_Bucket]:
        correlation = self.residual.correlation
        component = independent_sets(
            self.n, [*self.codes, *([] if correlation is None else [correlation.group.codes])]
        )
        counts = np.bincount(component)
        if counts.max() > LARGEST:
            raise FitError(
                f"{counts.max()} rows depend on each other through the groups, and a residual "
                f"covariance is computed for {LARGEST} at most: fit a part of the data, or leave "
                "correlation= and variance= out."
            )
        keys: list[Array] = [component]
        if correlation is not None:  # in the order of time, for the normalised residuals
            keys = [correlation.place, correlation.group.codes, component]
        order = np.lexsort(keys)
        start = np.concatenate([[0], np.cumsum(counts)])
        buckets = []
        for m in np.unique(counts):
            sets = np.flatnonzero(counts == m)
            rows = order[start[sets][:, None] + np.arange(m)]
            buckets.append(_Bucket(rows, self._patterns(rows), self.residual.sets(rows)))
        return buckets

    def _patterns(self, rows: Array) -> list[Array]:
        """Return Z E_r Z' of each parameter of D."""
        out = []
        for r in self.parameters:
            own = self.codes[r.term][rows]
            z = self.bases[r.term][rows]
            if r.tied:
                outer = z @ np.swapaxes(z, 1, 2)
            else:
                outer = z[:, :, None, r.a] * z[:, None, :, r.b]
            if r.a != r.b:
                outer = outer + np.swapaxes(outer, 1, 2)
            out.append(outer * (own[:, :, None] == own[:, None, :]))
        return out

    def with_response(self, K: Array) -> Blocks:
        """Return the same sets for another [X y]."""
        return Blocks(
            K, self.codes, self.bases, self.groups, self.residual, self.tied, self.buckets
        )

    def _delta(self, D: Sequence[Array]) -> list[float]:
        return [float(D[r.term][r.a, r.b]) for r in self.parameters]

    def at(
        self, D: Sequence[Array], eta: Array, derivatives: bool = True, all_pairs: bool = False
    ) -> tuple[Pieces, Second]:
        """Evaluate the pieces at D and eta.

        With `all_pairs` the second derivatives join the first ones in P, Q and T, behind them.
        """
        w, R = self.w, len(self.parameters) + self.residual.size
        delta, shift = self._delta(D), len(self.parameters)
        log_det, S = 0.0, np.zeros((w, w))
        sums: dict[str, Array] = {}
        pairs: Pairs = []
        for bucket in self.buckets:
            Gamma, first, second = bucket.gamma.at(eta)
            U = Gamma + sum(
                (d * G for d, G in zip(delta, bucket.G, strict=True)), np.zeros_like(Gamma)
            )
            L = np.linalg.cholesky(U)
            log_det += 2 * float(np.log(np.einsum("cii->ci", L)).sum())
            inverse = np.linalg.inv(L)
            white = inverse @ self.K[bucket.rows]
            S += np.einsum("cmw,cmv->wv", white, white, optimize=True)
            if not derivatives:
                continue
            W = np.swapaxes(inverse, 1, 2) @ inverse
            WK = np.swapaxes(inverse, 1, 2) @ white
            pairs = sorted(second)
            bent = [second[pair] for pair in pairs]
            stack = [*bucket.G, *first, *(bent if all_pairs else [])]
            part = _products(stack, W, WK)
            if not all_pairs:
                part["P2"] = np.array([np.einsum("cmw,cmv->wv", WK, B @ WK) for B in bent])
                part["t2"] = np.array([np.sum(W * B) for B in bent])
            for name, value in part.items():
                sums[name] = sums[name] + value if name in sums else value
        none = np.zeros((0, 0))
        if not derivatives:
            return Pieces(log_det, S, none, none, none, none), Second([], none, none)
        pieces = Pieces(log_det, S, sums["P"], sums["Q"], sums["T1"], sums["T2"])
        moved = [(r + shift, s + shift) for r, s in pairs]
        if all_pairs:
            return pieces, Second(moved, sums["P"][R:], sums["T1"][R:])
        return pieces, Second(moved, sums["P2"].reshape(-1, w, w), sums["t2"])

    def effects(self, D: Sequence[Array], eta: Array, v: Array) -> tuple[list[Array], list[Array]]:
        """Return predictions D Z'W K v and Var(b | y) / sigma^2 = D - D Z'WZ D of each term."""
        delta = self._delta(D)
        predictions = [np.zeros((m, k)) for m, k in zip(self.groups, self.sizes, strict=True)]
        inner = [np.zeros((m, k, k)) for m, k in zip(self.groups, self.sizes, strict=True)]
        for bucket in self.buckets:
            Gamma = bucket.gamma.at(eta)[0]
            U = Gamma + sum(
                (d * G for d, G in zip(delta, bucket.G, strict=True)), np.zeros_like(Gamma)
            )
            W = np.linalg.inv(U)
            score = (W @ (self.K[bucket.rows] @ v)[:, :, None])[:, :, 0]
            for t, (codes, basis) in enumerate(zip(self.codes, self.bases, strict=True)):
                own, z = codes[bucket.rows], basis[bucket.rows]
                np.add.at(predictions[t], own, z * score[:, :, None])
                near = (W * (own[:, :, None] == own[:, None, :])) @ z
                np.add.at(inner[t], own, z[:, :, :, None] * near[:, :, None, :])
        return (
            [b @ d for b, d in zip(predictions, D, strict=True)],
            [d - d @ M @ d for M, d in zip(inner, D, strict=True)],
        )

    def whiten(self, eta: Array, values: Array) -> Array:
        """Return F^-1 values with Gamma = F F', rows of a group taken in the order of time."""
        out = np.empty(self.n)
        for bucket in self.buckets:
            F = np.linalg.cholesky(bucket.gamma.at(eta)[0])
            out[bucket.rows] = np.linalg.solve(F, values[bucket.rows][:, :, None])[:, :, 0]
        return out

    def colour(self, eta: Array, values: Array) -> Array:
        """Return F values, shape (n, k): what :meth:`whiten` undoes."""
        out = np.empty_like(values)
        for bucket in self.buckets:
            F = np.linalg.cholesky(bucket.gamma.at(eta)[0])
            out[bucket.rows] = F @ values[bucket.rows]
        return out

    def dense_gamma(self, eta: Array, rows: Array) -> Array:
        """Return Gamma of some rows, len(rows) x len(rows)."""
        out = np.zeros((len(rows), len(rows)))
        place = np.full(self.n, -1)
        place[rows] = np.arange(len(rows))
        for bucket in self.buckets:
            Gamma = bucket.gamma.at(eta)[0]
            for own, values in zip(place[bucket.rows], Gamma, strict=True):
                there = own >= 0
                out[np.ix_(own[there], own[there])] = values[np.ix_(there, there)]
        return out


def _products(stack: list[Array], W: Array, WK: Array) -> dict[str, Array]:
    """Return P, Q, T1, T2 of one bucket for a stack of derivatives of U."""
    R, w = len(stack), WK.shape[2]
    if R == 0:
        return {"P": np.zeros((0, w, w)), "Q": np.zeros((0, 0, w, w)), "T1": np.zeros(0),
                "T2": np.zeros((0, 0))}  # fmt: skip
    U = np.stack(stack)  # (R, sets, m, m)
    B = U @ WK
    WB, WU = W @ B, W @ U
    flat = B.reshape(R, -1, w).transpose(0, 2, 1).reshape(R * w, -1)
    through = WB.reshape(R, -1, w).transpose(0, 2, 1).reshape(R * w, -1)
    Q = (flat @ through.T).reshape(R, w, R, w).transpose(0, 2, 1, 3)
    P = (flat @ WK.reshape(-1, w)).reshape(R, w, w)
    T2 = WU.reshape(R, -1) @ np.swapaxes(WU, 2, 3).reshape(R, -1).T
    return {"P": P, "Q": Q, "T1": np.einsum("rcii->r", WU), "T2": T2}


def independent_sets(n: int, groupings: Sequence[Array]) -> Array:
    """Return for each row the number of its set: rows that share a group belong together."""
    if not groupings:
        return np.arange(n)
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    first, places = n, []
    for codes in groupings:
        places.append(codes + first)
        first += int(codes.max()) + 1
    rows = np.tile(np.arange(n), len(groupings))
    edges = coo_matrix((np.ones(len(rows), np.int8), (rows, np.concatenate(places))), (first,) * 2)
    labels = connected_components(edges, directed=False)[1][:n]
    return np.unique(labels, return_inverse=True)[1]


# -- the deviance ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class GeneralState(State):
    """The criterion at one x = (theta, eta); ``theta`` is x, ``second`` belongs to eta."""

    second: Second


class GeneralCriterion(Criterion):
    """The profiled REML or ML deviance as a function of x = (theta, eta)."""

    moments: Blocks  # type: ignore[assignment]

    def __init__(self, moments: Blocks, reml: bool, constant: float = 0.0) -> None:
        super().__init__(moments, reml, constant)  # type: ignore[arg-type]
        self.nt = len(moments.parameters)

    def D(self, theta: Array) -> list[Array]:
        """Return the relative covariance matrices Lambda Lambda' at x."""
        return [factor @ factor.T for factor in factors(theta[: self.nt], self.moments.sizes)]

    def value(self, theta: Array) -> float:
        """Return the deviance at x, infinite where there is no such covariance."""
        try:
            pieces, _ = self.moments.at(self.D(theta), theta[self.nt :], derivatives=False)
        except np.linalg.LinAlgError:
            return np.inf
        return self.profile(pieces)[0]

    def at(self, theta: Array) -> GeneralState:
        """Evaluate value, gradient and Hessian at x."""
        x = np.asarray(theta, float)
        pieces, second = self.moments.at(self.D(x), x[self.nt :])
        value, r2, beta, Phi = self.profile(pieces)
        if not np.isfinite(value):
            raise np.linalg.LinAlgError("no deviance")
        sigma2 = r2 / self.df
        gradient, hessian, quad1 = self.natural(pieces, second, beta, Phi, sigma2)
        hessian -= np.outer(quad1, quad1) / (self.df * sigma2**2)  # sigma is profiled out
        score = gradient
        J, bend = self.chain(x)
        hessian = J.T @ hessian @ J + np.einsum("r,rst->st", gradient[: self.nt], bend)
        return GeneralState(x, value, r2, beta, Phi, pieces, J.T @ gradient, hessian, score, second)

    def natural(
        self, pieces: Pieces, second: Second, beta: Array, Phi: Array, sigma2: float
    ) -> tuple[Array, Array, Array]:
        """Return gradient and Hessian in (delta, eta) at a fixed sigma, and u'U_r u."""
        p, v = len(beta), np.append(-beta, 1.0)
        trace1, trace2, quad1, quad2 = traces(pieces, beta, Phi, self.reml)
        gradient = trace1 - quad1 / sigma2
        hessian = -trace2 + 2 * quad2 / sigma2
        for (r, s), P, T in zip(second.pairs, second.P, second.T, strict=True):
            bent = T - (np.sum(Phi * P[:p, :p]) if self.reml else 0.0) - v @ P @ v / sigma2
            hessian[r, s] += bent
            if r != s:
                hessian[s, r] += bent
        return gradient, hessian, quad1

    def information(self, pieces: Pieces) -> Array:
        """Return the expected REML information in (sigma^2, delta, eta), relative to sigma^2."""
        _, _, beta, Phi = self.profile(pieces)
        trace1, trace2, _, _ = traces(pieces, beta, Phi, reml=True)
        rest = np.array([[self.moments.n - self.p]], float)
        return 0.5 * np.block([[rest, trace1[None]], [trace1[:, None], trace2]])

    def chain(self, x: Array) -> tuple[Array, Array]:
        """Return d(delta, eta)/dx, and the second derivatives of delta."""
        size = len(x)
        J, bend = np.eye(size), np.zeros((self.nt, size, size))
        nt = self.nt
        J[:nt, :nt], bend[:, :nt, :nt] = jacobian(x[:nt], self.moments.sizes)
        return J, bend


# -- the search ------------------------------------------------------------------------------------


def descend(
    criterion: GeneralCriterion, x: Array, free: Array, path: list[tuple[Array, float]]
) -> GeneralState:
    """Newton's method as in :func:`mixedteach.fitting.optimise.descend`, inside walls.

    A trial beyond a wall (a covariance that is none) costs one attempt to factor it; a search that
    runs into a wall ends with a refusal that names it.
    """
    try:
        state = criterion.at(x)
    except np.linalg.LinAlgError:
        raise FitError(
            "The deviance cannot be computed in double precision: the scales of the columns or of "
            "the variances are too far apart. Centre or rescale the covariates."
        ) from None
    path.append((state.theta, state.value))
    size = max(1.0, criterion.df)
    for _ in range(150):
        if not free.any():
            return state
        values, vectors = np.linalg.eigh(state.hessian[np.ix_(free, free)])
        floor = 1e-10 * max(np.abs(values).max(), 1e-300)
        step = np.zeros_like(x)
        slope = vectors.T @ state.gradient[free]
        step[free] = vectors @ (-slope / np.maximum(np.abs(values), floor))
        longest, reach = np.abs(step).max(), 1.0 + np.abs(state.theta).max()
        step *= min(1.0, 2.0 * reach / longest) if longest > 0 else 1.0
        promised = -float(state.gradient @ step)
        if promised < 1e-13 * size:
            if np.abs(state.gradient[free]).max() < 1e-11 * size:
                return state
            better = _polished(criterion, state, step)
            return state if better is None else better
        for shrink in 0.4 ** np.arange(40):
            allowed = -1e-4 * shrink * promised if shrink * promised >= 1e-8 else 1e-10
            if criterion.value(state.theta + shrink * step) <= state.value + allowed:
                break
        else:
            return state
        state = criterion.at(state.theta + shrink * step)
        path.append((state.theta, state.value))
        _check_inside(state, criterion)
    return state


def _polished(criterion: GeneralCriterion, state: GeneralState, step: Array) -> GeneralState | None:
    """Return the state one full step on, if that is no worse: it squares the error."""
    try:
        found = criterion.at(state.theta + step)
    except np.linalg.LinAlgError:
        return None
    lower = found.value <= state.value + 1e-9
    return found if lower and np.abs(found.gradient).sum() <= np.abs(state.gradient).sum() else None


def search(criterion: GeneralCriterion, starts: Sequence[Array]) -> Optimum:
    """Find the minimum of the deviance from several starts, and settle what lies at a bound."""
    moments = criterion.moments
    even = np.concatenate([_diagonal(moments.sizes), moments.residual.even])
    best, path = None, []
    for start in starts:
        steps: list[tuple[Array, float]] = []
        try:
            found = descend(criterion, start, np.ones(len(start), bool), steps)
            found = _settle(criterion, found, even, steps)
        except FitError as error:  # this start leads nowhere; another may
            problem = error
            continue
        if best is None or found.value < best.value - 1e-9:
            best, path = found, steps
    if best is None:
        raise problem
    x = _positive(best.theta, criterion)
    if not np.array_equal(x, best.theta):
        best = criterion.at(x)
    zero = even & (best.theta == 0)
    scale = 1e-6 * max(1.0, criterion.df)
    flat = bool(np.abs(best.gradient[~zero]).max(initial=0.0) < scale)
    H = best.hessian[np.ix_(~zero, ~zero)]
    lowest = np.linalg.eigvalsh(H).min() if len(H) else 0.0
    return Optimum(best, path, zero, flat and bool(lowest > -scale))


def _diagonal(sizes: list[int]) -> Array:
    return diagonal(sizes) if sizes else np.zeros(0, bool)


def _settle(
    criterion: GeneralCriterion, state: State, even: Array, path: list[tuple[Array, float]]
) -> State:
    """Set parameters that tend to the bound zero to zero exactly, and leave false zeros."""
    for _ in range(len(state.theta) + 1):
        small = even & (np.abs(state.theta) < 0.05) & (state.theta != 0)
        for j in np.flatnonzero(small)[np.argsort(np.abs(state.theta[small]))]:
            x = state.theta.copy()
            x[j] = 0.0
            trial = descend(criterion, x, ~(even & (x == 0)), [])
            no_worse = trial.value <= state.value + 1e-10 * max(1.0, abs(state.value))
            if no_worse and trial.hessian[j, j] >= 0:
                state = trial
                path.append((state.theta, state.value))
                break
        else:
            break
    for j in np.flatnonzero(even & (state.theta == 0)):
        if state.hessian[j, j] < -1e-8 * max(1.0, criterion.df):  # the slope in the variance
            x = state.theta.copy()
            x[j] = 0.1
            trial = descend(criterion, x, np.ones(len(x), bool), [])
            if trial.value < state.value - 1e-12:
                path.append((trial.theta, trial.value))
                return trial
    return state


def _positive(x: Array, criterion: GeneralCriterion) -> Array:
    """Turn columns of each Lambda, and even eta, so that they are not negative."""
    x, nt = x.copy(), criterion.nt
    lambdas = factors(x[:nt], criterion.moments.sizes)
    for factor in lambdas:
        factor *= np.where(np.diag(factor) < 0, -1.0, 1.0)
    if lambdas:
        x[:nt] = theta_of(lambdas, criterion.moments.sizes)
    even = criterion.moments.residual.even
    x[nt:] = np.where(even, np.abs(x[nt:]), x[nt:])
    return x


def _check_inside(state: State, criterion: GeneralCriterion) -> None:
    """Refuse to go to the end of what is possible, where the deviance has no minimum."""
    residual = criterion.moments.residual
    theta, eta = state.theta[: criterion.nt], state.theta[criterion.nt :]
    variance, correlation = residual.variance, residual.correlation
    if variance is not None and variance.factor is not None:
        log_sd = np.append(0.0, eta[residual.nc :])
        if np.ptp(log_sd) > 8:
            level = variance.factor.levels[int(log_sd.argmin())]
            raise FitError(
                f"The residual variance of '{level}' in {variance.text} tends to zero: the effects "
                "reproduce its rows exactly. Join levels, or use fewer effects."
            )
    if correlation is not None and correlation.room(eta[: residual.nc]) < 1e-7:
        remedy = ", or leave out a random effect that competes with it" if criterion.nt else ""
        raise FitError(
            f"{correlation.text} tends to the end of its range, where the residuals of a group "
            f"determine each other exactly: use a simpler structure{remedy}."
        )
    if np.abs(theta).max(initial=0.0) > 1e7:
        raise FitError(NO_RESIDUAL)


# -- problem and fit -------------------------------------------------------------------------------


class GeneralProblem(Problem):
    """Response, effects and residual covariance of one model, ready to be fitted."""

    def __init__(
        self, X: Array, y: Array, codes: Sequence[Array], bases: Sequence[Array],
        groups: Sequence[int], residual: Residual, tied: Sequence[bool] = (),
    ) -> None:  # fmt: skip
        self.residual_covariance = residual
        self.blocks: Blocks | None = None
        super().__init__(X, y, codes, bases, groups, tied)

    def _moments(self, K: Array) -> Blocks:
        if self.blocks is None:
            self.blocks = Blocks(
                K, self.codes, self.turned, self.groups, self.residual_covariance, self.tied
            )
            self._shared["blocks"] = self.blocks  # other responses share its rows
        else:
            self.blocks = self.blocks.with_response(K)
        return self.blocks

    def _lay_out(self) -> None:
        """No tables: the residuals are neither independent nor of one variance."""

    def with_residual(self, residual: Residual) -> GeneralProblem:
        """Return the same problem with another residual covariance."""
        other = object.__new__(GeneralProblem)
        shared = {**self._shared, "residual_covariance": residual, "blocks": None}
        other.__dict__.update(shared, _shared=shared, y=self.y)
        return other

    def _plain(self) -> Problem:
        """Return the problem with independent residuals of one variance."""
        return Problem(self.X, self.y, self.codes, self.bases, self.groups, self.tied)

    def fit_at_once(self, reml: bool) -> None:
        """There is no closed form."""

    def criterion(self, reml: bool) -> GeneralCriterion:
        """Return the deviance as a function of x = (theta, eta)."""
        constant = 2 * float(np.log(np.abs(np.diag(self.R))).sum()) if reml else 0.0
        return GeneralCriterion(self.moments, reml, constant)

    def starts(self, reml: bool) -> list[Array]:
        """Return points from which the search begins: theta without, eta by moments or guesses."""
        theta = np.empty(0)
        if self.groups:
            try:
                plain = self._plain().fit(reml)
                theta = plain.state.theta.copy()
            except FitError:
                theta = theta_of([np.eye(k) for k in self.sizes], self.sizes)
            on = diagonal(self.moments.sizes)
            theta = np.where(on, np.clip(theta, 0.2, 20.0), np.clip(theta, -20.0, 20.0))
        out = []
        for eta in self.residual_covariance.starts(self.residual):
            out.append(np.append(theta, eta))
        if self.groups and self.residual_covariance.nc:
            # a strong correlation may take the place of the random effects
            out.append(np.append(0.3 * theta, self.residual_covariance.starts(self.residual)[-1]))
        elif max(self.sizes, default=1) > 1:
            # many variances can share out what slopes say in more than one way
            small = theta_of([0.3 * np.eye(k) for k in self.sizes], self.sizes)
            out.append(np.append(small, self.residual_covariance.starts(self.residual)[0]))
        return out

    def fit(self, reml: bool = True, start: Array | None = None) -> GeneralFit:
        """Estimate all variance parameters by REML or ML."""
        self.check_response()
        variance = self.residual_covariance.variance
        if variance is not None and variance.of_mean:
            return self._fit_by_mean(reml, start)
        criterion = self.criterion(reml)
        starts = self.starts(reml) if start is None else [start]
        return GeneralFit(self, criterion, search(criterion, starts), reml)

    def _fit_by_mean(self, reml: bool, start: Array | None) -> GeneralFit:
        """Go round: fit, take the fitted mean as the covariate of the variances, fit again."""
        from mixedteach.fitting.residual.variance import follow_mean

        own = self.residual_covariance
        if self.groups:
            mean = self._plain().fit(reml).fitted
        else:
            mean = self.y - self.residual
        centre: float | None = None
        for _ in range(200):
            variance, centre = follow_mean(own.variance, mean, centre)
            if np.ptp(variance.A) < 1e-12:
                raise FitError(
                    "The fitted mean is the same in every row, so its power changes nothing: leave "
                    "variance=PowerOfMean() out."
                )
            problem = self.with_residual(Residual(own.correlation, variance))
            criterion = problem.criterion(reml)
            starts = problem.starts(reml) if start is None else [start]
            fit = GeneralFit(problem, criterion, search(criterion, starts), reml)
            start = _off_zero(fit)
            moved = np.abs(fit.fitted - mean).max()
            if moved < 1e-9 * np.abs(mean).max():
                return fit
            mean = fit.fitted
        fit.optimum = Optimum(fit.state, fit.optimum.path, fit.optimum.zero, False)
        return fit


def refit_near(problem: GeneralProblem, y: Array, reml: bool, start: Array) -> GeneralFit:
    """Fit a response drawn from a known model: from one good start, from all if it leads nowhere.

    For simulations. A sixth to a third of the time of the full search; in 960 fits of 12 models
    that the two were tried on, none ended elsewhere.
    """
    try:
        fit = problem.refit(y, reml, start)
    except (FitError, np.linalg.LinAlgError):
        return problem.refit(y, reml)
    return fit if fit.optimum.converged else problem.refit(y, reml)


def _off_zero(fit: GeneralFit) -> Array:
    """Return the optimum as a start: zero is stationary, and must be left if need be."""
    return np.where(fit.optimum.zero, 0.1, fit.state.theta)


class GeneralFit(Fit):
    """An optimum with a residual covariance; sigma is that of the search (see Variance.shift)."""

    criterion: GeneralCriterion
    problem: GeneralProblem

    @property
    def eta(self) -> Array:
        """The parameters of the residual covariance, as the search has them."""
        return self.state.theta[self.criterion.nt :]

    @property
    def residual(self) -> Residual:
        """The residual covariance structure."""
        return self.problem.residual_covariance

    @property
    def warm(self) -> Array:
        """A start for other responses."""
        return _off_zero(self)

    @cached_property
    def _effects(self) -> tuple[list[Array], list[Array]]:
        D = self.criterion.D(self.state.theta)
        return self.problem.moments.effects(D, self.eta, self.state.v)

    @cached_property
    def theta(self) -> Array:
        """Theta of the random effects in the bases as given; empty without them."""
        return super().theta if self.problem.groups else np.empty(0)

    @cached_property
    def normalised(self) -> Array:
        """Residuals made independent with variance one: F^-1 (y - X beta - Z b) / sigma."""
        return self.problem.moments.whiten(self.eta, self.resid) / np.sqrt(self.sigma2)

    @cached_property
    def log_sd(self) -> Array:
        """log(sd of each residual / sigma), shape (n,)."""
        return np.broadcast_to(self.residual.log_sd(self.eta), (self.n,))

    @cached_property
    def theta_hessian(self) -> tuple[Array, Array]:
        """Hessian of the deviance in (theta, eta, log sigma), and d (delta, eta) / dx."""
        state = self.state
        gradient, H, quad = self.criterion.natural(
            state.pieces, state.second, state.beta, state.Phi, self.sigma2
        )
        J, bend = self.criterion.chain(state.theta)
        H = J.T @ H @ J + np.einsum("r,rst->st", gradient[: self.criterion.nt], bend)
        cross = J.T @ (2 * quad / self.sigma2)
        free = ~self.optimum.zero
        H = np.block(
            [
                [H[np.ix_(free, free)], cross[free, None]],
                [cross[None, free], np.array([[4.0 * self.criterion.df]])],
            ]
        )
        return H, J[:, free]

    @cached_property
    def with_residual(self) -> tuple[Array, Array, Array]:
        """P, Q and T of (sigma^2, delta, eta), relative to sigma^2: V = sigma^2 U(delta, eta)."""
        pieces, p = self.state.pieces, self.problem.p
        R = len(pieces.T1)
        S, P, Q = pieces.S[:p, :p], pieces.P[:, :p, :p], pieces.Q[:, :, :p, :p]
        allQ = np.empty((R + 1, R + 1, p, p))
        allQ[0, 0], allQ[0, 1:], allQ[1:, 0], allQ[1:, 1:] = S, P, P, Q
        allT = np.empty((R + 1, R + 1))
        allT[0, 0], allT[0, 1:], allT[1:, 0], allT[1:, 1:] = self.n, pieces.T1, pieces.T1, pieces.T2
        return np.concatenate([S[None], P]), allQ, allT

    @cached_property
    def curvature(self) -> tuple[Pairs, Array, Array]:
        """Second derivatives V_ij of V in (sigma^2, delta, eta), relative to sigma^2.

        Returns the pairs (i, j) with i <= j, X'V^-1 V_ij V^-1 X for each, and tr(P V_ij P V_k) for
        each and every k (P the projection of REML).
        """
        D = self.criterion.D(self.state.theta)
        pieces, second = self.problem.moments.at(D, self.eta, all_pairs=True)
        R, p = len(self.state.pieces.T1), self.problem.p
        trace1, trace2, _, _ = traces(pieces, self.state.beta, self.state.Phi, reml=True)
        pairs = [(0, r + 1) for r in range(R)] + [(r + 1, s + 1) for r, s in second.pairs]
        # d2V / d sigma^2 d r = U_r, and with k = sigma^2 the trace is tr(P U_r), for P U P = P
        return (
            pairs,
            pieces.P[:, :p, :p],
            np.column_stack([trace1, trace2[:, :R]]),
        )
