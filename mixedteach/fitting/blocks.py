r"""The fast path: everything a fit and its inference need, by blocks.

Write the model relative to sigma^2: Var(y) = sigma^2 (I + Z D Z'), W = (I + Z D Z')^-1. All that
the deviance, its first two derivatives, Satterthwaite and Kenward-Roger ask of the data are a few
small arrays. With K = [X y] and a variance parameter r that enters D through a 0/1 pattern E_r
(D = sum delta_r E_r):

    S    = K' W K                                  (p+1) x (p+1)
    P_r  = K' W Z E_r Z' W K                       (p+1) x (p+1)
    Q_rs = K' W Z E_r Z'W Z E_s Z' W K             (p+1) x (p+1)
    T_r  = tr(E_r M),  T_rs = tr(E_r M E_s M)      numbers, M = Z'W Z

No n x n matrix appears, and M is only ever formed in blocks. Grouping factors that are nested in
each other fall into connected components (a plank with its widths and depths) which are handled
each on its own: M_c = (I + A_c D_c)^-1 A_c with A_c = Z_c'Z_c. Factors that cross the others are
kept as a *border*: their columns ride along with X and y through the first stage, and a dense
elimination of their own size finishes the work (:meth:`Moments.at`).

Source: the idea of eliminating the largest factor first is that of MixedModels.jl (documentation,
"Details of the parameter estimation"); the algebra is the Woodbury identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mixedteach.fitting.crossed import CrossedMoments

Array = np.ndarray

MANY = 100  # columns in the border: from here on the sparse path is the quicker one


@dataclass(frozen=True)
class Parameter:
    """One variance parameter: entry (a, b) of the k x k covariance of a term, a <= b.

    If the term is tied: the one variance of all its effects, E_r = I (and a = b = 0).
    """

    term: int
    a: int
    b: int
    tied: bool = False


class Tied(int):
    """The number k of effects of a term that are independent and share one variance."""


def parameters(sizes: Sequence[int]) -> list[Parameter]:
    """List the variance parameters of all terms, column by column of each lower triangle."""
    out: list[Parameter] = []
    for t, k in enumerate(sizes):
        if isinstance(k, Tied):
            out.append(Parameter(t, 0, 0, True))
        else:
            out += [Parameter(t, a, b) for a in range(k) for b in range(a, k)]
    return out


def term_sizes(bases: Sequence[Array], tied: Sequence[bool]) -> list[int]:
    """Return the number of effects of each term."""
    flags = [*tied, *[False] * (len(bases) - len(tied))]
    return [
        Tied(basis.shape[1]) if one else basis.shape[1]
        for basis, one in zip(bases, flags, strict=True)
    ]


def entries(k: int) -> int:
    """Return the number of variance parameters of a term with k effects."""
    return 1 if isinstance(k, Tied) else k * (k + 1) // 2


@dataclass(frozen=True)
class Pieces:
    """The arrays of the module docstring at one D, for the K that was given."""

    log_det: float
    S: Array
    P: Array
    Q: Array
    T1: Array
    T2: Array


@dataclass
class Bucket:
    """Components of one layout: A (C or 1, q, q), H = A^+ Z'K (C, q, w), patterns E_r."""

    components: Array
    A: Array
    H: Array
    copies: int
    swap: Array
    mask: Array
    column_of: list[tuple[slice, int]]


