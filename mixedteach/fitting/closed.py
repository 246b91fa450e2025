r"""A small balanced design, fitted in one step: the analysis of variance.

Where every fixed effect lies in one stratum (see :mod:`mixedteach.fitting.strata`), one matrix
takes the response apart. The rows M_k of stratum k give its sum of squares q_k = |M_k y|^2, on
c_k degrees of freedom; those of the residual are k = 0. With mean squares s_k = q_k / c_k,

    1 + sum_r delta_r g_rk = s_k / s_0,    sigma^2 = s_0,
    deviance = sum_k c_k log(s_k / s_0) + N [1 + log(2 pi s_0)] (+ log|X'X| under REML)

at the optimum. Under REML c_k is what the fixed effects leave of the stratum, and N = n - p; under
ML c_k is all of it, and N = n. If a delta is small or negative, the optimum may lie at the boundary
and the search must find it.

Source: Nelder (1965), Proc. R. Soc. A 283; Searle, Casella and McCulloch (1992), Variance
Components, section 4.5.
"""

from __future__ import annotations

import math
from itertools import accumulate, pairwise

import numpy as np

from mixedteach.fitting.blocks import Tied
from mixedteach.fitting.optimise import SMALL, SUSPECT
from mixedteach.fitting.strata import Strata
from mixedteach.fitting.tables import Layout, in_coordinates

Array = np.ndarray

_ENTRIES = 20_000  # of the matrix: a larger one is slower than sums by group


def closed_form(
    layout: Layout | None, Q: Array, inverse_R: Array, reml: bool, constant: float
) -> ClosedForm | None:
    """Return the closed form of a design, or None where there is none or the design is large."""
    if layout is None or layout.Z is None:
        return None
    rule = layout.apart(reml)
    if not isinstance(rule, Strata):
        return None
    if any(k > 1 and not isinstance(k, Tied) for k in layout.sizes):
        return None
    rows = layout.n + layout.Y.shape[0] * layout.Y.shape[1]
    if rows * layout.n > _ENTRIES or not rule.solvable(layout.n - reml * Q.shape[1]):
        return None
    return ClosedForm(layout, rule, Q, inverse_R, reml, constant)


class ClosedForm:
    """What takes a response to its optimum in one step.

    Numbers that are few are kept as lists: Python is quicker with them than NumPy.
    """

    def __init__(
        self, layout: Layout, rule: Strata, Q: Array, inverse_R: Array, reml: bool, constant: float
    ) -> None:
        n, p = Q.shape
        self.N = n - p if reml else n
        self.constant = constant + self.N * (1 + math.log(2 * math.pi))
        self.M, self.parts, self.last = _matrix(layout, rule, Q, inverse_R)
        ones = self.M.sum(axis=1)
        # a number may be taken off y if the model has a mean: large numbers cost no digits then
        self.centred, self.mean = float(np.abs(ones[: self.last]).max()) < 1e-9, ones[self.last :]
        self.df = rule.count[1:].tolist()
        self.no_zero = np.zeros(len(rule.g), bool)
        self.no_zero.flags.writeable = False  # one for all fits
        self.rest = self.N - sum(self.df)
        # delta is this, and a multiple of the ratio of mean squares of each stratum
        self.less, self.back = (-rule.back.sum(axis=1)).tolist(), rule.back.T.tolist()

    def optimum(self, y: Array) -> tuple[Array, float, float, Array] | None:
        """Return theta, the deviance, r^2 = N sigma^2 and beta.

        None where there must be a search, or a value of y is missing or infinite.
        """
        shift = float(y[0]) if self.centred else 0.0
        if not math.isfinite(shift):
            return None
        u = self.M.dot(y - shift)
        own = u[self.parts[0]]
        square = float(own.dot(own))
        if not square > 1e-24 * float(y.dot(y)):  # next to nothing beside y: not by this road
            return None
        sigma2, value, delta = square / self.rest, self.constant, self.less
        for part, c, back in zip(self.parts[1:], self.df, self.back, strict=True):
            own = u[part]
            ratio = float(own.dot(own)) / (c * sigma2)
            if ratio <= 0.0:
                return None
            value += c * math.log(ratio)
            delta = [d + b * ratio for d, b in zip(delta, back, strict=True)]
        if min(delta) < SMALL**2 or max(delta) > SUSPECT**2:
            return None
        theta = np.array([math.sqrt(d) for d in delta])
        beta = u[self.last :] + shift * self.mean
        return theta, value + self.N * math.log(sigma2), self.N * sigma2, beta


def _matrix(
    layout: Layout, rule: Strata, Q: Array, inverse_R: Array
) -> tuple[Array, list[slice], int]:
    """Return M_0, M_1, ..., R^-1 Q' below each other, whose rows are which, the last's start."""
    n = layout.n
    Z = in_coordinates(layout.Z.reshape(len(layout.Y), -1, n), layout.F)
    rest, found = np.eye(n) - Q.dot(Q.T), []
    for members in rule.members:
        own = Z[:, members].reshape(-1, n)
        own = own - own.dot(Q).dot(Q.T)
        rest -= own.T.dot(own)
        found.append(own)
    stops = [0, *accumulate(map(len, (rest, *found)))]
    return (
        np.concatenate([rest, *found, inverse_R.dot(Q.T)]),
        [slice(*pair) for pair in pairwise(stops)],
        stops[-1],
    )
