r"""Balanced designs: all that the deviance asks of the data is in a handful of tables.

In balanced data every component has the same A = Z_c'Z_c = F F'. Write the sums N_c = Z_c'K in
orthonormal coordinates, Y_c = F^-1 N_c, and the patterns too, G_r = F'E_r F. Then the pieces of
:mod:`mixedteach.fitting.blocks` are sums over tables with weights that do not depend on the data:

    X    = (I + sum delta_r G_r)^-1                         q x q, once for all components
    S    = S_0 + sum_ij X_ij T_ij,    T_ij = sum_c y_ci y_cj',    S_0 = K'K - sum_i T_ii
    P_r  = sum_ij [X G_r X]_ij T_ij,  Q_rs = sum_ij [X G_r X G_s X]_ij T_ij
    T_r  = C tr(G_r X),               T_rs = C tr(G_r X G_s X)

Where the G_r commute (random intercepts, nested or crossed within a component) there are
coordinates in which all are diagonal. Coordinates with the same entries g_rk form a *stratum*: it
has one table T_k and one number x_k = 1 / (1 + sum delta_r g_rk), the lecture's plank stratum,
plank:width stratum and so on. One random effect with groups of a few sizes is of this kind as well:
a stratum for each size.

If, moreover, every fixed effect lies in one stratum (as in a split plot with all plots present),
least squares estimates beta, REML is ML with the degrees of freedom of the fixed effects taken out
of their strata, and the deviance has one stationary point: that of the analysis of variance.

:mod:`mixedteach.fitting.balanced` says whether a design is of one of these kinds; all others take
the road of :mod:`mixedteach.fitting.blocks`, and tests hold the two together.

Source: Nelder (1965), Proc. R. Soc. A 283, for strata; the rest is algebra.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

Array = np.ndarray

SAME = 1e-12  # relative difference that rounding makes of equal sizes
_SINGULAR = 1e-5  # relative singular value below which equations are not solved but searched


@dataclass(frozen=True)
class Weights:
    """What the tables are multiplied by (K tables, R parameters) and what needs no data."""

    log_det: float
    S: Array  # (K,)
    P: Array  # (R, K)
    Q: Array  # (R, R, K)
    T1: Array  # (R,)
    T2: Array  # (R, R)


class Rule(Protocol):
    """How coordinates are summed into tables, and how these are weighted."""

    def sums(self, Y: Array) -> Array:
        """Return the tables of Y (C, q, w), shape (K - 1, w, w); the first, S_0, is not here."""

    @property
    def squares(self) -> Array:
        """Which tables add up to sum_c Y_c'Y_c: 0 or 1 for each, shape (K - 1,)."""

    def inverse(self, delta: Array) -> tuple[float, Array]:
        """Return log|I + Z D Z'| and the weights of S, shape (K,)."""

    def weights(self, delta: Array) -> Weights:
        """Return all weights at delta."""

    def without(self, tables: Array) -> Rule | None:
        """Return the same with the degrees of freedom of fixed effects taken out.

        `tables` are those of orthonormal fixed effects. None if these do not lie one by one in
        the parts that the rule weights apart, so that REML is not ML with fewer degrees of freedom.
        """

    def invert(self, S: Array) -> Array:
        """Return the weights of S^-1 where ``without`` is not None."""

    def solve(self, squares: Array, df: float) -> Array | None:
        """Return the delta at which the deviance is stationary, where ``without`` is not None.

        `squares` are the tables of y alone, shape (K,) or (K, responses), the first positive. The
        deviance is convex in the logarithms of what the parts are weighted by, so that there is one
        such point; but some delta may be negative. Not finite if no delta will do.
        """

    def levels(self, delta: Array, squares: Array) -> tuple[Array, Array]:
        """Return the log-determinant and r^2, each of shape (B,), for delta (R, B)."""

    def many_squares(self, Y: Array) -> Array:
        """Return the tables of many responses, Y (C, q, B), shape (K - 1, B); S_0 is not here."""


