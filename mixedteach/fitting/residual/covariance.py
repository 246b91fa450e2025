r"""Gamma = S C S: correlation and variance structure together, with derivatives in eta.

With S = diag(exp(A eta_v)) and E_ij = exp(l_i + l_j), l = A eta_v,

    Gamma            = E * C                               (* entry by entry)
    d/d eta_c        = E * dC
    d/d eta_v,a      = (A_ia + A_ja) Gamma_ij
    d2/d eta_c d eta_v, d2/d eta_v d eta_v                 in the same way

Source: Pinheiro and Bates (2000), section 5.1, Lambda_i = V_i C_i V_i.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mixedteach.fitting.residual.correlation import Correlation, Pattern
from mixedteach.fitting.residual.parts import Scale
from mixedteach.fitting.residual.variance import Variance

Array = np.ndarray


class Residual:
    """The residual covariance of a model relative to sigma^2.

    Attributes
    ----------
    correlation, variance
        Either may be None.
    scales : list of Scale
        One a parameter: those of the correlation, then those of the variances.
    even : ndarray of bool
        See :class:`Correlation`.
    """

    def __init__(self, correlation: Correlation | None, variance: Variance | None) -> None:
        self.correlation, self.variance = correlation, variance
        self.scales: list[Scale] = []
        even: list[bool] = []
        if correlation is not None:
            self.scales += correlation.scales
            even += list(correlation.even)
        self.nc = len(self.scales)
        if variance is not None:
            self.scales += variance.scales
            even += [False] * len(variance.scales)
        self.even = np.array(even, bool)

    @property
    def size(self) -> int:
        """The number of parameters."""
        return len(self.scales)

    @property
    def text(self) -> str:
        """As arguments of a call: ``correlation=..., variance=...``."""
        parts = [("correlation", self.correlation), ("variance", self.variance)]
        return ", ".join(f"{name}={part.text}" for name, part in parts if part is not None)

    def starts(self, residual: Array) -> list[Array]:
        """Return values of eta to begin from; `residual` is what least squares leaves."""
        variance = np.empty(0)
        if self.variance is not None and self.size > self.nc:
            size = np.log(residual**2 + 1e-4 * float(residual @ residual) / len(residual))
            A = np.column_stack([np.ones(len(size)), self.variance.A])
            slopes = np.linalg.lstsq(A, 0.5 * size, rcond=None)[0][1:]
            variance = np.clip(slopes, -1.5, 1.5)
        firsts = [np.empty(0)] if self.correlation is None else self.correlation.starts
        starts = [np.append(first, variance) for first in firsts]
        if variance.any():
            starts.append(np.append(firsts[0], np.zeros_like(variance)))
        return starts

    def shown(self, eta: Array) -> Array:
        """Return the parameters as the reader sees them."""
        return np.array([scale.show(x) for scale, x in zip(self.scales, eta, strict=True)])

    def log_shift(self, eta: Array) -> float:
        """Return log(sigma of the reader / sigma of the search)."""
        return 0.0 if self.variance is None else float(self.variance.shift @ eta[self.nc :])

    def log_sd(self, eta: Array) -> Array:
        """Return log(s_i), shape (n,) (or a scalar zero)."""
        return np.zeros(1) if self.variance is None else self.variance.A @ eta[self.nc :]

    def new_log_sd(self, eta: Array, frame: pd.DataFrame, mean: Array) -> Array:
        """Return log(sd / sigma of the reader) of new rows."""
        if self.variance is None:
            return np.zeros(len(frame))
        return self.variance.log_sd(eta[self.nc :], frame, mean)

    def sets(self, rows: Array) -> ResidualSets:
        """Return Gamma for sets of rows, shape (sets, m)."""
        return ResidualSets(self, rows)


class ResidualSets:
    """Gamma(eta) and its derivatives for sets of rows of one size, stacked."""

    def __init__(self, residual: Residual, rows: Array) -> None:
        self.residual, self.rows = residual, rows
        self.shape = (*rows.shape, rows.shape[1])
        self.pattern: Pattern | None = None
        if residual.correlation is not None:
            self.pattern = residual.correlation.pattern(rows)

    def at(self, eta: Array) -> tuple[Array, list[Array], dict[tuple[int, int], Array]]:
        """Return Gamma, its first derivatives, and the second derivatives that are not zero."""
        nc = self.residual.nc
        if self.pattern is None:
            C, first, second = np.broadcast_to(np.eye(self.shape[1]), self.shape), [], {}
        else:
            C, first, second = self.pattern.at(eta[:nc])
        if self.residual.variance is None:
            return C, first, second
        A = self.residual.variance.A[self.rows]  # (sets, m, q)
        log_s = A @ eta[nc:]
        E = np.exp(log_s[:, :, None] + log_s[:, None, :])
        # equal entries of A on both sides: rows of levels that do not differ cost nothing more
        slopes = [A[:, :, None, a] + A[:, None, :, a] for a in range(A.shape[2])]
        Gamma = E * C
        first = [E * D for D in first] + [slope * Gamma for slope in slopes]
        second = {pair: E * D for pair, D in second.items()}
        for a, slope in enumerate(slopes):
            for c in range(nc):
                second[c, nc + a] = slope * first[c]
            for b in range(a + 1):
                second[nc + b, nc + a] = slope * first[nc + b]
        return Gamma, first, second