class Moments:
    """The data of a mixed model, condensed once; :meth:`at` evaluates the pieces at a D.

    A border of :data:`MANY` columns and more is left to :class:`.crossed.CrossedMoments`.

    Parameters
    ----------
    K : ndarray, shape (n, w)
        [X y], best with orthonormal X and y already orthogonal to X (see the design notes).
    codes : list of ndarray of int, shape (n,)
        The group of each row, a vector a term.
    bases : list of ndarray, shape (n, k)
        The columns that the random effects of each term multiply.
    groups : list of int
        The number of groups of each term.
    tied : sequence of bool, optional
        Whether the effects of each term are independent and share one variance.
    layout : tuple, optional
        What goes inside and what into the border, from :func:`plan`.
    """

    exact = True  # the search has the exact Hessian; see :class:`.crossed.CrossedMoments`

    def __init__(
        self, K: Array, codes: Sequence[Array], bases: Sequence[Array], groups: Sequence[int],
        tied: Sequence[bool] = (),
        layout: tuple[list[int], list[int], Array] | None = None,
    ) -> None:  # fmt: skip
        self.n, self.w = K.shape
        self.sizes = term_sizes(bases, tied)
        self.groups = list(groups)
        self.parameters = parameters(self.sizes)
        self.inside, self.border, component = (
            plan(codes, self.sizes, self.groups, self.w) if layout is None else layout
        )
        self._border_offset = dict(
            zip(self.border, np.cumsum([0] + [self._width(t) for t in self.border]), strict=False)
        )
        self.nb = sum(self._width(t) for t in self.border)
        self._codes = codes
        self.S = self._border_gram(K, codes, bases)
        self.border_diagonal = np.diag(self.S)[: self.nb].copy()
        self.buckets: list[Bucket] = []
        self._place: dict[int, tuple[Array, Array]] = {}
        if self.inside:
            self._fill(K, codes, bases, component)

    def _width(self, term: int) -> int:
        return self.groups[term] * self.sizes[term]

    # -- building ------------------------------------------------------------------------------

    def _border_columns(
        self, codes: Sequence[Array], bases: Sequence[Array]
    ) -> list[tuple[Array, Array]]:
        """Return (column of each row, value of each row) for every effect of the border."""
        return [
            (self._border_offset[t] + codes[t] * self.sizes[t] + a, bases[t][:, a])
            for t in self.border
            for a in range(self.sizes[t])
        ]

    def _border_gram(self, K: Array, codes: Sequence[Array], bases: Sequence[Array]) -> Array:
        """Return [Z_border K]'[Z_border K]."""
        nb, w = self.nb, self.w
        S = np.empty((nb + w, nb + w))
        S[nb:, nb:] = K.T @ K
        cross = np.zeros((nb, w))
        gram = np.zeros(nb * nb)
        columns = self._border_columns(codes, bases)
        for place, value in columns:
            cross += _scatter(place, value, K, nb)
            for place2, value2 in columns:
                gram += np.bincount(place * nb + place2, value * value2, nb * nb)
        S[:nb, :nb] = gram.reshape(nb, nb)
        S[:nb, nb:] = cross
        S[nb:, :nb] = cross.T
        return S

    def _fill(
        self, K: Array, codes: Sequence[Array], bases: Sequence[Array], component: Array
    ) -> None:
        layout, local = layouts(component, codes, self.inside, self.groups)
        single = bool((layout == layout[0]).all())
        if single:
            shapes, which = layout[:1], np.zeros(len(layout), np.intp)
        else:
            shapes, which = np.unique(layout, axis=0, return_inverse=True)
            which = which.ravel()
        border = self._border_columns(codes, bases)
        for number, shape in enumerate(shapes):
            members = np.flatnonzero(which == number)
            rank = np.empty(len(layout), np.intp)
            rank[members] = np.arange(len(members))
            rows = slice(None) if single else np.flatnonzero(which[component] == number)
            comp = rank[component[rows]]
            widths = [m * self.sizes[t] for m, t in zip(shape, self.inside, strict=True)]
            offsets = np.cumsum([0, *widths])
            q, C = int(offsets[-1]), len(members)
            effects = [
                (start + local[t][rows] * self.sizes[t] + a, bases[t][rows, a])
                for start, t in zip(offsets, self.inside, strict=False)
                for a in range(self.sizes[t])
            ]
            A = np.zeros(C * q * q)
            N = np.zeros((C * q, self.nb + self.w))
            for column, value in effects:
                place = comp * q + column
                N[:, self.nb :] += _scatter(place, value, K[rows], C * q)
                for column2, value2 in border:
                    flat = place * self.nb + column2[rows]
                    N[:, : self.nb] += np.bincount(
                        flat, value * value2[rows], C * q * self.nb
                    ).reshape(C * q, self.nb)
                for column2, value2 in effects:
                    A += np.bincount(place * q + column2, value * value2, C * q * q)
            A = A.reshape(C, q, q)
            if C > 1 and np.allclose(A, A[:1], rtol=1e-12, atol=1e-12 * np.abs(A).max()):
                A = A[:1]  # balanced data: one factorisation serves all components
            N = N.reshape(C, q, -1)
            H = pseudo_solve(A, N)
            self.S = self.S - np.einsum("cqw,cqv->wv", N, H, optimize=True)
            swap, mask = self._patterns(shape, offsets, q)
            slices = [
                (slice(a, b), t) for (a, b), t in zip(pairwise(offsets), self.inside, strict=True)
            ]
            self.buckets.append(Bucket(members, A, H, C // len(A), swap, mask, slices))
        for t in self.inside:
            self._place[t] = (component, local[t])

    def _patterns(self, shape: Array, offsets: Array, q: int) -> tuple[Array, Array]:
        """Return E_r of each inside parameter as a row permutation and a 0/1 mask."""
        swaps, masks = [], []
        for r in self.parameters:
            if r.term not in self.inside:
                continue
            where = self.inside.index(r.term)
            first = offsets[where] + np.arange(shape[where]) * self.sizes[r.term]
            swap, mask = np.arange(q), np.zeros(q)
            swap[first + r.a], swap[first + r.b] = first + r.b, first + r.a
            for a in range(self.sizes[r.term]) if r.tied else (r.a, r.b):
                mask[first + a] = 1.0
            swaps.append(swap)
            masks.append(mask)
        return np.array(swaps), np.array(masks)

    # -- evaluating ----------------------------------------------------------------------------

    def _d_rows(self, bucket: Bucket, D: Sequence[Array], X: Array) -> Array:
        """Return D_c X for a stack of components, X of shape (C, q, columns)."""
        out = np.empty_like(X)
        for part, t in bucket.column_of:
            k = self.sizes[t]
            block = X[:, part]
            if k == 1:
                out[:, part] = D[t][0, 0] * block
            else:
                shaped = block.reshape(len(X), -1, k, X.shape[2])
                out[:, part] = (D[t] @ shaped).reshape(block.shape)
        return out

    def _solve(self, bucket: Bucket, D: Sequence[Array]) -> tuple[Array, float]:
        """Return M_c = (I + A_c D_c)^-1 A_c for each component, and sum log|I + A_c D_c|."""
        A = bucket.A
        q = A.shape[1]
        if q == 1:
            delta = D[bucket.column_of[0][1]][0, 0]
            B = 1.0 + A * delta
            return A / B, bucket.copies * float(np.log(B).sum())
        B = np.eye(q) + np.swapaxes(self._d_rows(bucket, D, A), 1, 2)  # (D A)' = A D
        M = np.linalg.solve(B, A)
        log_det = bucket.copies * float(np.linalg.slogdet(B)[1].sum())
        return 0.5 * (M + np.swapaxes(M, 1, 2)), log_det

    def at(self, D: Sequence[Array], derivatives: bool = True) -> Pieces:
        """Evaluate the pieces at D, the list of k x k relative covariance matrices."""
        S, log_det = self.S.copy(), 0.0
        R, w = self._inside_parameters, self.nb + self.w
        P, Q = np.zeros((R, w, w)), np.zeros((R * w, R * w))
        T1, T2 = np.zeros(R), np.zeros((R, R))
        for bucket in self.buckets:
            M, value = self._solve(bucket, D)
            log_det += value
            C = M @ bucket.H  # Z'W K
            S += bucket.H.reshape(-1, w).T @ C.reshape(-1, w)
            if not derivatives:
                continue
            EC = C[:, bucket.swap] * bucket.mask[:, :, None]  # (C, R, q, w)
            flat = C.reshape(-1, w)
            stacked = np.ascontiguousarray(EC.transpose(1, 3, 0, 2)).reshape(R * w, -1)
            P += (stacked @ flat).reshape(R, w, w)
            MEC = np.ascontiguousarray((M[:, None] @ EC).transpose(1, 3, 0, 2)).reshape(R * w, -1)
            Q += stacked @ MEC.T
            EM = M[:, bucket.swap] * bucket.mask[:, :, None]  # (U, R, q, q)
            T1 += bucket.copies * np.einsum("urii->r", EM)
            left = np.ascontiguousarray(EM.transpose(1, 0, 2, 3)).reshape(R, -1)
            right = np.ascontiguousarray(EM.transpose(1, 0, 3, 2)).reshape(R, -1)
            T2 += bucket.copies * (left @ right.T)
        Q = Q.reshape(R, w, R, w).transpose(0, 2, 1, 3)
        pieces = Pieces(log_det, 0.5 * (S + S.T), P, Q, T1, T2)
        return self._eliminate_border(pieces, D, derivatives) if self.border else pieces

    def roughly_at(self, D: Sequence[Array]) -> Pieces:
        """Return pieces to start a search from; here they are exact."""
        return self.at(D)

    @property
    def _inside_parameters(self) -> int:
        return sum(r.term in self.inside for r in self.parameters)

    def _border_d(self, D: Sequence[Array]) -> Array:
        """Return D of the border, dense (nb, nb)."""
        out = np.zeros((self.nb, self.nb))
        for t in self.border:
            start, k = self._border_offset[t], self.sizes[t]
            first = start + np.arange(self.groups[t]) * k
            for a in range(k):
                for b in range(k):
                    out[first + a, first + b] = D[t][a, b]
        return out

    def _border_step(
        self, S: Array, D: Sequence[Array]
    ) -> tuple[Array, Array, Array, Array, float]:
        """Return M_bb = (I + S_bb D)^-1 S_bb, F = (I + D S_bb)^-1, C_b, Gamma, log|I + S_bb D|.

        Each is solved for, not taken as a difference such as F = I - D M: where D is large F is
        small, and the difference would hold rounding alone.
        """
        nb = self.nb
        Sb, Db = S[:nb, :nb], self._border_d(D)
        B = np.eye(nb) + Sb @ Db
        solved = np.linalg.solve(B, np.hstack([Sb, np.eye(nb), S[:nb, nb:]]))
        M, F, Cb = solved[:, :nb], solved[:, nb : 2 * nb].T, solved[:, 2 * nb :]
        Gamma = np.vstack([-Db @ Cb, np.eye(self.w)])
        return 0.5 * (M + M.T), F, Cb, Gamma, float(np.linalg.slogdet(B)[1])

    def _eliminate_border(self, inner: Pieces, D: Sequence[Array], derivatives: bool) -> Pieces:
        """Second stage: take the crossed factors out of K by dense algebra of their own size."""
        nb, w = self.nb, self.w
        M, F, Cb, Gamma, log_det = self._border_step(inner.S, D)  # C_b = Z_b'W K
        S = inner.S[nb:, nb:] - inner.S[nb:, :nb] @ self._border_d(D) @ Cb
        if not derivatives:
            empty = np.zeros((0, 0))
            return Pieces(inner.log_det + log_det, 0.5 * (S + S.T), empty, empty, empty, empty)
        R = len(self.parameters)
        inside = [i for i, r in enumerate(self.parameters) if r.term in self.inside]
        outside = [i for i, r in enumerate(self.parameters) if r.term not in self.inside]
        P, Q = np.empty((R, w, w)), np.empty((R, R, w, w))
        T1, T2 = np.empty(R), np.empty((R, R))
        Kb = self._border_d(D) @ F.T  # D (I + S_bb D)^-1, symmetric
        GP = Gamma.T @ inner.P  # Gamma' P_r
        PK = inner.P[:, :nb, :nb] @ Kb
        for i, r in enumerate(inside):
            P[r] = GP[i] @ Gamma
            T1[r] = inner.T1[i] - np.trace(PK[i])
            for j, s in enumerate(inside):
                low = GP[i][:, :nb] @ Kb @ GP[j][:, :nb].T
                Q[r, s] = Gamma.T @ inner.Q[i, j] @ Gamma - low
                T2[r, s] = (
                    inner.T2[i, j]
                    - np.sum(Kb * (inner.Q[i, j] + inner.Q[j, i])[:nb, :nb].T)
                    + np.sum(PK[i] * PK[j].T)
                )
        ECb = {s: self._border_pattern(s, Cb) for s in outside}
        EM = {s: self._border_pattern(s, M) for s in outside}
        for s in outside:
            P[s] = Cb.T @ ECb[s]
            T1[s] = np.trace(EM[s])
            for t in outside:
                Q[s, t] = ECb[s].T @ M @ ECb[t]
                T2[s, t] = np.sum(EM[s] * EM[t].T)
            for i, r in enumerate(inside):
                Q[r, s] = GP[i][:, :nb] @ F @ ECb[s]
                Q[s, r] = Q[r, s].T
                through = F.T @ inner.P[i, :nb, :nb] @ F
                T2[r, s] = T2[s, r] = np.trace(self._border_pattern(s, through))
        return Pieces(inner.log_det + log_det, 0.5 * (S + S.T), P, Q, T1, T2)

    def _border_pattern(self, r: int, X: Array) -> Array:
        """Return E_r X for a border parameter."""
        p = self.parameters[r]
        first = self._border_offset[p.term] + np.arange(self.groups[p.term]) * self.sizes[p.term]
        out = np.zeros_like(X)
        pairs = [(a, a) for a in range(self.sizes[p.term])] if p.tied else [(p.a, p.b), (p.b, p.a)]
        for a, b in pairs:
            out[first + a] = X[first + b]
        return out

    # -- random effects ------------------------------------------------------------------------

    def effects(self, D: Sequence[Array], v: Array) -> tuple[list[Array], list[Array]]:
        """Return predictions D Z'W K v and relative conditional covariances, a pair a term.

        `v` is (-beta, 1) in the coordinates of K, so that K v = y - X beta. Shapes: (groups, k)
        and (groups, k, k); the covariance is D - D M D, Var(b | y) / sigma^2 with beta known.
        """
        predictions: list[Array] = [np.empty(0)] * len(self.sizes)
        variances: list[Array] = [np.empty(0)] * len(self.sizes)
        if self.border:
            S = self.at_inner(D)
            M, F, Cb, Gamma, _ = self._border_step(S, D)
            Kb = self._border_d(D) @ F.T
            score = Cb @ v
            for t in self.border:
                start, m, k = self._border_offset[t], self.groups[t], self.sizes[t]
                own = slice(start, start + m * k)
                blocks = M[own, own].reshape(m, k, m, k)[np.arange(m), :, np.arange(m), :]
                predictions[t] = score[own].reshape(m, k) @ D[t]
                variances[t] = D[t] - D[t] @ blocks @ D[t]
            v = Gamma @ v
        found: dict[int, tuple[list[Array], list[Array]]] = {}
        for bucket in self.buckets:
            M, _ = self._solve(bucket, D)
            C = M @ bucket.H
            score = C @ v
            for part, t in bucket.column_of:
                k = self.sizes[t]
                blocks = _diagonal_blocks(np.broadcast_to(M, (len(C), *M.shape[1:])), part, k)
                if self.border:
                    Cb = C[:, part, : self.nb].reshape(len(C), -1, k, self.nb)
                    blocks = blocks - np.einsum("cmab,bd,cmed->cmae", Cb, Kb, Cb, optimize=True)
                pair = found.setdefault(t, ([], []))
                pair[0].append(score[:, part].reshape(len(C), -1, k) @ D[t])
                pair[1].append(D[t] - D[t] @ blocks @ D[t])
        for t, (b, V) in found.items():
            predictions[t], variances[t] = self._unpack(t, b), self._unpack(t, V)
        return predictions, variances

    def at_inner(self, D: Sequence[Array]) -> Array:
        """Return [Z_border K]' W_1 [Z_border K], W_1 without the border's own variance."""
        S, w = self.S.copy(), self.nb + self.w
        for bucket in self.buckets:
            M, _ = self._solve(bucket, D)
            S += bucket.H.reshape(-1, w).T @ (M @ bucket.H).reshape(-1, w)
        return 0.5 * (S + S.T)

    def _unpack(self, term: int, stacks: list[Array]) -> Array:
        """Bring per-bucket stacks (components, local level, ...) into the order of the groups."""
        component, local = self._place[term]
        where = np.empty((component.max() + 1, 2), np.intp)
        for number, bucket in enumerate(self.buckets):
            where[bucket.components, 0] = number
            where[bucket.components, 1] = np.arange(len(bucket.components))
        # one row of data for each group tells where the group sits
        codes = self._codes[term]
        row = np.zeros(self.groups[term], np.intp)
        row[codes] = np.arange(len(codes))
        out = np.empty((self.groups[term], *stacks[0].shape[2:]))
        bucket_of, place = where[component[row]].T
        for number, stack in enumerate(stacks):
            own = bucket_of == number
            out[own] = stack[place[own], local[row[own]]]
        return out


def condense(
    K: Array, codes: Sequence[Array], bases: Sequence[Array], groups: Sequence[int],
    tied: Sequence[bool] = (),
) -> Moments | CrossedMoments:  # fmt: skip
    """Condense the data once, in the way that suits the design.

    Raises
    ------
    NoRoom
        If the matrices would not fit into memory.
    """
    from mixedteach.fitting.room import check_room

    sizes = term_sizes(bases, tied)
    layout = plan(codes, sizes, groups, K.shape[1])
    check_room(layout, codes, sizes, groups)
    many = sum(groups[t] * sizes[t] for t in layout[1]) >= MANY
    if not many:
        return Moments(K, codes, bases, groups, tied, layout)
    from mixedteach.fitting.crossed import CrossedMoments

    return CrossedMoments(K, codes, bases, groups, tied, layout)


def _scatter(place: Array, value: Array, K: Array, rows: int) -> Array:
    """Add value[i] * K[i] to row place[i] of a (rows, w) matrix."""
    w = K.shape[1]
    if K.size > 100_000:  # a column at a time needs no index as large as K
        return np.column_stack([np.bincount(place, value * column, rows) for column in K.T])
    flat = (place[:, None] * w + np.arange(w)).ravel()
    return np.bincount(flat, (value[:, None] * K).ravel(), rows * w).reshape(rows, w)


def pseudo_solve(A: Array, N: Array) -> Array:
    """Return A^+ N for stacks of positive semidefinite A."""
    if A.shape[1] == 1:
        return N / np.where(A == 0, 1.0, A)
    values, vectors = np.linalg.eigh(A)
    floor = 1e-11 * values[:, -1:]
    inverse = np.where(values > floor, 1 / np.where(values > floor, values, 1.0), 0.0)
    return (vectors * inverse[:, None, :]) @ (np.swapaxes(vectors, 1, 2) @ N)


def _diagonal_blocks(M: Array, part: slice, k: int) -> Array:
    """Return the k x k diagonal blocks of M[:, part, part], shape (C, m, k, k)."""
    own = M[:, part, part]
    m = own.shape[1] // k
    shaped = own.reshape(len(M), m, k, m, k)
    return shaped[:, np.arange(m), :, np.arange(m), :].transpose(1, 0, 2, 3)


# -- which factors go inside, which into the border ----------------------------------------------


def plan(
    codes: Sequence[Array], sizes: Sequence[int], groups: Sequence[int], w: int
) -> tuple[list[int], list[int], Array]:
    """Choose the terms handled by components and those kept as a border, by counting work.

    Returns the two lists of terms and, for each row, the component it belongs to. The term with
    most random effects opens the components; each further term joins them if that costs fewer
    multiplications than carrying its columns along as a border.
    """
    if not sizes:
        return [], [], np.empty(0, np.intp)
    order = sorted(range(len(sizes)), key=lambda t: -groups[t] * sizes[t])
    inside, border = [order[0]], []
    component = np.asarray(codes[order[0]])
    # terms in which the first is nested come next: they settle the components cheaply
    for t in sorted(order[1:], key=lambda t: not is_nested(component, codes[t])):
        joined = join(component, codes[t], groups[t])
        carried = w + sum(groups[s] * sizes[s] for s in border)
        with_border = carried + groups[t] * sizes[t]
        as_inside = _work(joined, [*inside, t], codes, sizes, groups, carried)
        as_border = _work(component, inside, codes, sizes, groups, with_border) + with_border**3
        if as_inside <= as_border:
            inside.append(t)
            component = joined
        else:
            border.append(t)
    return inside, border, component


def join(component: Array, codes: Array, groups: int) -> Array:
    """Merge components that share a level of a further factor."""
    if is_nested(codes, component):
        return component
    if is_nested(component, codes):
        return codes
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    first = int(component.max()) + 1
    size = first + groups
    edges = coo_matrix((np.ones(len(codes), np.int8), (component, codes + first)), (size, size))
    labels = connected_components(edges, directed=False)[1][component]
    return np.unique(labels, return_inverse=True)[1]


def is_nested(inner: Array, outer: Array) -> bool:
    """Say whether each level of `inner` lies in one level of `outer`."""
    parent = np.empty(int(inner.max()) + 1, np.intp)
    parent[inner] = outer
    return bool((parent[inner] == outer).all())


def levels_per_component(component: Array, codes: Array, groups: int) -> Array:
    """Return how many levels of a factor lie in each component."""
    owner = np.zeros(groups, np.intp)
    owner[codes] = component
    return np.bincount(owner, minlength=int(component.max()) + 1)


def _work(
    component: Array, terms: Sequence[int], codes: Sequence[Array], sizes: Sequence[int],
    groups: Sequence[int], w: int,
) -> float:  # fmt: skip
    q = sum(sizes[t] * levels_per_component(component, codes[t], groups[t]) for t in terms)
    q = np.asarray(q, float)
    return float((q**3 + 2 * q**2 * w + q * w**2 * len(terms)).sum())


def layouts(
    component: Array, codes: Sequence[Array], inside: Sequence[int], groups: Sequence[int]
) -> tuple[Array, dict[int, Array]]:
    """Return the number of levels of each term in each component, and each row's local level.

    Where the data hold many different layouts, sizes are rounded up so that few buckets remain;
    the padding levels have no data and change nothing.
    """
    count = int(component.max()) + 1
    layout, local = np.ones((count, len(inside)), np.intp), {}
    if len(inside) == 1:  # each group is its own component
        return layout, {inside[0]: np.zeros(len(component), np.intp)}
    for column, t in enumerate(inside):
        owner = np.zeros(groups[t], np.intp)
        owner[codes[t]] = component
        layout[:, column] = np.bincount(owner, minlength=count)
        order = np.argsort(owner, kind="stable")
        starts = np.concatenate([[0], np.cumsum(layout[:, column])[:-1]])
        rank = np.empty(groups[t], np.intp)
        rank[order] = np.arange(groups[t]) - starts[owner[order]]
        local[t] = rank[codes[t]]
    if len(inside) > 1 and len(np.unique(layout, axis=0)) > 12:
        steps = np.unique(np.ceil(1.35 ** np.arange(60)).astype(np.intp))
        layout = steps[np.searchsorted(steps, layout)]
    return layout, local
