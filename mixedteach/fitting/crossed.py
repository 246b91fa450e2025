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
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.blas import dgemm
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs

from mixedteach.fitting.blocks import Moments, Pieces, parameters, plan, pseudo_solve

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = np.ndarray
Layout = tuple[list[int], list[int], Array]

MANY = 100  # columns in the border: from here on the sparse path is the quicker one
_SMALL = 0.03  # below this relative sd, 1 - (B^-1)_jj would lose digits


def condense(
    K: Array, codes: Sequence[Array], bases: Sequence[Array], groups: Sequence[int]
) -> Moments | CrossedMoments:
    """Condense the data once, in the way that suits the design."""
    sizes = [basis.shape[1] for basis in bases]
    layout = plan(codes, sizes, groups, K.shape[1])
    many = sum(groups[t] * sizes[t] for t in layout[1]) >= MANY
    return (CrossedMoments if many else Moments)(K, codes, bases, groups, layout)


class LazyPieces(Pieces):
    """Pieces whose traces of pairs, ``T2``, are computed when they are first used."""

    def __init__(self, log_det: float, S: Array, P: Array, Q: Array, T1: Array,
                 pairs: Callable[[], Array]) -> None:  # fmt: skip
        vars(self).update(log_det=log_det, S=S, P=P, Q=Q, T1=T1, _pairs=pairs)

    @cached_property
    def T2(self) -> Array:  # type: ignore[override]  # noqa: N802 - the letter of the formula
        """tr(E_r M E_s M) of every pair of parameters."""
        return self._pairs()


class CrossedMoments:
    """The data of a mixed model with a large border; see :class:`.blocks.Moments` for the arguments.

    `layout` is what :func:`.blocks.plan` returns.
    """

    exact = False  # the search goes by average information

    def __init__(
        self, K: Array, codes: Sequence[Array], bases: Sequence[Array], groups: Sequence[int],
        layout: Layout,
    ) -> None:  # fmt: skip
        self.n, self.w = K.shape
        self.sizes, self.groups = [basis.shape[1] for basis in bases], list(groups)
        self.parameters = parameters(self.sizes)
        self.inside, self.border, component = layout
        own = (list(range(len(self.inside))), [], component)
        chosen = [[x[t] for t in self.inside] for x in (codes, bases, groups)]
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
            row[codes[term]] = (
                begin[component] + offset[component, t] + local * self.sizes[term]
            )
            self.start[term] = row
        for term in self.border:
            self.start[term] = count + self.sizes[term] * np.arange(self.groups[term])
            count += self.sizes[term] * self.groups[term]
        self.nb = count - self.q_inside
        self.pairs = [(self.start[r.term] + r.a, self.start[r.term] + r.b) for r in self.parameters]

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
        H = self._sparse([pseudo_solve(b.A, np.eye(b.A.shape[1])[None]) for b in buckets]) @ N
        self.HK = np.concatenate([b.H.reshape(-1, self.w) for b in buckets])
        self.H = H.toarray() if _is_dense(H) else H
        self.Ht = self.H.T if _is_dense(H) else H.T.tocsr()
        self.S0 = (Zb.T @ Zb).toarray() - _dense(N.T @ self.H)
        self.SK0 = Zb.T @ K - N.T @ self.HK

    def _sparse(self, blocks: Sequence[Array]) -> csr_array:
        """Return a block diagonal matrix from a stack of blocks (or one for all) a bucket."""
        from scipy.sparse import csr_array

        full = [
            np.broadcast_to(block, (len(b.components), *block.shape[1:])).ravel()
            for block, b in zip(blocks, self.first.buckets, strict=True)
        ]
        indices, pointer = self._indices
        shape = (self.q_inside, self.q_inside)
        return csr_array((np.concatenate(full), indices, pointer), shape=shape)

    # -- evaluating ----------------------------------------------------------------------------

    def at(self, D: Sequence[Array], derivatives: bool = True) -> Pieces:
        """Evaluate the pieces at D, the list of k x k relative covariance matrices."""
        if derivatives:
            stage = _Stage(self, D)
            P, Q = self._vectors(stage)
            pairs = partial(self._pair_traces, D)
            return LazyPieces(stage.log_det, stage.S_K, P, Q, stage.traces(), pairs)
        data, empty = self._without_zeros(D), np.zeros((0, 0))
        if not data.border:
            return self.first.at([D[t] for t in self.inside], False)
        stage = _Stage(data, D, False)
        return Pieces(stage.log_det, stage.S_K, empty, empty, empty, empty)

    def roughly_at(self, D: Sequence[Array], probes: int = 10) -> Pieces:
        """Return pieces to start a search from: the traces of pairs are estimates.

        tr(X) is the mean of z'X z over vectors z of random signs (Hutchinson 1990, Commun. Stat.
        Simul. Comput. 19, 433-450). The signs are the same ones every time.
        """
        stage = _Stage(self, D)
        z = np.random.default_rng(0).choice([-1.0, 1.0], (self.q_inside + self.nb, probes))
        Mz, R = stage.product(z), range(len(self.parameters))
        right = [stage.product(self.pattern(s, Mz)) for s in R]  # M E_s M z
        T2 = np.array([[np.vdot(self.pattern(r, z), right[s]) / probes for s in R] for r in R])
        return Pieces(stage.log_det, stage.S_K, *self._vectors(stage), stage.traces(),
                      0.5 * (T2 + T2.T))  # fmt: skip

    def _vectors(self, stage: _Stage) -> tuple[Array, Array]:
        """Return P and Q, which need no more than products of Z'WZ and vectors."""
        R, w, C = len(self.parameters), self.w, stage.C
        EC = np.hstack([self.pattern(r, C) for r in range(R)])
        P = (C.T @ EC).reshape(w, R, w).transpose(1, 0, 2)
        Q = (EC.T @ stage.product(EC)).reshape(R, w, R, w).transpose(0, 2, 1, 3)
        return P, Q

    def _without_zeros(self, D: Sequence[Array]) -> CrossedMoments:
        """Return the data without the border's terms whose variance is zero: they count for nothing."""
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
        return _Stage(self, D).pair_traces()

    def effects(self, D: Sequence[Array], v: Array) -> tuple[list[Array], list[Array]]:
        """Return predictions and relative conditional covariances; see :class:`.blocks.Moments`."""
        stage = _Stage(self, D)
        score = stage.C @ v
        predictions, variances = [], []
        for t, (k, start) in enumerate(zip(self.sizes, self.start, strict=True)):
            own = score[start[:, None] + np.arange(k)]
            predictions.append(own @ D[t])
            variances.append(D[t] - D[t] @ stage.diagonal_blocks(t) @ D[t])
        return predictions, variances


