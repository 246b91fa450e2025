r"""Many responses of one design at once: the deviance, its derivatives, Newton's method.

Bootstrap, power and simulation fit the same model to thousands of responses. The design is common
to all of them, so it is condensed once, and every step of the search is taken for all responses
together: an array operation instead of a thousand small ones.

Random effects that no reading connects fall into *blocks* (a plank with its widths and depths).
Blocks with the same A = Z_c'Z_c are *alike* and share one factorisation,

    M = (I + A D)^-1 A            (responses, q, q), one for all blocks alike,

and what the fixed effects ask of them is linear in products of M, with coefficients that are
summed over the blocks once:

    X'WX   = X'X - ... + sum_ij M_ij G_ij,        G_ij = sum_c h_ci h_cj',   h_c = A^+ Z_c'X
    tr(Phi P_r)  = tr(E_r Y),   tr(Phi Q_rs) = tr(E_r M E_s Y),   Y = M [sum_c h_c Phi h_c'] M

in the notation of :mod:`mixedteach.fitting.blocks`, whose formulas these are. With delta_r =
theta' T_r theta / 2 (T constant) the chain rule to theta is two matrix products.

Balanced designs have no need of it as long as no variance is nearly zero: their optima are known in
closed form (:mod:`mixedteach.fitting.closed_many`), and only what is left is searched for.

The search is that of :mod:`mixedteach.fitting.optimise`: Newton with the exact Hessian from
MIVQUE, zeros set exactly, a look for a second valley. A response for which any step is out of the
ordinary is handed to it.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from mixedteach.errors import FitError
from mixedteach.fitting.alike import NotTogether, blocks_alike, columns_of, condensed, solve
from mixedteach.fitting.blocks import Pieces
from mixedteach.fitting.closed_many import has_closed_form, regressed, solve_many
from mixedteach.fitting.criterion import jacobian
from mixedteach.fitting.lmm import Problem
from mixedteach.fitting.optimise import MODERATE, NEARLY, diagonal

Array = np.ndarray

_WORTH = 2e6  # multiplications for one evaluation beyond which nothing is gained
_LARGE = 100.0  # relative standard deviations beyond this are looked at one by one
_ROUNDS = 60
_CLOSED = 1000  # responses that are fitted in closed form at a time


@dataclass
class Responses:
    """What the search needs of B responses: y'y and X'y within blocks, A^+ Z'y of each kind."""

    Y: Array
    ols: Array
    yy: Array
    xy: Array
    h: list[Array]

    def __getitem__(self, rows: Array) -> Responses:
        return Responses(
            self.Y[rows], self.ols[rows], self.yy[rows], self.xy[rows], [h[rows] for h in self.h]
        )

    def __len__(self) -> int:
        return len(self.yy)


@dataclass
class States:
    """The criterion for B responses, each at its own theta (names as in `criterion.State`)."""

    theta: Array
    value: Array
    r2: Array
    beta: Array
    Phi: Array
    gradient: Array
    hessian: Array
    t1: Array
    t2: Array
    q1: Array
    q2: Array

    def __getitem__(self, rows: Array) -> States:
        return States(*(getattr(self, f.name)[rows] for f in fields(self)))

    def put(self, rows: Array, other: States) -> None:
        """Replace rows by those of `other`."""
        for f in fields(self):
            getattr(self, f.name)[rows] = getattr(other, f.name)


