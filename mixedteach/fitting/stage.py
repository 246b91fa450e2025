r"""Both stages of the elimination of :mod:`mixedteach.fitting.crossed`, at one D.

The letters are those of that module: S = Z_b'W_1 Z_b, B = I + L'SL = RR', K_b = L B^-1 L',
F = (I + D_b S)^-1, M = Z'WZ. L is the symmetric root of D_b, a k x k block for every group.

Nothing is found as a difference of nearly equal numbers. Rows of F' X and M_b of a term whose
variance is not small follow from L^-1 (F' = L^-1 B^-1 L'); those of a small or zero variance from
F' = I - S K_b, where little is taken off.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.blas import dgemm
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from mixedteach.fitting.blocks import Parameter
    from mixedteach.fitting.crossed import CrossedMoments

Array = np.ndarray

_SMALL = 0.03  # below this relative sd, 1 - (B^-1)_jj would lose digits


class Stage:
    """What both stages give at one D: log|I + ZDZ'|, Z'WK, products with Z'WZ, traces."""

    def __init__(self, data: CrossedMoments, D: Sequence[Array], derivatives: bool = True) -> None:
        self.data, self.D = data, D
        inner = data.first.at([D[t] for t in data.inside], derivatives)
        self.inner = inner
        first, H = data.first, data.H
        Di = [D[t] for t in data.inside]
        self.blocks = [first._solve(b, Di)[0] for b in first.buckets]
        self.M = data.block_diagonal(self.blocks)
        self.S = data.S0 + dense(data.Ht @ (self.M @ H))
        self.SK = data.SK0 + data.Ht @ (self.M @ data.HK)
        self.roots = [_root(D[t]) for t in data.border]
        # B is symmetric, so its transpose is the same matrix in Fortran's order: no copy
        B = self.scale(self.S).T
        B[np.diag_indices(data.nb)] += 1.0
        self.R, failed = dpotrf(B, lower=1, overwrite_a=1, clean=1)
        if failed:
            raise np.linalg.LinAlgError("The border's matrix is not positive definite.")
        self.log_det = inner.log_det + 2 * float(np.log(np.diag(self.R)).sum())
        G = self.kernel(self.SK)
        S = inner.S - self.SK.T @ G
        self.S_K = 0.5 * (S + S.T)
        if derivatives:
            self.C = np.concatenate([self.M @ (data.HK - H @ G), self.turn(self.SK)])

    # -- the border: scaling by L, and what B^-1 gives -----------------------------------------

    def _parts(self) -> list[tuple[slice, Array]]:
        """Return the columns of each term of the border, and its root."""
        out, start = [], 0
        for t, root in zip(self.data.border, self.roots, strict=True):
            stop = start + self.data.groups[t] * self.data.sizes[t]
            out.append((slice(start, stop), root))
            start = stop
        return out

    def left(self, X: Array, inverse: bool = False) -> Array:
        """Return L X (or L^-1 X): L is symmetric, a k x k block for every group."""
        out = np.empty_like(X)
        for own, root in self._parts():
            root = np.linalg.inv(root) if inverse else root
            k = len(root)
            out[own] = (root @ X[own].reshape(-1, k, X.shape[1])).reshape(-1, X.shape[1])
        return out

    def scale(self, X: Array) -> Array:
        """Return L X L."""
        if all(len(root) == 1 for root in self.roots):
            sd = np.concatenate([np.full(own.stop - own.start, root[0, 0])
                                 for own, root in self._parts()])  # fmt: skip
            out = X * sd
            out *= sd[:, None]
            return out
        return self.left(self.left(X).T).T

    def kernel(self, X: Array) -> Array:
        """Return K_b X."""
        return self.left(dpotrs(self.R, self.left(X), lower=1)[0])

    def turn(self, X: Array) -> Array:
        """Return F' X = (I + S D_b)^-1 X, exact where D_b is large and where it is zero."""
        solved = dpotrs(self.R, self.left(X), lower=1)[0]
        out = np.empty_like(X)
        for own, root in self._parts():
            if _invertible(root):
                k = len(root)
                part = solved[own].reshape(-1, k, X.shape[1])
                out[own] = (np.linalg.inv(root) @ part).reshape(-1, X.shape[1])
            else:
                out[own] = X[own] - self.S[own] @ self.left(solved)
        return out

    def product(self, X: Array) -> Array:
        """Return Z'WZ X."""
        data, q = self.data, self.data.q_inside
        inside, border = X[:q], X[q:]
        t = data.Ht @ (self.M @ inside) + self.S @ border
        return np.concatenate(
            [self.M @ (inside + data.H @ (border - self.kernel(t))), self.turn(t)]
        )

    @cached_property
    def inverse(self) -> Array:
        """The lower triangle of B^-1, zeros above."""
        return dpotri(self.R, lower=1)[0]

    @cached_property
    def full_inverse(self) -> Array:
        """B^-1."""
        low = self.inverse
        out = low + low.T
        out[np.diag_indices(len(out))] *= 0.5
        return out

    # -- traces ----------------------------------------------------------------------------------

    def traces(self) -> Array:
        """Return T_r = tr(E_r M)."""
        data, out = self.data, np.empty(len(self.data.parameters))
        border = {t: self.border_blocks(t) for t in data.border}
        for r, p in enumerate(data.parameters):
            if p.term in data.inside:
                i = self._number(r)
                out[r] = self.inner.T1[i] - _trace(self.scale(self.carried(i)), self.inverse)
            else:
                out[r] = _pattern_trace(p, border[p.term])
        return out

    def _number(self, r: int) -> int:
        """Return the place of a parameter among those inside."""
        wanted, order = self.data.parameters[r], self.data.first.parameters
        return next(
            i for i, p in enumerate(order)
            if (self.data.inside[p.term], p.a, p.b) == (wanted.term, wanted.a, wanted.b)
        )  # fmt: skip

    def carried(self, *patterns: int) -> Array:
        """Return Z_b'W_1 Z_i E_r (M E_s) ... Z_i'W_1 Z_b for parameters inside, dense."""
        blocks = []
        for M, bucket in zip(self.blocks, self.data.first.buckets, strict=True):
            product = M
            for i in patterns:
                product = product @ (M[:, bucket.swap[i]] * bucket.mask[i][:, None])
            blocks.append(product)
        return dense(self.data.Ht @ (self.data.block_diagonal(blocks) @ self.data.H))

    def border_blocks(self, term: int) -> Array:
        """Return the k x k diagonal blocks of M of a term of the border."""
        own, root = self._parts()[self.data.border.index(term)]
        k, S = len(root), _blocks(self.S, own, len(root))
        if _invertible(root):
            back = np.linalg.inv(root)
            low = _blocks(self.inverse, own, k)  # a lower triangle
            symmetric = low + np.swapaxes(low, 1, 2) - low * np.eye(k)
            return back @ (np.eye(k) - symmetric) @ back
        rows = self.left(np.ascontiguousarray(self.S[:, own]))
        solved = dpotrs(self.R, rows, lower=1)[0]
        groups = (-1, len(S), k)
        product = np.einsum("iga,igb->gab", rows.reshape(groups), solved.reshape(groups))
        return S - product

    def diagonal_blocks(self, term: int) -> Array:
        """Return the k x k diagonal blocks of M of any term, one a group."""
        data = self.data
        if term in data.border:
            return self.border_blocks(term)
        k, start = data.sizes[term], data.start[term]
        from scipy.sparse import csr_array

        # M_1 H is sparse; the products of its rows with K_b are formed a few at a time
        C1 = csr_array(self.M @ data.H)
        Kb = self.left(np.ascontiguousarray(self.left(self.full_inverse).T))
        step = max(1, 4_000_000 // (data.nb * k))
        out = np.empty((len(start), k, k))
        for first in range(0, len(start), step):
            rows = start[first : first + step]
            parts = [C1[rows + a] for a in range(k)]
            carried = [part @ Kb for part in parts]
            for a in range(k):
                for b in range(k):
                    out[first : first + step, a, b] = -parts[a].multiply(carried[b]).sum(axis=1)
        for a in range(k):
            for b in range(k):
                out[:, a, b] += np.asarray(self.M[start + a, start + b]).ravel()
        return out

    def pair_traces(self) -> Array:
        """Return T_rs = tr(E_r M E_s M) of all pairs: the dear part of the exact Hessian."""
        data, R = self.data, len(self.data.parameters)
        out = np.empty((R, R))
        inside = [r for r, p in enumerate(data.parameters) if p.term in data.inside]
        border = [r for r, p in enumerate(data.parameters) if p.term in data.border]
        B = self.full_inverse
        carried = {}
        for r in inside:
            P = self.carried(self._number(r))
            V = dgemm(1.0, self.scale(P).T, B.T)  # L'P_r L B^-1
            carried[r] = V
            self._through(r, P, V, border, out)
        for r in inside:
            for s in inside[: inside.index(r) + 1]:
                i, j = self._number(r), self._number(s)
                Q = self.carried(i, j)
                out[r, s] = out[s, r] = (
                    self.inner.T2[i, j]
                    - 2 * np.sum(self.scale(Q) * B)
                    + np.sum(carried[r] * carried[s].T)
                )
        del carried
        M = self.border_product()
        shift = data.q_inside
        for r in border:
            for s in border[: border.index(r) + 1]:
                (a, b), (c, d) = ([rows - shift for rows in data.pairs[i]] for i in (r, s))
                p, o = data.parameters[r], data.parameters[s]
                value = _cross(M, b, c, d, a)  # sum of M[b, c] M[d, a]
                if p.a != p.b:
                    value += _cross(M, a, c, d, b)
                if o.a != o.b:
                    value += _cross(M, b, d, c, a)
                if p.a != p.b and o.a != o.b:
                    value += _cross(M, a, d, c, b)
                out[r, s] = out[s, r] = value
        return out

    def _through(self, r: int, P: Array, V: Array, border: list[int], out: Array) -> None:
        """Fill T_rs of one parameter inside and those of the border: tr(E_s F' P_r F)."""
        data = self.data
        for t in data.border:
            own, root = self._parts()[data.border.index(t)]
            k = len(root)
            if _invertible(root):
                back = np.linalg.inv(root)
                blocks = _row_blocks(self.full_inverse[own], V[:, own].T, k)
                blocks = back @ blocks @ back
            else:
                rows = self.transposed(own)
                blocks = _row_blocks(rows @ P, rows, k)
            for s in border:
                if data.parameters[s].term == t:
                    out[r, s] = out[s, r] = _pattern_trace(data.parameters[s], blocks)

    def transposed(self, own: slice) -> Array:
        """Return rows of F' = I - S K_b."""
        rows = -self.kernel(np.ascontiguousarray(self.S[:, own])).T
        rows[:, own] += np.eye(own.stop - own.start)
        return rows

    def border_product(self) -> Array:
        """Return M_b = F' S, from B^-1 where L can be inverted and from F' where it cannot."""
        M = np.eye(self.data.nb) - self.full_inverse
        safe = [np.linalg.inv(root) if _invertible(root) else np.zeros_like(root)
                for root in self.roots]  # fmt: skip
        for _ in range(2):
            for (own, _root), back in zip(self._parts(), safe, strict=True):
                k = len(back)
                M[own] = (back @ M[own].reshape(-1, k, len(M))).reshape(-1, len(M))
            M = np.ascontiguousarray(M.T)
        for own, root in self._parts():
            if not _invertible(root):
                rows = self.transposed(own) @ self.S
                M[own], M[:, own] = rows, rows.T
        return M


# -- small helpers -----------------------------------------------------------------------------


def dense(X: Array | csr_array) -> Array:
    """Return a matrix as an ndarray, be it sparse or not."""
    return X if isinstance(X, np.ndarray) else X.toarray()


def _pattern_trace(p: Parameter, blocks: Array) -> float:
    """Return tr(E_r X) from the diagonal blocks of X."""
    if p.tied:
        return float(np.trace(blocks, axis1=1, axis2=2).sum())
    value = blocks[:, p.a, p.b].sum()
    return float(value if p.a == p.b else value + blocks[:, p.b, p.a].sum())


def _root(D: Array) -> Array:
    """Return the symmetric square root of a positive semidefinite matrix."""
    if D.shape == (1, 1):
        return np.sqrt(D)
    values, vectors = np.linalg.eigh(D)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _invertible(root: Array) -> bool:
    return bool(np.linalg.eigvalsh(root)[0] > _SMALL)


def _trace(X: Array, low: Array) -> float:
    """Return tr(X Y) for symmetric X and the lower triangle of a symmetric Y."""
    return float(2 * np.vdot(X, low) - np.diag(X) @ np.diag(low))


def _blocks(X: Array, own: slice, k: int) -> Array:
    """Return the k x k diagonal blocks of X[own, own]."""
    start = np.arange(own.start, own.stop, k)
    index = start[:, None] + np.arange(k)
    return X[index[:, :, None], index[:, None, :]]


def _row_blocks(X: Array, Y: Array, k: int) -> Array:
    """Return the k x k diagonal blocks of X Y', without the rest of the product."""
    m, width = len(X) // k, X.shape[1]
    return np.einsum("gai,gbi->gab", X.reshape(m, k, width), Y.reshape(m, k, width))


def _cross(M: Array, a: Array, b: Array, c: Array, d: Array) -> float:
    """Return the sum over all i, j of M[a_i, b_j] M[c_j, d_i]."""
    return float(np.vdot(M[a[:, None], b], M[c[:, None], d].T))