@dataclass(frozen=True)
class Strata:
    """Commuting patterns: G_r is diagonal, with entry g_rk in all coordinates of stratum k."""

    g: Array  # (R, K), the first stratum is the residual's, with g = 0
    members: list[slice | Array]  # the coordinates of each stratum but the first
    count: Array  # (K,), degrees of freedom of each; 0 for the first

    def sums(self, Y: Array) -> Array:
        """Return T_k, the sum of squares and products of stratum k."""
        own = [Y[:, members] for members in self.members]
        rows = [part.reshape(part.shape[0] * part.shape[1], Y.shape[2]) for part in own]
        return np.array([part.T @ part for part in rows])

    @cached_property
    def squares(self) -> Array:
        """All of them."""
        return np.ones(len(self.members))

    @cached_property
    def _pairs(self) -> Array:
        return self.g[:, None] * self.g

    def inverse(self, delta: Array) -> tuple[float, Array]:
        """Return the log-determinant and x."""
        size = 1.0 + delta @ self.g
        return float(self.count @ np.log(size)), 1.0 / size

    def weights(self, delta: Array) -> Weights:
        """Return x, g x^2 and g g x^3 of each stratum."""
        log_det, x = self.inverse(delta)
        gx = self.g * x
        P, T1, T2 = gx * x, gx @ self.count, (gx * self.count) @ gx.T
        return Weights(log_det, x, P, self._pairs * (x * x * x), T1, T2)

    def without(self, tables: Array) -> Strata | None:
        """Return the strata with p_k taken off, if the tables of Q are projectors."""
        flat = tables.reshape(len(tables), -1)
        ranks = flat[:, :: tables.shape[1] + 1].sum(axis=1)
        if np.abs(ranks - (flat * flat).sum(axis=1)).max() > SAME:
            return None
        count = self.count.copy()
        count[1:] -= np.rint(ranks)
        return Strata(self.g, self.members, count)

    def invert(self, S: Array) -> Array:
        """Return 1 / x."""
        return 1.0 / S

    @cached_property
    def back(self) -> Array:
        """Takes sum delta_r g_rk of all strata to delta; empty if nothing does."""
        g = self.g[:, 1:].T
        if g.shape[0] != g.shape[1]:
            return np.empty((0, 0))
        if g.size == 1:
            return 1.0 / g
        own = g / np.maximum(np.abs(g).max(axis=0), 1e-300)
        singular = np.linalg.svd(own, compute_uv=False)
        return np.linalg.inv(g) if singular[-1] > _SINGULAR * singular[0] else np.empty((0, 0))

    def solvable(self, df: float) -> bool:
        """Say whether there are as many strata as variances, each with degrees of freedom."""
        count = self.count[1:].tolist()
        return self.back.size > 0 and min(count) > 0 and df > sum(count)

    def solve(self, squares: Array, df: float) -> Array | None:
        """Equate 1 + sum delta_r g_rk to the ratio of mean squares (analysis of variance)."""
        if not self.solvable(df):
            return None
        count = self.count[1:]
        ratio = (squares[1:].T / count).T / (squares[0] / (df - count.sum()))
        return self.back.dot(ratio - 1.0)

    def levels(self, delta: Array, squares: Array) -> tuple[Array, Array]:
        """Return the log-determinant and r^2 of many responses."""
        size = 1.0 + self.g.T.dot(delta)
        return self.count.dot(np.log(size)), (squares / size).sum(axis=0)

    def many_squares(self, Y: Array) -> Array:
        """Return the sum of squares of each stratum for many responses."""
        own = [Y[:, members] for members in self.members]
        return np.array([np.einsum("cib,cib->b", part, part) for part in own])