class Batch:
    """One design, ready for many responses.

    Parameters
    ----------
    problem : Problem
    reml : bool

    Raises
    ------
    NotTogether
        If fitting the responses one by one is quicker.
    """

    def __init__(self, problem: Problem, reml: bool = True) -> None:
        if any(problem.tied):  # effects that share a variance: one response at a time
            raise NotTogether
        self.problem, self.reml = problem, reml
        self.criterion = problem.criterion(reml)
        self.sizes = self.criterion.moments.sizes
        self.df, self.p, self.n = self.criterion.df, problem.p, problem.n
        self.closed = has_closed_form(problem, reml)
        self.on_diagonal = diagonal(self.sizes)
        R = len(self.on_diagonal)
        self.T = jacobian(np.zeros(R), self.sizes)[1]
        self.Z, term, block = columns_of(problem)
        blocks = blocks_alike(self.Z, term, block)
        self.work = _work([A for _, A in blocks], self.p, R, len(term))
        if self.work > _WORTH:
            raise NotTogether
        N = self.Z.T @ problem.Q
        self.kinds = [condensed(columns, A, term, self.sizes, N) for columns, A in blocks]
        self.XX = np.eye(self.p)
        for kind in self.kinds:
            self.XX = self.XX - np.einsum("ciu,ij,cjv->uv", kind.h, kind.A, kind.h, optimize=True)

    def responses(self, Y: Array) -> Responses:
        """Condense responses, shape (B, n)."""
        Q = self.problem.Q
        ols, residual = regressed(Q, Y)
        N = (self.Z.T @ residual.T).T
        yy, xy, hs = np.einsum("bi,bi->b", residual, residual), residual @ Q, []
        for kind in self.kinds:
            own = N[:, kind.columns]  # (B, C, q)
            h = own @ kind.inverse
            yy = yy - np.einsum("bcq,bcq->b", own, h)
            xy = xy - h.reshape(len(Y), -1) @ (kind.A @ kind.h).reshape(kind.columns.size, self.p)
            hs.append(h)
        return Responses(Y, ols, yy, xy, hs)

    # -- the criterion ---------------------------------------------------------------------------

    def at(self, theta: Array, of: Responses) -> States:
        """Evaluate the deviance and its derivatives: theta of shape (B, R), or (1, R) for all."""
        p, R, B = self.p, theta.shape[1], len(of)
        J = theta @ self.T  # (R, B, R): d delta_r / d theta
        J = np.moveaxis(J, 0, 1)
        delta = 0.5 * np.einsum("brs,bs->br", J, theta)
        log_det, t1, t2 = (
            np.zeros(len(theta)),
            np.zeros((len(theta), R)),
            np.zeros((len(theta), R, R)),
        )
        XX, xy, yy = self.XX.reshape(1, p * p), of.xy, of.yy
        solved = []
        for kind, h in zip(self.kinds, of.h, strict=True):
            q, C = len(kind.A), len(kind.columns)
            M, value = solve(kind, delta)
            log_det = log_det + C * value
            EM = M[:, kind.swap] * kind.mask[:, :, None]  # (B, R, q, q)
            t1 += C * np.trace(EM, axis1=2, axis2=3)
            t2 += C * _products(EM, EM)
            Mh = h @ M
            XX = XX + M.reshape(-1, q * q) @ kind.G
            xy = xy + Mh.reshape(B, -1) @ kind.h.reshape(C * q, p)
            yy = yy + np.einsum("bcq,bcq->b", Mh, h)
            solved.append((M, EM))
        XX = XX.reshape(len(XX), p, p)
        Phi, log_xx = _inverse(0.5 * (XX + np.swapaxes(XX, 1, 2)))
        beta = (Phi @ xy[:, :, None])[:, :, 0]
        r2 = yy - np.einsum("bi,bi->b", xy, beta)
        q1, q2, cross = np.zeros((B, R)), np.zeros((B, R, R)), np.zeros((B, R, p))
        PXX, inner1, inner2 = 0.0, 0.0, 0.0
        for kind, h, (M, EM) in zip(self.kinds, of.h, solved, strict=True):
            q, C = len(kind.A), len(kind.columns)
            flat = kind.h.reshape(C * q, p)
            u = (h - (beta @ flat.T).reshape(B, C, q)) @ M  # Z'W (y - X beta)
            Eu = np.moveaxis(u[:, :, kind.swap], 2, 1) * kind.mask[:, None, :]  # (B, R, C, q)
            MEu = (Eu @ M[:, None]).reshape(B, R, C * q)
            Eu = Eu.reshape(B, R, C * q)
            q1 += (Eu @ u.reshape(B, C * q, 1))[:, :, 0]
            q2 += Eu @ np.swapaxes(MEu, 1, 2)
            cross += MEu @ flat
            if self.reml:
                Y = M @ (Phi.reshape(len(Phi), p * p) @ kind.G.T).reshape(-1, q, q) @ M
                EY = Y[:, kind.swap] * kind.mask[:, :, None]
                inner1 = inner1 + np.trace(EY, axis1=2, axis2=3)
                inner2 = inner2 + _products(EM, EY)
                PXX = PXX + ((M[:, None] @ EM).reshape(-1, q * q) @ kind.G).reshape(len(M), R, p, p)
        q2 -= cross @ Phi @ np.swapaxes(cross, 1, 2)
        if self.reml:
            PhiP = Phi[:, None] @ PXX
            t1 = t1 - inner1
            t2 = t2 - inner2 - np.swapaxes(inner2, 1, 2) + _products(PhiP, PhiP)
        t2, q2 = (0.5 * (a + np.swapaxes(a, 1, 2)) for a in (t2, q2))
        return self._states(theta, J, log_det, log_xx, r2, beta, Phi, t1, t2, q1, q2)

    def _states(
        self, theta: Array, J: Array, log_det: Array, log_xx: Array, r2: Array, beta: Array,
        Phi: Array, t1: Array, t2: Array, q1: Array, q2: Array,
    ) -> States:  # fmt: skip
        """Profile sigma out and carry the derivatives from delta to theta."""
        B = len(r2)
        good = r2 > 0
        scale = np.where(good, r2, 1.0)
        value = log_det + self.df * (1 + np.log(2 * np.pi * scale / self.df))
        if self.reml:
            value = value + log_xx + self.criterion.constant
        value = np.where(good & np.isfinite(value), value, np.inf)
        e1 = q1 / scale[:, None]
        slope = t1 - self.df * e1
        curve = -t2 + self.df * (2 * q2 / scale[:, None, None] - e1[:, :, None] * e1[:, None, :])
        gradient = (slope[:, None] @ J)[:, 0]
        hessian = np.swapaxes(J, 1, 2) @ curve @ J
        hessian = hessian + (slope @ self.T.reshape(len(self.T), -1)).reshape(hessian.shape)

        def each(a: Array) -> Array:  # one for all becomes one for each
            return np.broadcast_to(a, (B, *a.shape[1:])).copy() if len(a) != B else a

        return States(
            each(theta), value, r2, beta, each(Phi), gradient, hessian, each(t1), each(t2), q1, q2
        )

    def design_pieces(self, theta: Array, second: bool = True) -> Pieces:
        """Return the pieces of `blocks` for X alone, each with a leading axis over theta.

        S is X'WX, P_r and Q_rs as in the module docstring there, T_r and T_rs without correction;
        without `second` Q is left zero.
        """
        p, R = self.p, theta.shape[1]
        delta = 0.5 * np.einsum("rst,bs,bt->br", self.T, theta, theta)
        log_det, S = np.zeros(len(theta)), self.XX[None]
        P, Q = np.zeros((len(theta), R, p, p)), np.zeros((len(theta), R, R, p, p))
        T1, T2 = np.zeros((len(theta), R)), np.zeros((len(theta), R, R))
        for kind in self.kinds:
            q, C = len(kind.A), len(kind.columns)
            M, value = solve(kind, delta)
            log_det += C * value
            EM = M[:, kind.swap] * kind.mask[:, :, None]
            T1 += C * np.trace(EM, axis1=2, axis2=3)
            T2 += C * _products(EM, EM)
            MEM = M[:, None] @ EM
            S = S + (M.reshape(-1, q * q) @ kind.G).reshape(len(M), p, p)
            P += (MEM.reshape(-1, q * q) @ kind.G).reshape(P.shape)
            if second:
                Q += ((MEM[:, :, None] @ EM[:, None]).reshape(-1, q * q) @ kind.G).reshape(Q.shape)
        return Pieces(log_det, 0.5 * (S + np.swapaxes(S, 1, 2)), P, Q, T1, T2)

    # -- the search ------------------------------------------------------------------------------

    def fit(self, Y: Array, tell: Callable[[int], object] = lambda count: None) -> BatchFit:
        """Estimate the variances for each response, a row of Y, shape (B, n).

        `tell` is called with the number of responses whenever some are done.
        """
        Y = np.atleast_2d(np.asarray(Y, float))
        if not self.closed:
            return self._search_all(Y, tell)
        parts = []
        for own in _pieces(Y, _CLOSED):
            parts.append(self._at_once(own))
            tell(int(np.isfinite(parts[-1].value).sum()))
        found = BatchFit.joined(self, parts)
        rest = np.flatnonzero(np.isnan(found.value))
        if len(rest):
            found.put(rest, self._search_all(Y[rest], tell))
        return found

    def _search_all(self, Y: Array, tell: Callable[[int], object]) -> BatchFit:
        parts = []
        for own in _pieces(Y, self.chunk):
            parts.append(self._search(own))
            tell(len(own))
        return BatchFit.joined(self, parts)

    def _at_once(self, Y: Array) -> BatchFit:
        """Fit in closed form; the deviance is NaN where that gives no optimum."""
        known = solve_many(self.problem, self.reml, Y)
        return BatchFit(
            self, known.theta, known.value, known.ols, known.r2 / self.df, np.zeros(len(Y), bool), 0
        )

    @property
    def chunk(self) -> int:
        """Responses that are fitted together: as many as the processor's cache holds."""
        R, p = len(self.on_diagonal), self.p
        numbers = (R + 1) * p * p + sum(
            (3 * R + 4) * k.A.size + (2 * R + 4) * k.columns.size for k in self.kinds
        )
        return int(np.clip(400_000 // max(numbers, 1), 16, 1024))

    def _search(self, Y: Array) -> BatchFit:
        """Search for the optima of a few responses, all of them together."""
        of = self.responses(Y)
        fitted = of.yy > self.n * (1e-13 * np.abs(Y).max(axis=1, initial=0.0)) ** 2
        odd = ~fitted  # left to the search for one response, which knows what to say
        theta = self.start(of)
        best = self.at(theta, of)
        rest = ~self._descend(best, of, np.ones(theta.shape, bool), fitted.copy())
        odd |= rest
        odd |= self._settle(best, of, ~odd)
        odd |= np.abs(best.theta).max(axis=1, initial=0.0) > _LARGE
        odd |= self._other_valley(best, of, ~odd)
        return BatchFit.of(self, Y, of, best, odd)

    def start(self, of: Responses) -> Array:
        """Return theta of each response after one scoring step from D = I (MIVQUE)."""
        R, B = len(self.on_diagonal), len(of)
        restricted = copy(self)
        restricted.reml = True  # MIVQUE is REML's
        one = restricted.at(self.on_diagonal[None].astype(float), of)
        t1, t2 = one.t1, one.t2
        delta = self.on_diagonal.astype(float)
        t01 = t1[0] - t2[0] @ delta
        t00 = (self.n - self.p) - t1[0] @ delta - t01 @ delta
        information = np.block([[np.array([[t00]]), t01[None]], [t01[:, None], t2[0]]])
        score = np.column_stack([one.r2 - one.q1 @ delta, one.q1])
        gamma = score @ np.linalg.pinv(information, hermitian=True)
        sigma2 = np.where(gamma[:, 0] > 0, gamma[:, 0], 0.1 * one.r2 / self.df)
        relative = gamma[:, 1:] / np.where(sigma2 > 0, sigma2, 1.0)[:, None]
        theta, first = np.empty((B, R)), 0
        for k in self.sizes:
            rows, columns = np.triu_indices(k)
            D, own = np.zeros((B, k, k)), slice(first, first + len(rows))
            D[:, rows, columns] = D[:, columns, rows] = relative[:, own]
            values, vectors = np.linalg.eigh(D)
            values = np.clip(values, 0.01, 1e6)
            root = np.linalg.cholesky((vectors * values[:, None]) @ np.swapaxes(vectors, 1, 2))
            theta[:, own] = root[:, columns, rows]
            first += len(rows)
        return theta

    def _descend(self, best: States, of: Responses, free: Array, active: Array) -> Array:
        """Newton's method from `best`, in place; returns which responses came to rest."""
        done = np.zeros(len(of), bool)
        scale = max(1.0, self.df)
        active = np.flatnonzero(active & np.isfinite(best.value))
        step, promised = self._newton(best[active], free[active])
        for _ in range(_ROUNDS):
            if not len(active):
                break
            now = best[active]
            last = promised < 1e-13 * scale
            trial = self.at(now.theta + step, of[active])
            allowed = np.where(promised >= 1e-8, -1e-4 * promised, 1e-10)
            falls = trial.value <= now.value + np.where(last, 1e-9, allowed)
            # where the end is reached, one more step squares the error, if rounding lets it
            better = np.abs(trial.gradient).sum(axis=1) <= np.abs(now.gradient).sum(axis=1)
            take = falls & (~last | better)
            best.put(active[take], trial[take])
            done[active[last]] = True
            again = falls & ~last
            step[~falls] *= 0.4
            promised = np.where(falls, promised, 0.4 * promised)
            if again.any():
                where = active[again]
                step[again], promised[again] = self._newton(best[where], free[where])
            flat = np.abs(np.where(free[active], best[active].gradient, 0.0)).max(axis=1, initial=0)
            exact = (promised < 1e-13 * scale) & (flat < 1e-11 * scale)
            done[active[exact]] = True
            keep = ~done[active]
            active, step, promised = active[keep], step[keep], promised[keep]
        return done

    def _newton(self, at: States, free: Array) -> tuple[Array, Array]:
        """Return the step of each response and how far the deviance should fall along it."""
        both = free[:, :, None] & free[:, None]
        values, vectors = np.linalg.eigh(np.where(both, at.hessian, 0.0))
        gradient = np.where(free, at.gradient, 0.0)
        slope = (gradient[:, None] @ vectors)[:, 0]
        values = np.abs(values)
        floor = 1e-10 * np.maximum(values.max(axis=1, initial=0.0), 1e-300)
        step = -(vectors @ (slope / np.maximum(values, floor[:, None]))[:, :, None])[:, :, 0]
        step = np.where(free, step, 0.0)  # eigenvectors are orthogonal to rounding only
        longest = np.abs(step).max(axis=1, initial=0.0)
        reach = 2.0 * (1.0 + np.abs(at.theta).max(axis=1, initial=0.0))
        step *= np.minimum(1.0, reach / np.maximum(longest, 1e-300))[:, None]
        return step, -np.einsum("br,br->b", gradient, step)

    def _settle(self, best: States, of: Responses, active: Array) -> Array:
        """Set vanishing standard deviations to zero exactly; return who needs a closer look."""
        odd = np.zeros(len(of), bool)
        small = self.on_diagonal & (np.abs(best.theta) < 0.05) & (best.theta != 0)
        rows = np.flatnonzero(small.any(axis=1) & active)
        if len(rows):
            theta = np.where(small[rows], 0.0, best.theta[rows])
            trial = self.at(theta, of[rows])
            rest = self._descend(trial, of[rows], theta != 0, np.ones(len(rows), bool))
            value = best.value[rows]
            no_worse = trial.value <= value + 1e-10 * np.maximum(1.0, np.abs(value))
            curve = np.diagonal(trial.hessian, axis1=1, axis2=2)
            stays = ((curve >= 0) | ~small[rows]).all(axis=1)
            take = rest & no_worse & stays
            best.put(rows[take], trial[take])
            # of several small ones, perhaps only some are zero
            odd[rows[~take & (small[rows].sum(axis=1) > 1)]] = True
        curve = np.diagonal(best.hessian, axis1=1, axis2=2)
        false = self.on_diagonal & (best.theta == 0) & (curve < -1e-8 * max(1.0, self.df))
        return odd | (false.any(axis=1) & active)

    def _other_valley(self, best: States, of: Responses, active: Array) -> Array:
        """Return for which responses the deviance is lower elsewhere (see `optimise`)."""
        odd = np.zeros(len(of), bool)
        near = self.on_diagonal & (np.abs(best.theta) < 1e-3)
        rows = np.flatnonzero(near.any(axis=1) & active)
        if len(rows):
            theta = np.tile(3.0 * self.on_diagonal, (len(rows), 1))
            trial = self.at(theta, of[rows])
            self._descend(trial, of[rows], np.ones(theta.shape, bool), np.ones(len(rows), bool))
            odd[rows[trial.value < best.value[rows] - 1e-9]] = True
        rows = np.flatnonzero(~near.any(axis=1) & active)
        for j in np.flatnonzero(self.on_diagonal):
            one = rows[np.abs(best.theta[rows, j]) < MODERATE]
            if len(one):
                theta = best.theta[one].copy()
                theta[:, j] = 0.0
                odd[one[self._lower_at_zero(theta, best, of, one)]] = True
        several = rows[(self.on_diagonal & (np.abs(best.theta[rows]) < MODERATE)).sum(axis=1) > 1]
        if len(several):
            theta = np.zeros((len(several), best.theta.shape[1]))
            odd[several[self._lower_at_zero(theta, best, of, several)]] = True
        return odd

    def _lower_at_zero(self, theta: Array, best: States, of: Responses, rows: Array) -> Array:
        """Say for which rows the deviance falls below the best, zeros of theta left at zero."""
        trial, value = self.at(theta, of[rows]), best.value[rows]
        if theta.shape[1] > 1:
            near = (trial.value >= value - 1e-9) & (trial.value < value + NEARLY)
            free = ~(self.on_diagonal & (theta == 0))
            self._descend(trial, of[rows], free, near & free.any(axis=1))
        return trial.value < value - 1e-9


def together(problem: Problem, reml: bool) -> Batch | None:
    """Return a problem made ready for many responses, or None if that gains nothing."""
    if type(problem) is not Problem:  # residual structures are fitted one by one
        return None
    try:
        return Batch(problem, reml)
    except NotTogether:
        return None


@dataclass
class BatchFit:
    """Optima of B responses.

    Attributes
    ----------
    theta : ndarray, shape (B, R)
        In the orthogonal bases of the problem.
    value : ndarray, shape (B,)
        The deviance, -2 log-likelihood; NaN where the model could not be fitted.
    coefficients : ndarray, shape (B, p)
        Of Q, the orthonormal columns of X.
    sigma2 : ndarray, shape (B,)
    boundary : ndarray of bool, shape (B,)
        A diagonal entry of Lambda is exactly zero.
    alone : int
        How many were left to the search for one response.
    """

    batch: Batch
    theta: Array
    value: Array
    coefficients: Array
    sigma2: Array
    boundary: Array
    alone: int

    @classmethod
    def of(cls, batch: Batch, Y: Array, of: Responses, best: States, odd: Array) -> BatchFit:
        """Collect what was found together, and fit the odd ones alone."""
        theta = _positive(best.theta, batch.sizes)
        value, sigma2 = best.value.copy(), best.r2 / batch.df
        coefficients = of.ols + best.beta
        for row in np.flatnonzero(odd):
            try:
                fit = batch.problem.refit(Y[row], batch.reml)
            except (FitError, np.linalg.LinAlgError):
                theta[row], value[row], coefficients[row], sigma2[row] = (np.nan,) * 4
                continue
            theta[row], value[row] = fit.state.theta, fit.state.value
            coefficients[row] = fit.problem.ols + fit.state.beta
            sigma2[row] = fit.sigma2
        zero = (batch.on_diagonal & (theta == 0)).any(axis=1)
        return cls(batch, theta, value, coefficients, sigma2, zero, int(odd.sum()))

    def put(self, rows: Array, other: BatchFit) -> None:
        """Replace rows by those of another."""
        for name in ("theta", "value", "coefficients", "sigma2", "boundary"):
            getattr(self, name)[rows] = getattr(other, name)
        self.alone += other.alone

    @classmethod
    def joined(cls, batch: Batch, parts: list[BatchFit]) -> BatchFit:
        """Put the parts of a long list of responses together."""
        names = ("theta", "value", "coefficients", "sigma2", "boundary")
        arrays = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
        return cls(batch, *arrays, sum(part.alone for part in parts))

    @cached_property
    def beta(self) -> Array:
        """Fixed effects, shape (B, p)."""
        R = self.batch.problem.R
        return np.linalg.solve(R, self.coefficients.T).T if self.batch.p else self.coefficients

    @cached_property
    def covariances(self) -> list[Array]:
        """Covariance matrices of each term's effects, (B, k, k), in the bases as given."""
        out, first = [], 0
        for k, turn in zip(self.batch.sizes, self.batch.problem.turns, strict=True):
            rows, columns = np.triu_indices(k)
            root = np.zeros((len(self.theta), k, k))
            root[:, columns, rows] = self.theta[:, first : first + len(rows)]
            root = turn @ root
            out.append(self.sigma2[:, None, None] * (root @ np.swapaxes(root, 1, 2)))
            first += len(rows)
        return out

    @property
    def loglik(self) -> Array:
        """The (restricted) log-likelihoods, shape (B,)."""
        return -0.5 * self.value


def _work(A: list[Array], p: int, R: int, columns: int) -> float:
    """Return the multiplications of one evaluation for one response."""
    return float(
        sum((R + 2) * a.size * p**2 + (R + 3) * a.size * len(a) for a in A)
        + (R + 2) * columns * max(len(a) for a in A)
    )


def _pieces(Y: Array, size: int) -> list[Array]:
    """Cut the rows of Y into pieces, one at least."""
    return [Y[start : start + size] for start in range(0, max(len(Y), 1), size)]


# -- small arrays, many of them --------------------------------------------------------------------


def _products(left: Array, right: Array) -> Array:
    """Return tr(left_r right_s), shape (B, R, R), of stacks (B, R, q, q)."""
    B, R = left.shape[:2]
    flat = np.swapaxes(right, 2, 3).reshape(len(right), R, -1)
    return left.reshape(B, R, -1) @ np.swapaxes(flat, 1, 2)


def _inverse(S: Array) -> tuple[Array, Array]:
    """Return S^-1 and log|S| of a stack of positive definite matrices."""
    if not S.shape[1]:
        return S, np.zeros(len(S))
    sign, log = np.linalg.slogdet(S)
    return np.linalg.inv(S), np.where(sign > 0, log, np.inf)


def _positive(theta: Array, sizes: list[int]) -> Array:
    """Turn columns of each Lambda so that its diagonal is not negative."""
    theta, first = theta.copy(), 0
    for k in sizes:
        for c in range(k):
            own = slice(first, first + k - c)
            theta[:, own] *= np.where(theta[:, first] < 0, -1.0, 1.0)[:, None]
            first += k - c
    return theta
