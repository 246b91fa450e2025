r"""Kenward and Roger's adjusted covariance and degrees of freedom.

With V = sum_r gamma_r G_r (the residual among them), Phi = (X'V^-1 X)^-1 and

    P_r  = - X'V^-1 G_r V^-1 X,       Q_rs = X'V^-1 G_r V^-1 G_s V^-1 X,
    W    = the inverse of the expected information, I_rs = tr(P G_r P G_s) / 2,

the covariance of beta-hat allowing for the estimation of the variances is

    Phi_A = Phi + 2 Phi [ sum_rs W_rs (Q_rs - P_r Phi P_s) ] Phi.

A hypothesis L beta = 0 with q rows is tested by lambda F on q and m degrees of freedom; lambda and
m follow from A_1, A_2 and B so that the first two moments of the statistic are right, and exactly
right where an exact F test exists. At the boundary every gamma is kept.

No n x n matrix is needed: the pieces come from :mod:`mixedteach.fitting.blocks`. (There P_r has no
minus sign; it enters twice, or changes sign here.)

Sources: Kenward and Roger (1997), Biometrics 53, 983-997; Halekoh and Hojsgaard (2014), J. Stat.
Softw. 59(9), section 3.
"""

from __future__ import annotations

import numpy as np

from mixedteach.fitting.lmm import Fit
from mixedteach.inference.functions import FTest

Array = np.ndarray


class KenwardRoger:
    """Kenward and Roger's method for one REML fit."""

    name = "Kenward-Roger"

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        P, Q, T = fit.with_residual
        Phi = fit.state.Phi
        PhiP = Phi @ P
        # everything relative to sigma^2: W then is the covariance of gamma / sigma^2
        inner = np.einsum("ij,rsji->rs", Phi, Q)
        information = 0.5 * (T - inner - inner.T + np.einsum("rij,sji->rs", PhiP, PhiP))
        self.W = _pseudo_inverse(information)
        middle = np.einsum("rs,rsij->ij", self.W, Q)
        middle -= np.einsum("rij,rjk->ik", P, np.einsum("rs,sij->rij", self.W, PhiP))
        self.PhiP = PhiP
        adjusted = Phi + 2 * Phi @ (middle - self._curvature(P)) @ Phi
        self.relative = 0.5 * (adjusted + adjusted.T)
        self.cov = fit.sigma2 * fit.inverse_R @ self.relative @ fit.inverse_R.T

    def _curvature(self, P: Array) -> Array | float:
        """Return what is left where V is not linear in its parameters: here it is."""
        return 0.0

    def variances(self, L: Array) -> Array:
        """Return the adjusted variance of each L_i beta, without the rounding of `cov`."""
        l = self.fit.to_q(np.atleast_2d(L))  # noqa: E741
        return self.fit.sigma2 * np.einsum("mi,ij,mj->m", l, self.relative, l)

    def df(self, L: Array) -> Array:
        """Return the degrees of freedom of each row of L, tested on its own."""
        return np.array([self._moments(row[None])[1] for row in self.fit.to_q(np.atleast_2d(L))])

    def test(self, L: Array, beta: Array) -> FTest:
        """Return the scaled F, its numerator and denominator df for L beta = 0."""
        # in the coordinates of Q, where a covariate far from its origin costs no digits
        l = _independent(self.fit.to_q(np.atleast_2d(L)), self.relative)  # noqa: E741
        q = len(l)
        if q == 0:
            return FTest(np.nan, 0, np.nan)
        scaling, m = self._moments(l)
        estimate = l @ (self.fit.problem.R @ beta)
        variance = self.fit.sigma2 * l @ self.relative @ l.T
        F = float(estimate @ np.linalg.solve(variance, estimate) / q)
        return FTest(scaling * F, q, m, scaling)

    def _moments(self, l: Array) -> tuple[float, float]:  # noqa: E741
        """Return lambda and m for the rows l, in the coordinates of Q."""
        q, Phi = len(l), self.fit.state.Phi
        Theta = l.T @ np.linalg.solve(l @ Phi @ l.T, l)
        U = Theta @ self.PhiP @ Phi  # Theta Phi P_r Phi
        trace = np.trace(U, axis1=1, axis2=2)
        A1 = float(trace @ self.W @ trace)
        A2 = float(np.einsum("rs,rij,sji->", self.W, U, U))
        B = (A1 + 6 * A2) / (2 * q)
        g = ((q + 1) * A1 - (q + 4) * A2) / ((q + 2) * A2) if A2 else 0.0
        c1 = g / (3 * q + 2 * (1 - g))
        c2 = (q - g) / (3 * q + 2 * (1 - g))
        c3 = (q + 2 - g) / (3 * q + 2 * (1 - g))
        V0, V1, V2 = 1 + c1 * B, 1 - c2 * B, 1 - c3 * B
        V0 = 0.0 if abs(V0) < 1e-10 else V0
        E = 1 - A2 / q
        # for one row E = V1, whatever rounding makes of them where both are nearly zero
        both_zero = abs(E) < 1e-14 and abs(V1) < 1e-14
        ratio = 1.0 if q == 1 or both_zero else E / V1
        with np.errstate(divide="ignore"):  # rho may be infinite: then m = 4
            rho = np.divide(ratio**2 * V0, q * V2)
            m = float(4 + np.divide(q + 2, q * rho - 1))
        scaling = 1.0 if abs(m - 2) < 1e-2 else m * E / (m - 2)
        return scaling, m


def _independent(L: Array, cov: Array) -> Array:
    """Return rows that span those of L, without repetition."""
    values, vectors = np.linalg.eigh(L @ cov @ L.T)
    keep = values > 1e-10 * max(values.max(initial=0.0), 0.0)
    return L if keep.all() else vectors[:, keep].T @ L


def _pseudo_inverse(information: Array) -> Array:
    scale = 1 / np.sqrt(np.maximum(np.diag(information), 1e-300))
    scaled = scale[:, None] * information * scale
    return scale[:, None] * np.linalg.pinv(scaled, rcond=1e-10, hermitian=True) * scale
