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

:func:`lay_out` says whether a design is of one of these kinds; all others take the road of
:mod:`mixedteach.fitting.blocks`, and tests hold the two together.

Source: Nelder (1965), Proc. R. Soc. A 283, for strata; the rest is algebra.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Protocol

import numpy as np

from mixedteach.fitting.blocks import Parameter, join, layouts, parameters

Array = np.ndarray

_TABLES = 12  # more tables than this would not be quicker
_LARGEST = 64  # columns of a component for which patterns are still looked for
_SAME = 1e-12  # relative difference that rounding makes of equal sizes


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

    def without(self, n: int, tables: Array) -> Rule | None:
        """Return the same with the degrees of freedom of fixed effects taken out.

        `tables` are those of orthonormal fixed effects. None if these do not lie one by one in
        the parts that the rule weights apart, so that REML is not ML with fewer degrees of freedom.
        """

    def invert(self, S: Array) -> Array:
        """Return the weights of S^-1 where ``without`` is not None."""

    def solve(self, squares: Array, df: float) -> Array | None:
        """Return the delta at which the deviance is stationary, where ``without`` is not None.

        `squares` are the tables of y alone. The deviance is convex in the logarithms of what the
        parts are weighted by, so that there is one such point; but some delta may be negative.
        """


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

    def without(self, n: int, tables: Array) -> Strata | None:
        """Return the strata with p_k taken off, if the tables of Q are projectors."""
        flat = tables.reshape(len(tables), -1)
        ranks = flat[:, :: tables.shape[1] + 1].sum(axis=1)
        if np.abs(ranks - (flat * flat).sum(axis=1)).max() > _SAME * n:
            return None
        count = self.count.copy()
        count[1:] -= np.rint(ranks)
        return Strata(self.g, self.members, count)

    def invert(self, S: Array) -> Array:
        """Return 1 / x."""
        return 1.0 / S

    def solve(self, squares: Array, df: float) -> Array | None:
        """Equate 1 + sum delta_r g_rk to the ratio of mean squares (analysis of variance)."""
        count = self.count[1:]
        rest = df - count.sum()
        if len(self.g) != len(count) or count.min() <= 0 or rest <= 0 or squares[0] <= 0:
            return None
        ratio = squares[1:] / count / (squares[0] / rest)
        try:
            return np.linalg.solve(self.g[:, 1:].T, ratio - 1.0)
        except np.linalg.LinAlgError:
            return None


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

    def without(self, n: int, tables: Array) -> SharedFactor | None:
        """Take off the effects that vary between components, if all do so in all coordinates.

        The tables of Q then multiply like matrix units, T_ij T_kl = T_il if j = k, else 0.
        """
        q, p = self.G.shape[1], tables.shape[1]
        T = tables.reshape(q, q, p, p)
        products = np.einsum("ijab,klbc->ijklac", T, T)
        units = np.einsum("jk,ilac->ijklac", np.eye(q), T)
        if p == 0 or np.abs(products - units).max() > _SAME * n:
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
        if 2 * R != q * (q + 1) or self.components <= 0 or rest <= 0 or squares[0] <= 0:
            return None
        ratio = squares[1:] / self.components / (squares[0] / rest)
        wanted = ratio - np.eye(q).ravel()
        return np.linalg.lstsq(self.G.reshape(R, -1).T, wanted, rcond=None)[0]


