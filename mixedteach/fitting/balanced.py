"""Which designs are balanced, and their coordinates.

A design is laid out in tables if all its components have the same A = Z_c'Z_c, or if it has one
random effect and groups of a few sizes; :mod:`mixedteach.fitting.strata` has the formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from mixedteach.fitting.blocks import Parameter, join, layouts, parameters
from mixedteach.fitting.strata import SAME, Rule, SharedFactor, Strata
from mixedteach.fitting.tables import Layout, in_coordinates

Array = np.ndarray

_TABLES = 12  # more tables than this would not be quicker
_DENSE = 20_000  # entries of Z' up to which it is written out
_LARGEST = 64  # columns of a component for which patterns are still looked for


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
    (rule, F), (n, p) = found, Q.shape
    if C * q * n <= _DENSE:
        Z = np.zeros((C * q, n))
        for place, value in effects:
            Z[place, np.arange(n)] = value
        N = Z.dot(Q)
    else:
        Z, N = None, np.zeros((C * q, p))
        for place, value in effects:
            for j in range(p):
                N[:, j] += np.bincount(place, value * Q[:, j], C * q)
    Y = in_coordinates(N.reshape(C, q, p), F)
    return Layout(n, sizes, parameters(sizes), rule, F, effects, Y, Z)


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
    return bool(np.abs(A - A[0]).max() <= SAME * np.abs(A[0]).max())


def _by_size(a: Array) -> tuple[Strata, Array] | None:
    """Return the strata of groups with sizes a (sums of squares of z), and F^-1."""
    least, most = a.min(), a.max()
    root = np.sqrt(a)
    F = 1 / root if least > 0 else np.where(a > 0, 1 / np.where(a > 0, root, 1.0), 0.0)
    if most - least <= SAME * most:
        g, members, count = [most], [slice(None)], [len(a)]
    else:
        ordered = np.sort(a)
        first = np.flatnonzero(np.diff(ordered, prepend=-1.0) > SAME * most)
        if len(first) >= _TABLES:
            return None
        g = ordered[first]
        which = np.searchsorted(g, a + 0.5 * SAME * most, side="right") - 1
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
    if all(np.abs(a @ b - b @ a).max() <= SAME * size**2 for a, b in combinations(G, 2)):
        # a mixture in which no two strata are likely to have the same eigenvalue
        U = np.linalg.eigh(np.tensordot(np.sqrt(np.arange(2, 2 + len(G))), G, 1))[1]
        turned = U.T @ G @ U
        g = np.diagonal(turned, axis1=1, axis2=2)
        left = np.abs(turned - g[:, :, None] * np.eye(g.shape[1])).max()
        if left <= 10 * SAME * size:
            first: list[int] = []
            which = np.empty(g.shape[1], int)
            for i, own in enumerate(g.T):
                near = [
                    k for k, j in enumerate(first) if np.abs(own - g[:, j]).max() <= SAME * size
                ]
                which[i] = near[0] if near else len(first)
                first += [] if near else [i]
            if len(first) < _TABLES:
                members = [np.flatnonzero(which == k) for k in range(len(first))]
                count = np.append(0.0, components * np.bincount(which))
                sizes = np.where(np.abs(g[:, first]) <= SAME * size, 0.0, g[:, first])
                return Strata(np.insert(sizes, 0, 0.0, axis=1), members, count), back @ U
    if len(root) ** 2 < _TABLES:
        return SharedFactor(G, components), back
    return None
