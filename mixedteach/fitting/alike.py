r"""Blocks of random effects that are alike, so that one factorisation serves them all.

Random effects that no reading connects fall into *blocks* (a plank with its widths and depths).
Blocks with the same terms and the same A = Z_c'Z_c are alike; :mod:`mixedteach.fitting.batch` asks
of each kind M = (I + A D)^-1 A at many D, and what the fixed effects put into it, summed once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mixedteach.fitting.lmm import Problem

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Array = np.ndarray

_LARGEST = 120  # random effects in a block


@dataclass(frozen=True)
class Alike:
    """Blocks with the same A: their columns (C, q), A (q, q), h (C, q, p), G (q q, p p), E_r."""

    columns: Array
    A: Array
    inverse: Array
    h: Array
    G: Array
    swap: Array
    mask: Array
    pattern: Array


def columns_of(problem: Problem) -> tuple[csr_matrix, Array, Array]:
    """Return Z, and for each of its columns the term and the block it belongs to."""
    from scipy.sparse import csr_matrix, hstack
    from scipy.sparse.csgraph import connected_components

    n, parts, levels, block_of = problem.n, [], [], []
    rows, first = np.arange(n), 0
    for codes, basis, groups in zip(problem.codes, problem.turned, problem.groups, strict=True):
        k = basis.shape[1]
        where = (codes[:, None] * k + np.arange(k)).ravel()
        parts.append(csr_matrix((basis.ravel(), (np.repeat(rows, k), where)), (n, groups * k)))
        levels.append(csr_matrix((np.ones(n), (rows, codes)), (n, groups)))
        block_of.append(first + np.repeat(np.arange(groups), k))
        first += groups
    met = hstack(levels, format="csr")
    together = connected_components(met.T @ met, directed=False)[1]
    term = np.repeat(np.arange(len(parts)), [part.shape[1] for part in parts])
    return hstack(parts, format="csr"), term, together[np.concatenate(block_of)]


def blocks_alike(Z: csr_matrix, term: Array, block: Array) -> list[tuple[Array, Array]]:
    """Return blocks alike: their columns (C, q) and their common A."""
    size = np.bincount(block)
    if size.max(initial=0) > _LARGEST:
        raise NotTogether
    order = np.argsort(block, kind="stable")
    begin = np.concatenate([[0], np.cumsum(size)[:-1]])
    place = np.empty(len(order), np.intp)
    place[order] = np.arange(len(order)) - np.repeat(begin, size)
    gram = (Z.T @ Z).tocoo()
    out = []
    for q in np.unique(size):
        members = np.flatnonzero(size == q)
        rank = np.full(len(size), -1)
        rank[members] = np.arange(len(members))
        columns = order[begin[members][:, None] + np.arange(q)]
        A = np.zeros((len(members), q, q))
        own = rank[block[gram.row]] >= 0
        i, j = gram.row[own], gram.col[own]
        A[rank[block[i]], place[i], place[j]] = gram.data[own]
        key = np.hstack(
            [term[columns], np.round(A.reshape(len(A), -1) / max(A.max(), 1e-300), 11) + 0.0]
        )
        first, kind = np.unique(key, axis=0, return_index=True, return_inverse=True)[1:]
        out += [(columns[kind.ravel() == u], A[row]) for u, row in enumerate(first)]
    return out


class NotTogether(Exception):
    """The blocks are too large, or too different, to be worth fitting together."""


def condensed(columns: Array, A: Array, term: Array, sizes: list[int], N: Array) -> Alike:
    """Condense blocks with common A; N = Z'Q."""
    q, p = len(A), N.shape[1]
    inverse = np.linalg.pinv(A, rcond=1e-11, hermitian=True)
    h = inverse @ N[columns]
    G = np.einsum("ciu,cjv->ijuv", h, h, optimize=True).reshape(q * q, p * p)
    swaps, masks = [], []
    for t, k in enumerate(sizes):
        own = np.flatnonzero(term[columns[0]] == t).reshape(-1, k)
        for a in range(k):
            for b in range(a, k):
                swap, mask = np.arange(q), np.zeros(q)
                swap[own[:, a]], swap[own[:, b]] = own[:, b], own[:, a]
                mask[own[:, a]] = mask[own[:, b]] = 1.0
                swaps.append(swap)
                masks.append(mask)
    swap, mask = np.array(swaps), np.array(masks)
    pattern = np.zeros((len(swap), q, q))
    for r in range(len(swap)):
        pattern[r, np.arange(q), swap[r]] = mask[r]
    return Alike(columns, A, inverse, h, G, swap, mask, pattern)


def solve(kind: Alike, delta: Array) -> tuple[Array, Array]:
    """Return M = (I + A D)^-1 A and log|I + A D| for each delta."""
    q = len(kind.A)
    if q == 1:
        B = 1.0 + kind.A[0, 0] * delta[:, :1, None]
        return kind.A / B, np.log(B[:, 0, 0])
    D = (delta @ kind.pattern.reshape(len(kind.pattern), -1)).reshape(-1, q, q)
    B = np.eye(q) + kind.A @ D
    M = np.linalg.solve(B, kind.A)
    return 0.5 * (M + np.swapaxes(M, 1, 2)), np.linalg.slogdet(B)[1]
