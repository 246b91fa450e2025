"""The tables of a balanced design, and the pieces that are weighted sums of them.

:mod:`mixedteach.fitting.strata` has the formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mixedteach.fitting.blocks import Parameter
from mixedteach.fitting.strata import Rule, Weights

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = np.ndarray


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
    Z : ndarray, shape (C * q, n), or None
        What takes a response to its sums N, if it is small.
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
    Z: Array | None = None

    def __post_init__(self) -> None:
        p = self.Y.shape[2]
        self._sums = self.rule.sums(self.Y)
        self.restricted = self.rule.without(self._sums) if p else self.rule

    def apart(self, reml: bool) -> Rule | None:
        """Return the rule by which y alone gives the deviance; None where it takes X, too."""
        return self.restricted if reml or self.restricted is None else self.rule

    @cached_property
    def of_fixed(self) -> Array:
        """The tables of the fixed effects as rows, shape (K, p * p), S_0 first."""
        p = self.Y.shape[2]
        sums = self._sums.reshape(len(self._sums), p * p)
        return np.concatenate([[np.eye(p).ravel() - self.rule.squares @ sums], sums])

    def inverse(self, S: Array) -> Array:
        """Return Phi = (Q'WQ)^-1 for the weights of S, where `restricted` is not None."""
        p = self.Y.shape[2]
        return (self.rule.invert(S) @ self.of_fixed).reshape(p, p)

    @cached_property
    def sums(self) -> csr_array:
        """What takes responses (n, B) to their sums N (C * q, B)."""
        from scipy.sparse import csr_array

        rows = np.concatenate([place for place, _ in self.effects])
        columns = np.tile(np.arange(self.n), len(self.effects))
        values = np.concatenate([value for _, value in self.effects])
        shape = (len(self.Y) * len(self.F), self.n)
        return csr_array((values, (rows, columns)), shape=shape)

    def tables(self, Q: Array, y: Array) -> Tables:
        """Return the tables of K = [Q y]; y must be orthogonal to Q."""
        rows = len(self.Y) * len(self.F)
        N = sum(np.bincount(place, value * y, rows) for place, value in self.effects)
        own = in_coordinates(N.reshape(len(self.Y), -1, 1), self.F)
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


def in_coordinates(N: Array, F: Array) -> Array:
    """Return F'N for a stack N (C, q, w); a vector F stands for a diagonal matrix."""
    return N * F[:, None] if F.ndim == 1 else F.T @ N