@dataclass
class Layout:
    """What a balanced design has whatever the response: Q in coordinates, and how they are summed.

    Attributes
    ----------
    rule : Rule
    F : ndarray, shape (coordinates,) or (q, coordinates)
        What takes sums N_c to coordinates, F'N_c; a vector stands for a diagonal matrix.
    effects : list of (ndarray of int, ndarray), each of shape (n,)
        Where each row of the data is added to the sums N, and times what.
    Y : ndarray, shape (C, coordinates, p)
        Of the fixed effects, orthonormal columns Q.
    restricted : Rule or None
        The rule with the degrees of freedom of the fixed effects taken out, if that gives REML.
    """

    n: int
    sizes: list[int]
    parameters: list[Parameter]
    rule: Rule
    F: Array
    effects: list[tuple[Array, Array]]
    Y: Array

    def __post_init__(self) -> None:
        p = self.Y.shape[2]
        tables = self.of_fixed[1:].reshape(len(self.rule.squares), p, p)
        self.restricted = self.rule.without(self.n, tables) if p else self.rule

    @cached_property
    def of_fixed(self) -> Array:
        """The tables of the fixed effects as rows, shape (K, p * p), S_0 first."""
        p = self.Y.shape[2]
        sums = self.rule.sums(self.Y).reshape(len(self.rule.squares), p * p)
        return np.concatenate([[np.eye(p).ravel() - self.rule.squares @ sums], sums])

    def inverse(self, S: Array) -> Array:
        """Return Phi = (Q'WQ)^-1 for the weights of S, where `restricted` is not None."""
        p = self.Y.shape[2]
        return (self.rule.invert(S) @ self.of_fixed).reshape(p, p)

    def tables(self, Q: Array, y: Array) -> Tables:
        """Return the tables of K = [Q y]; y must be orthogonal to Q."""
        rows = self.F.shape[0] * (1 if self.F.ndim == 1 else len(self.Y))
        N = sum(np.bincount(place, value * y, rows) for place, value in self.effects)
        own = _in_coordinates(N.reshape(len(self.Y), -1, 1), self.F)
        return Tables(self, own, y @ Q, float(y @ y))


@dataclass(frozen=True)
class Tables:
    """The tables T of one response, which stand where others have ``Moments``."""

    layout: Layout
    y: Array  # (C, coordinates, 1)
    Qy: Array  # zero but for rounding
    yy: float

    exact = True  # as in ``Moments``: the search has the exact Hessian

    @property
    def n(self) -> int:
        """Number of observations."""
        return self.layout.n

    @property
    def w(self) -> int:
        """Number of columns of K."""
        return len(self.Qy) + 1

    @property
    def sizes(self) -> list[int]:
        """Number of effects of each term."""
        return self.layout.sizes

    @property
    def parameters(self) -> list[Parameter]:
        """The variance parameters."""
        return self.layout.parameters

    @property
    def rule(self) -> Rule:
        """How the tables are weighted."""
        return self.layout.rule

    @cached_property
    def values(self) -> Array:
        """The tables, shape (K, w, w), S_0 first."""
        sums = self.rule.sums(np.concatenate([self.layout.Y, self.y], axis=2))
        rest = np.eye(self.w)
        rest[-1, :-1] = rest[:-1, -1] = self.Qy
        rest[-1, -1] = self.yy
        rest -= (self.rule.squares @ sums.reshape(len(sums), -1)).reshape(rest.shape)
        return np.concatenate([rest[None], sums])

    @cached_property
    def squares(self) -> Array:
        """The entries of y in the tables, shape (K,)."""
        sums = self.rule.sums(self.y).ravel()
        return np.concatenate([[self.yy - self.rule.squares @ sums], sums])

    def weighted(self, weights: Array) -> Array:
        """Return sums of the tables, weights (..., K), result (..., w, w)."""
        flat = self.values.reshape(len(self.values), -1)
        return (weights @ flat).reshape(*weights.shape[:-1], self.w, self.w)

    def delta(self, D: Sequence[Array]) -> Array:
        """Return the parameters that D is made of."""
        return np.array([D[r.term][r.a, r.b] for r in self.parameters])

    def at(self, D: Sequence[Array], derivatives: bool = True) -> TablePieces:
        """Return the pieces at D, as :meth:`mixedteach.fitting.blocks.Moments.at` does."""
        return TablePieces(self, self.delta(D))