class _Stage:
    """Both stages of the elimination at one D; the letters are those of the module's docstring."""

    def __init__(self, data: CrossedMoments, D: Sequence[Array], derivatives: bool = True) -> None:
        self.data, self.D = data, D
        inner = data.first.at([D[t] for t in data.inside], derivatives)
        self.inner = inner
        first, H = data.first, data.H
        Di = [D[t] for t in data.inside]
        self.blocks = [first._solve(b, Di)[0] for b in first.buckets]
        self.M = data._sparse(self.blocks)
        self.S = data.S0 + _dense(data.Ht @ (self.M @ H))
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

    # -- the border: scaling by L, and what B^-1 gives ----------------------------------------------

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
                own = border[p.term][:, p.a, p.b].sum()
                out[r] = own if p.a == p.b else 2 * own
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
        return _dense(self.data.Ht @ (self.data._sparse(blocks) @ self.data.H))

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
        m = S.shape[0]
        product = np.einsum("gai,gib->gab", np.swapaxes(rows.reshape(-1, m, k), 0, 1).transpose(0, 2, 1),
                            np.swapaxes(solved.reshape(-1, m, k), 0, 1))  # fmt: skip
        return S - product

    def diagonal_blocks(self, term: int) -> Array:
        """Return the k x k diagonal blocks of M of any term, one a group."""
        data = self.data
        if term in data.border:
            return self.border_blocks(term)
        k, start = data.sizes[term], data.start[term]
        # rows of M_1 H are sparse; their products with K_b are formed a few at a time
        from scipy.sparse import csr_array

        C1, inner = csr_array(self.M @ data.H), self.M
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
                out[:, a, b] += np.asarray(inner[start + a, start + b]).ravel()
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
                p = data.parameters[s]
                if p.term == t:
                    value = blocks[:, p.a, p.b].sum()
                    out[r, s] = out[s, r] = value if p.a == p.b else value + blocks[:, p.b, p.a].sum()

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


# -- small helpers -------------------------------------------------------------------------------


def _is_dense(H: csr_array) -> bool:
    """Say whether a product with the dense matrix is quicker (measured: about one in ten)."""
    return H.nnz > 0.1 * H.shape[0] * H.shape[1]


def _dense(X: Array | csr_array) -> Array:
    return X if isinstance(X, np.ndarray) else X.toarray()


def _block_indices(shape: Sequence[tuple[int, int]]) -> tuple[Array, Array]:
    """Return column indices and row pointers of a block diagonal matrix."""
    indices, lengths, start = [], [], 0
    for C, q in shape:
        rows = start + np.arange(C * q).reshape(C, 1, q)
        indices.append(np.broadcast_to(rows, (C, q, q)).ravel())
        lengths.append(np.full(C * q, q))
        start += C * q
    return np.concatenate(indices), np.append(0, np.cumsum(np.concatenate(lengths)))


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
