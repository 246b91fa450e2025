r"""Containment degrees of freedom: read off the design, not estimated.

*Nested groups* (nlme's rule). With grouping levels 1..Q, outermost first, m_0 = 1, m_i groups at
level i and m_{Q+1} = n, a column of X that varies within the groups of level i - 1 and is constant
within those of level i is charged to stratum i, which has

    denDF_i = m_i - m_{i-1} - (columns charged to it).

The intercept takes the largest denDF of all. Coefficients charge single columns, terms charge all
their columns to the innermost stratum in which any of them varies: two ledgers. A linear function
takes the smallest df among the columns it uses.

*Crossed groups*, for which nlme has no rule: SAS's. A fixed term takes the smallest rank that a
random effect containing it adds to [X Z]; a term that no random effect contains takes
n - rank[X Z]. Every random effect contains the intercept. A random slope (x|g) is two effects, g
and x:g, of which the second contains x. The effects enter in the order of their number of groups.

Small, crowded designs can leave nothing in a stratum: the df are then blank, and so is the test.

Sources: Pinheiro and Bates (2000), Mixed-Effects Models in S and S-PLUS, section 2.4.2; SAS/STAT
User's Guide, PROC MIXED, option DDFM=CONTAIN.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mixedteach.design import FixedDesign, RandomTerm
from mixedteach.errors import InferenceError
from mixedteach.fitting.blocks import condense, is_nested
from mixedteach.fitting.lmm import Fit
from mixedteach.fitting.room import NoRoom, gigabytes
from mixedteach.inference.functions import FTest, wald

Array = np.ndarray


class Containment:
    """Containment df of one fit.

    Attributes
    ----------
    columns : ndarray, shape (p,)
        denDF of each coefficient.
    terms : dict
        denDF of each term; ``()`` is the intercept.
    rule : str
        ``'nested groups'`` or ``'crossed groups'``.
    """

    def __init__(
        self, X: Array, fit: Fit, design: FixedDesign, positions: dict[tuple[str, ...], Array],
        random: Sequence[RandomTerm],
    ) -> None:  # fmt: skip
        self.cov = fit.cov_beta
        self.variances = fit.variances
        self._intercept = positions.get((), np.empty(0, int))
        self._size = np.sqrt(np.einsum("ij,ij->j", X, X) / len(X))
        chain = nested_chain(random)
        if chain is None:
            self.rule = "crossed groups, SAS's rule"
            self.columns, self.terms = _by_rank(X, design, positions, random)
            self._outermost = min(term.groups for term in random) - 1
        else:
            self.rule = "nested groups"
            self.columns, self.terms = _by_strata(X, positions, chain)
            self._outermost = int(chain[0].max())
        # nothing left in a stratum: no test
        self.columns = np.where(self.columns > 0, self.columns, np.nan)
        self.terms = {name: df if df > 0 else np.nan for name, df in self.terms.items()}
        self.name = f"containment ({self.rule})"

    def for_means(self) -> Containment:
        """Return the version for marginal means: the intercept counts m_1 - 1 (R's emmeans)."""
        other = copy(self)
        other.columns = self.columns.copy()
        other.columns[self._intercept] = self._outermost
        return other

    def df(self, L: Array) -> Array:
        """Return, for each row, the smallest df among the columns it uses."""
        share = np.abs(np.atleast_2d(L)) / self._size  # in units of the column, whatever they are
        used = share > 1e-4 * share.max(axis=1, keepdims=True)
        return np.where(used, self.columns, np.inf).min(axis=1)

    def test(self, L: Array, beta: Array) -> FTest:
        """Return the Wald F with the smallest df among the columns used."""
        F, q = wald(L, self.cov, beta)
        return FTest(F, q, float(self.df(L).min()) if q else np.nan)


def nested_chain(random: Sequence[RandomTerm]) -> list[Array] | None:
    """Return the distinct groupings, outermost first, if each is nested in the one before."""
    distinct: dict[str, Array] = {}
    for term in random:
        distinct.setdefault(term.label, term.codes)
    chain = sorted(distinct.values(), key=lambda codes: codes.max())
    for outer, inner in pairwise(chain):
        if not is_nested(inner, outer):
            return None
    return chain


def _varies_within(column: Array, codes: Array) -> bool:
    first = np.empty(int(codes.max()) + 1)
    first[codes] = column
    return bool((first[codes] != column).any())


def _by_strata(
    X: Array, positions: dict[tuple[str, ...], Array], chain: list[Array]
) -> tuple[Array, dict[tuple[str, ...], float]]:
    n, p = X.shape
    sizes = np.array([int(codes.max()) + 1 for codes in chain] + [n])
    room = sizes - np.concatenate([[0], sizes[:-1]])
    varies = np.array([np.ptp(X[:, j]) > 0 for j in range(p)], bool)
    stratum = np.array(
        [
            max([0] + [i + 1 for i, codes in enumerate(chain) if _varies_within(X[:, j], codes)])
            for j in range(p)
        ],
        int,
    )
    columns = _spend(room, stratum, np.ones(p), varies)
    names = [name for name, where in positions.items() if len(where)]
    term_varies = np.array([varies[positions[name]].any() for name in names], bool)
    term_stratum = np.array([stratum[positions[name]].max() for name in names], int)
    cost = np.array([len(positions[name]) for name in names], float)
    by_term = _spend(room, term_stratum, cost, term_varies)
    return columns, dict(zip(names, by_term, strict=True))


def _spend(room: Array, stratum: Array, cost: Array, varies: Array) -> Array:
    """Charge each column or term to its stratum and return what is left there."""
    left = room.astype(float)
    np.subtract.at(left, stratum[varies], cost[varies])
    if varies.all():
        left[1:] += 1  # no intercept: it does not use up a degree of the outermost stratum
    else:
        left[0] -= 1
    return np.where(varies, left[stratum], left.max())


def _by_rank(
    X: Array, design: FixedDesign, positions: dict[tuple[str, ...], Array],
    random: Sequence[RandomTerm],
) -> tuple[Array, dict[tuple[str, ...], float]]:  # fmt: skip
    blocks = _blocks(random)
    ranks = [rank(X, blocks[:i]) for i in range(len(blocks) + 1)]
    adds = [after - before for before, after in pairwise(ranks)]
    rest = len(X) - ranks[-1]
    terms: dict[tuple[str, ...], float] = {}
    by_column = np.full(X.shape[1], float(rest))
    for name, where in positions.items():
        used = {variable for part in name for variable in design.components[part].variables}
        inside = [add for add, block in zip(adds, blocks, strict=True) if used <= block.variables]
        terms[name] = float(min([add for add in inside if add > 0], default=rest))
        by_column[where] = terms[name]
    return by_column, terms


@dataclass(frozen=True)
class _Block:
    """One random effect in SAS's sense: the intercept or one slope of a group."""

    variables: frozenset[str]
    codes: Array
    basis: Array
    groups: int


def _blocks(random: Sequence[RandomTerm]) -> list[_Block]:
    """Split the random terms into single effects, few groups first."""
    blocks = []
    for term in sorted(random, key=lambda term: term.groups):
        for name, columns in term.design.columns.items():
            used = {v for part in name for v in term.design.components[part].variables}
            variables = frozenset(term.bar.group) | used
            blocks.append(_Block(variables, term.codes, term.basis[:, columns], term.groups))
    return blocks


def rank(X: Array, blocks: Sequence[_Block]) -> int:
    """Return rank [X Z] without forming Z.

    Component by component, rank [Z_c K] = rank A_c + rank of what is left of K after projection on
    Z_c; K holds X and the crossed factors (see :class:`mixedteach.fitting.blocks.Moments`).
    """
    try:
        moments = condense(
            X / _length(X),
            [block.codes for block in blocks],
            [block.basis / _length(block.basis) * np.sqrt(len(X)) for block in blocks],
            [block.groups for block in blocks],
        )
    except NoRoom as error:
        raise InferenceError(
            f"Containment df of crossed groups are the ranks of matrices of {error.size:,} x "
            f"{error.size:,} numbers, which need about {gigabytes(error.needed)} of memory, and "
            f"{gigabytes(error.free)} are free: use ddf='satterthwaite' or ddf='none'."
        ) from None
    size = np.concatenate([moments.border_diagonal, np.ones(len(X.T))])
    found = _rank_of_gram(moments.S, np.sqrt(np.where(size > 0, size, 1.0)))
    for bucket in moments.buckets:
        values = np.linalg.eigvalsh(bucket.A)
        found += bucket.copies * int((values > 1e-9 * values.max()).sum())
    return found


def _rank_of_gram(S: Array, size: Array) -> int:
    """Return the rank of a symmetric S >= 0 by Cholesky's factorisation with pivots.

    `size` are the lengths of the columns before the projection: what is left of one that lies in
    the others is rounding, relative to that.
    """
    from scipy.linalg.lapack import dpstrf

    scaled = np.asfortranarray(S / size[:, None] / size)
    if not (scaled.diagonal() > 1e-9).any():  # LAPACK would take the first pivot unseen
        return 0
    return int(dpstrf(scaled, tol=1e-9, lower=1, overwrite_a=1)[2])


def _length(columns: Array) -> Array:
    return np.maximum(np.sqrt(np.einsum("ij,ij->j", columns, columns)), 1e-300)