class TablePieces:
    """The pieces of :mod:`mixedteach.fitting.blocks` at a delta, made when they are asked for."""

    def __init__(self, tables: Tables, delta: Array) -> None:
        self.tables, self.delta = tables, delta

    @cached_property
    def weights(self) -> Weights:
        """What the tables are multiplied by."""
        return self.tables.rule.weights(self.delta)

    @property
    def log_det(self) -> float:
        """log|I + Z D Z'|."""
        return self.weights.log_det

    @property
    def T1(self) -> Array:
        """tr(E_r M), shape (R,)."""
        return self.weights.T1

    @property
    def T2(self) -> Array:
        """tr(E_r M E_s M), shape (R, R)."""
        return self.weights.T2

    @cached_property
    def S(self) -> Array:
        """K'WK."""
        return self.tables.weighted(self.weights.S)

    @cached_property
    def P(self) -> Array:
        """K'W Z E_r Z'WK, shape (R, w, w)."""
        return self.tables.weighted(self.weights.P)

    @cached_property
    def Q(self) -> Array:
        """K'W Z E_r Z'WZ E_s Z'WK, shape (R, R, w, w)."""
        return self.tables.weighted(self.weights.Q)


def _in_coordinates(N: Array, F: Array) -> Array:
    """Return F'N for a stack N (C, q, w); a vector F stands for a diagonal matrix."""
    return N * F[:, None] if F.ndim == 1 else F.T @ N


# -- which designs -------------------------------------------------------------------------------


def lay_out(
    Q: Array, codes: Sequence[Array], bases: Sequence[Array], groups: Sequence[int],
    sizes: list[int],
) -> Layout | None:  # fmt: skip
    """Return the layout of a balanced design, or None for any other.

    Shapes as in :class:`mixedteach.fitting.blocks.Moments`; Q has orthonormal columns.
    """
    if sizes == [1]:  # the groups themselves are the coordinates, and may have a few sizes
        effects = [(codes[0], bases[0][:, 0])]
        found = _by_size(np.bincount(codes[0], effects[0][1] ** 2, groups[0]))
        C, q = 1, groups[0]
    else:
        placed = _place(codes, bases, groups)
        if placed is None:
            return None
        effects, C, q, first = placed
        A = np.zeros(C * q * q)
        for place, value in effects:
            for place2, value2 in effects:
                A += np.bincount(place * q + place2 % q, value * value2, C * q * q)
        A = A.reshape(C, q, q)
        E = np.array([_pattern(r, first[r.term], q, sizes[r.term]) for r in parameters(sizes)])
        found = _by_matrix(A[0], E, C) if _alike(A) else None
    if found is None:
        return None
    N = np.zeros((C * q, Q.shape[1]))
    for place, value in effects:
        for j in range(Q.shape[1]):
            N[:, j] += np.bincount(place, value * Q[:, j], C * q)
    rule, F = found
    Y = _in_coordinates(N.reshape(C, q, Q.shape[1]), F)
    return Layout(len(Q), sizes, parameters(sizes), rule, F, effects, Y)


def _place(
    codes: Sequence[Array], bases: Sequence[Array], groups: Sequence[int]
) -> tuple[list[tuple[Array, Array]], int, int, list[Array]] | None:
    """Return the effects, the number of components, and of columns in each.

    None if components differ in their numbers of groups, or are large. The last list has the first
    column of each group of a component, an array a term.
    """
    sizes = [basis.shape[1] for basis in bases]
    if np.dot(groups, sizes) > _LARGEST * min(groups):  # no more components than groups
        return None
    terms = sorted(range(len(codes)), key=lambda t: groups[t])
    component = np.asarray(codes[terms[0]])
    if len(component) > 2000:  # a look at one group, before all components are found
        own = component == component[0]
        seen = [len(np.unique(code[own])) for code in codes]
        if np.dot(seen, sizes) > _LARGEST:
            return None
    for t in terms[1:]:
        component = join(component, codes[t], groups[t])
    counts, local = layouts(component, codes, range(len(codes)), groups)
    C, q = len(counts), int(counts[0] @ sizes)
    if q > _LARGEST or C * q * q > max(8 * len(component), 100_000):
        return None
    if (counts != counts[0]).any():
        return None
    effects, columns, first = [], [], 0
    for t, (k, m) in enumerate(zip(sizes, counts[0], strict=True)):
        place = component * q + first + local[t] * k
        effects += [(place + a, np.ascontiguousarray(bases[t][:, a])) for a in range(k)]
        columns.append(first + k * np.arange(m))
        first += k * m
    return effects, C, q, columns


