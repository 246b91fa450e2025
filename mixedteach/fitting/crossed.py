r"""The same pieces as :mod:`mixedteach.fitting.blocks`, for crossed factors with many levels.

The factor with most levels (and what is nested with it) is eliminated component by component, as
there; the columns Z_b of the others, the border, ride along. Here they are kept *sparse*, for a
student has rated a few of a thousand lecturers, and what remains is symmetric:

    1. S = Z_b' W_1 Z_b = S_0 + H' M H       W_1 without the border's own variance; H = A^+ Z'Z_b
    2. B = I + L' S L = R R'                 D_b = L L'; one dense Cholesky factor
    3. K_b = L B^-1 L',   F = (I + D_b S)^-1,   M_b = F' S

Every vector Z'W x then costs a few products and one triangular solve. One number a parameter does
not come from vectors, T_r = tr(E_r M): it needs the diagonal blocks of B^-1. The traces of pairs,
T_rs, need whole products of matrices and are computed only when somebody asks for the exact
Hessian (degrees of freedom do); the search for the optimum takes the *average information*, in
which they cancel.

Sources: MixedModels.jl (documentation, "Details of the parameter estimation") for the order of
elimination; Gilmour, Thompson and Cullis (1995), Biometrics 51, 1440-1450, for the average
information.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mixedteach.fitting.blocks import (
    Bucket,
    Moments,
    Parameter,
    Pieces,
    Tied,
    parameters,
    pseudo_solve,
    term_sizes,
)
from mixedteach.fitting.stage import Stage, dense

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = np.ndarray
Layout = tuple[list[int], list[int], Array]


class LazyPieces(Pieces):
    """Pieces whose traces of pairs, ``T2``, are computed when they are first used."""

    def __init__(self, log_det: float, S: Array, P: Array, Q: Array, T1: Array,
                 pairs: Callable[[], Array]) -> None:  # fmt: skip
        vars(self).update(log_det=log_det, S=S, P=P, Q=Q, T1=T1, _pairs=pairs)

    @cached_property
    def T2(self) -> Array:  # type: ignore[override]
        """tr(E_r M E_s M) of every pair of parameters."""
        return self._pairs()


class CrossedMoments:
    """The data of a mixed model with a large border.

    The arguments are those of :class:`.blocks.Moments`; `layout` is what :func:`.blocks.plan`
    returns.
    """

    exact = False  # the search goes by average information

    def __init__(
        self, K: Array, codes: Sequence[Array], bases: Sequence[Array], groups: Sequence[int],
        tied: Sequence[bool], layout: Layout,
    ) -> None:  # fmt: skip
        self.n, self.w = K.shape
        self.sizes, self.groups = term_sizes(bases, tied), list(groups)
        self.parameters = parameters(self.sizes)
        self.inside, self.border, component = layout
        own = (list(range(len(self.inside))), [], component)
        flags = [isinstance(k, Tied) for k in self.sizes]
        chosen = [[x[t] for t in self.inside] for x in (codes, bases, groups, flags)]
        self.first = Moments(K, *chosen, own)
        self._number_effects(codes)
        self._condense(K, codes, bases)

    # -- building ------------------------------------------------------------------------------

    def _number_effects(self, codes: Sequence[Array]) -> None:
        """Give every effect a row in the stack [inside, bucket by bucket; border, term by term].

        ``start[t]`` is the row of the first effect of each group of term t; ``pairs[r]`` are the
        rows that E_r exchanges.
        """
        self.start: list[Array] = [np.empty(0, np.intp)] * len(self.sizes)
        first, count = self.first, 0
        begin = np.empty(sum(len(b.components) for b in first.buckets), np.intp)
        offset = np.empty((len(begin), len(self.inside)), np.intp)
        for bucket in first.buckets:
            C, q = len(bucket.components), bucket.A.shape[1]
            begin[bucket.components] = count + q * np.arange(C)
            for part, t in bucket.column_of:
                offset[bucket.components, t] = part.start
            count += C * q
        self.q_inside = count
        for t, term in enumerate(self.inside):
            component, local = first._place[t]
            row = np.empty(self.groups[term], np.intp)
            row[codes[term]] = begin[component] + offset[component, t] + local * self.sizes[term]
            self.start[term] = row
        for term in self.border:
            self.start[term] = count + self.sizes[term] * np.arange(self.groups[term])
            count += self.sizes[term] * self.groups[term]
        self.nb = count - self.q_inside
        self.pairs = [self._exchanged(r) for r in self.parameters]

    def _exchanged(self, r: Parameter) -> tuple[Array, Array]:
        start = self.start[r.term]
        if r.tied:  # E_r = I
            every = (start[:, None] + np.arange(self.sizes[r.term])).ravel()
            return every, every
        return start + r.a, start + r.b

    def _columns(
        self, terms: Sequence[int], codes: Sequence[Array], bases: Sequence[Array], shift: int
    ) -> csr_array:
        """Return the columns of Z of some terms, sparse."""
        from scipy.sparse import csr_array

        place = [self.start[t][codes[t]][:, None] + np.arange(self.sizes[t]) for t in terms]
        place, value = np.hstack(place) - shift, np.hstack([bases[t] for t in terms])
        each, width = place.shape[1], self.nb if shift else self.q_inside
        pointer = np.arange(0, self.n * each + 1, each)
        Z = csr_array((value.ravel(), place.ravel(), pointer), shape=(self.n, width))
        return Z

    def _condense(self, K: Array, codes: Sequence[Array], bases: Sequence[Array]) -> None:
        Zi, Zb = (
            self._columns(terms, codes, bases, shift)
            for terms, shift in ((self.inside, 0), (self.border, self.q_inside))
        )
        buckets = self.first.buckets
        shape = [(len(b.components), b.A.shape[1]) for b in buckets]
        self._indices = _block_indices(shape)
        N = (Zi.T @ Zb).tocsr()
        H = (
            self.block_diagonal([pseudo_solve(b.A, np.eye(b.A.shape[1])[None]) for b in buckets])
            @ N
        )
        self.HK = np.concatenate([b.H.reshape(-1, self.w) for b in buckets])
        self.H = H.toarray() if _is_dense(H) else H
        self.Ht = self.H.T if _is_dense(H) else H.T.tocsr()
        gram = Zb.T @ Zb
        self.border_diagonal = gram.diagonal()
        self.S0 = gram.toarray() - dense(N.T @ self.H)
        self.SK0 = Zb.T @ K - N.T @ self.HK

    @property
    def S(self) -> Array:
        """[Z_border K]' (I - P) [Z_border K], P the projection on the inside, as `Moments.S`."""
        return np.block([[self.S0, self.SK0], [self.SK0.T, self.first.S]])

    @property
    def buckets(self) -> list[Bucket]:
        """The components of the inside, as `Moments.buckets`."""
        return self.first.buckets

    def block_diagonal(self, blocks: Sequence[Array]) -> csr_array | Diagonal:
        """Return a block diagonal matrix from a stack of blocks (or one for all) a bucket."""
        from scipy.sparse import csr_array

        full = np.concatenate(
            [
                np.broadcast_to(block, (len(b.components), *block.shape[1:])).ravel()
                for block, b in zip(blocks, self.first.buckets, strict=True)
            ]
        )
        if len(full) == self.q_inside:
            return Diagonal(full)
        indices, pointer = self._indices
        return csr_array((full, indices, pointer), shape=(self.q_inside, self.q_inside))

    # -- evaluating ----------------------------------------------------------------------------

    def at(self, D: Sequence[Array], derivatives: bool = True) -> Pieces:
        """Evaluate the pieces at D, the list of k x k relative covariance matrices."""
        if derivatives:
            stage = Stage(self, D)
            P, Q = self._vectors(stage)
            pairs = partial(self._pair_traces, D)
            return LazyPieces(stage.log_det, stage.S_K, P, Q, stage.traces(), pairs)
        data, empty = self._without_zeros(D), np.zeros((0, 0))
        if not data.border:
            return self.first.at([D[t] for t in self.inside], False)
        stage = Stage(data, D, False)
        return Pieces(stage.log_det, stage.S_K, empty, empty, empty, empty)

    def roughly_at(self, D: Sequence[Array], probes: int = 10) -> Pieces:
        """Return pieces to start a search from: the traces of pairs are estimates.

        tr(X) is the mean of z'X z over vectors z of random signs (Hutchinson 1990, Commun. Stat.
        Simul. Comput. 19, 433-450). The signs are the same ones every time.
        """
        stage = Stage(self, D)
        z = np.random.default_rng(0).choice([-1.0, 1.0], (self.q_inside + self.nb, probes))
        Mz, R = stage.product(z), range(len(self.parameters))
        right = [stage.product(self.pattern(s, Mz)) for s in R]  # M E_s M z
        T2 = np.array([[np.vdot(self.pattern(r, z), right[s]) / probes for s in R] for r in R])
        return Pieces(stage.log_det, stage.S_K, *self._vectors(stage), stage.traces(),
                      0.5 * (T2 + T2.T))  # fmt: skip

    def _vectors(self, stage: Stage) -> tuple[Array, Array]:
        """Return P and Q, which need no more than products of Z'WZ and vectors."""
        R, w, C = len(self.parameters), self.w, stage.C
        EC = np.hstack([self.pattern(r, C) for r in range(R)])
        P = (C.T @ EC).reshape(w, R, w).transpose(1, 0, 2)
        Q = (EC.T @ stage.product(EC)).reshape(R, w, R, w).transpose(0, 2, 1, 3)
        return P, Q

    def _without_zeros(self, D: Sequence[Array]) -> CrossedMoments:
        """Return the data without the border's terms that have no variance: they do nothing."""
        keep = [t for t in self.border if D[t].any()]
        if len(keep) == len(self.border):
            return self
        rows = [self.start[t][:, None] - self.q_inside + np.arange(self.sizes[t]) for t in keep]
        own = np.concatenate([r.ravel() for r in rows]) if keep else np.empty(0, np.intp)
        other = object.__new__(CrossedMoments)
        vars(other).update(vars(self))
        other.border, other.nb = keep, len(own)
        other.H, other.Ht = self.H[:, own], self.Ht[own]
        other.S0, other.SK0 = self.S0[np.ix_(own, own)], self.SK0[own]
        return other

    def pattern(self, r: int, X: Array) -> Array:
        """Return E_r X, X with a row for every effect."""
        a, b = self.pairs[r]
        out = np.zeros_like(X)
        out[a] = X[b]
        out[b] = X[a]
        return out

    def _pair_traces(self, D: Sequence[Array]) -> Array:
        return Stage(self, D).pair_traces()

    def effects(self, D: Sequence[Array], v: Array) -> tuple[list[Array], list[Array]]:
        """Return predictions and relative conditional covariances; see :class:`.blocks.Moments`."""
        stage = Stage(self, D)
        score = stage.C @ v
        predictions, variances = [], []
        for t, (k, start) in enumerate(zip(self.sizes, self.start, strict=True)):
            own = score[start[:, None] + np.arange(k)]
            predictions.append(own @ D[t])
            variances.append(D[t] - D[t] @ stage.diagonal_blocks(t) @ D[t])
        return predictions, variances