@dataclass(frozen=True)
class SharedFactor:
    """Patterns that do not commute (random slopes): q x q matrices, the same in C components."""

    G: Array  # (R, q, q)
    components: float  # C, or what is left of it

    def sums(self, Y: Array) -> Array:
        """Return T_ij, row by row."""
        C, q, w = Y.shape
        flat = Y.reshape(C, q * w)
        return (flat.T @ flat).reshape(q, w, q, w).transpose(0, 2, 1, 3).reshape(q * q, w, w)

    @cached_property
    def squares(self) -> Array:
        """Those with i = j."""
        return np.eye(self.G.shape[1]).ravel()

    @cached_property
    def _back(self) -> Array:
        """Takes sum delta_r G_r, row by row, to delta."""
        return np.linalg.pinv(self.G.reshape(len(self.G), -1).T)

    def _eigen(self, delta: Array) -> tuple[float, Array, Array]:
        """Return the log-determinant, the weights of S, and X."""
        R, q, _ = self.G.shape
        values, vectors = np.linalg.eigh((delta @ self.G.reshape(R, -1)).reshape(q, q))
        size = 1.0 + values
        X = (vectors / size) @ vectors.T
        S = np.ones(1 + q * q)
        S[1:] = X.ravel()
        return self.components * float(np.log(size).sum()), S, X

    def inverse(self, delta: Array) -> tuple[float, Array]:
        """Return the log-determinant and X as a row."""
        return self._eigen(delta)[:2]

    def weights(self, delta: Array) -> Weights:
        """Return X, X G_r X and X G_r X G_s X, a row each."""
        R, q, _ = self.G.shape
        log_det, S, X = self._eigen(delta)
        GX = self.G @ X
        XGX = X @ GX
        P, Q = np.zeros((R, 1 + q * q)), np.zeros((R, R, 1 + q * q))
        P[:, 1:] = XGX.reshape(R, -1)
        Q[:, :, 1:] = (XGX[:, None] @ GX).reshape(R, R, -1)
        flat = GX.reshape(R, -1)
        T1 = self.components * flat[:, :: q + 1].sum(axis=1)
        T2 = self.components * (flat @ GX.transpose(0, 2, 1).reshape(R, -1).T)
        return Weights(log_det, S, P, Q, T1, T2)

    def without(self, tables: Array) -> SharedFactor | None:
        """Take off the effects that vary between components, if all do so in all coordinates.

        The tables of Q then multiply like matrix units, T_ij T_kl = T_il if j = k, else 0.
        """
        q, p = self.G.shape[1], tables.shape[1]
        T = tables.reshape(q, q, p, p)
        products = np.einsum("ijab,klbc->ijklac", T, T)
        units = np.einsum("jk,ilac->ijklac", np.eye(q), T)
        if p == 0 or np.abs(products - units).max() > SAME:
            return None
        return SharedFactor(self.G, self.components - float(np.rint(np.trace(T[0, 0]))))

    def invert(self, S: Array) -> Array:
        """Return X^-1 as a row."""
        q = self.G.shape[1]
        return np.append(1.0, np.linalg.inv(S[1:].reshape(q, q)))

    def solve(self, squares: Array, df: float) -> Array | None:
        """Equate I + sum delta_r G_r to the ratio of mean squares and products."""
        R, q, _ = self.G.shape
        rest = df - q * self.components
        if 2 * R != q * (q + 1) or self.components <= 0 or rest <= 0:
            return None
        ratio = squares[1:] / self.components / (squares[0] / rest)
        ratio[:: q + 1] -= 1.0
        delta, G = self._back.dot(ratio), self.G.reshape(R, -1)
        missed = np.abs(G.T.dot(delta) - ratio).max(axis=0)
        return np.where(missed <= 1e-11 * np.abs(ratio).max(axis=0), delta, np.nan)

    def levels(self, delta: Array, squares: Array) -> tuple[Array, Array]:
        """Return the log-determinant and r^2 of many responses."""
        R, q, _ = self.G.shape
        size = np.eye(q) + (delta.T @ self.G.reshape(R, -1)).reshape(-1, q, q)
        X = np.linalg.inv(size).reshape(len(size), -1)
        r2 = squares[0] + np.einsum("bi,ib->b", X, squares[1:])
        return self.components * np.linalg.slogdet(size)[1], r2

    def many_squares(self, Y: Array) -> Array:
        """Return sum_c y_ci y_cj, row by row, for many responses."""
        return np.einsum("cib,cjb->ijb", Y, Y).reshape(-1, Y.shape[2])