def _pattern(r: Parameter, first: Array, q: int, k: int) -> Array:
    """Return E_r of one component from the first column of each group of the term."""
    E = np.zeros((q, q))
    for a, b in [(a, a) for a in range(k)] if r.tied else [(r.a, r.b), (r.b, r.a)]:
        E[first + a, first + b] = 1.0
    return E


def _alike(A: Array) -> bool:
    return bool(np.abs(A - A[0]).max() <= _SAME * np.abs(A[0]).max())


def _by_size(a: Array) -> tuple[Strata, Array] | None:
    """Return the strata of groups with sizes a (sums of squares of z), and F^-1."""
    least, most = a.min(), a.max()
    root = np.sqrt(a)
    F = 1 / root if least > 0 else np.where(a > 0, 1 / np.where(a > 0, root, 1.0), 0.0)
    if most - least <= _SAME * most:
        g, members, count = [most], [slice(None)], [len(a)]
    else:
        ordered = np.sort(a)
        first = np.flatnonzero(np.diff(ordered, prepend=-1.0) > _SAME * most)
        if len(first) >= _TABLES:
            return None
        g = ordered[first]
        which = np.searchsorted(g, a + 0.5 * _SAME * most, side="right") - 1
        members = [np.flatnonzero(which == k) for k in range(len(g))]
        count = np.bincount(which)
    return Strata(np.array([[0.0, *g]]), members, np.array([0.0, *count])), F


def _by_matrix(A: Array, E: Array, components: int) -> tuple[Rule, Array] | None:
    """Return strata if the patterns commute, a shared factor if they are small, and F^-1'."""
    values, vectors = np.linalg.eigh(A)
    some = values > 1e-11 * values[-1]
    root = np.sqrt(values[some])
    F, back = vectors[:, some] * root, vectors[:, some] / root
    G = F.T @ E @ F
    size = np.abs(G).max()
    if all(np.abs(a @ b - b @ a).max() <= _SAME * size**2 for a, b in combinations(G, 2)):
        # a mixture in which no two strata are likely to have the same eigenvalue
        U = np.linalg.eigh(np.tensordot(np.sqrt(np.arange(2, 2 + len(G))), G, 1))[1]
        turned = U.T @ G @ U
        g = np.diagonal(turned, axis1=1, axis2=2)
        left = np.abs(turned - g[:, :, None] * np.eye(g.shape[1])).max()
        if left <= 10 * _SAME * size:
            first: list[int] = []
            which = np.empty(g.shape[1], int)
            for i, own in enumerate(g.T):
                near = [
                    k for k, j in enumerate(first) if np.abs(own - g[:, j]).max() <= _SAME * size
                ]
                which[i] = near[0] if near else len(first)
                first += [] if near else [i]
            if len(first) < _TABLES:
                members = [np.flatnonzero(which == k) for k in range(len(first))]
                count = np.append(0.0, components * np.bincount(which))
                sizes = np.where(np.abs(g[:, first]) <= _SAME * size, 0.0, g[:, first])
                return Strata(np.insert(sizes, 0, 0.0, axis=1), members, count), back @ U
    if len(root) ** 2 < _TABLES:
        return SharedFactor(G, components), back
    return None