@dataclass(frozen=True)
class Diagonal:
    """A diagonal matrix; products with sparse ones are many times quicker than SciPy's."""

    d: Array

    def __matmul__(self, X: Any) -> Any:
        from scipy.sparse import csr_array

        if isinstance(X, np.ndarray):
            return self.d[:, None] * X
        rows = X.tocsr()
        data = rows.data * np.repeat(self.d, np.diff(rows.indptr))
        return csr_array((data, rows.indices, rows.indptr), shape=rows.shape)

    def __getitem__(self, place: tuple[Array, Array]) -> Array:
        rows, columns = place
        return np.where(rows == columns, self.d[rows], 0.0)


def _is_dense(H: csr_array) -> bool:
    """Say whether a product with the dense matrix is quicker (measured: about one in ten)."""
    return H.nnz > 0.1 * H.shape[0] * H.shape[1]


def _block_indices(shape: Sequence[tuple[int, int]]) -> tuple[Array, Array]:
    """Return column indices and row pointers of a block diagonal matrix."""
    indices, lengths, start = [], [], 0
    for C, q in shape:
        rows = start + np.arange(C * q).reshape(C, 1, q)
        indices.append(np.broadcast_to(rows, (C, q, q)).ravel())
        lengths.append(np.full(C * q, q))
        start += C * q
    return np.concatenate(indices), np.append(0, np.cumsum(np.concatenate(lengths)))
