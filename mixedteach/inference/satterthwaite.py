r"""Satterthwaite's degrees of freedom.

For one linear function l'beta with V(beta) = Phi,

    nu = 2 (l'Phi l)^2 / (g'A g),    A = 2 H^-1,    g = gradient of l'Phi l,

with H the Hessian of the deviance in (theta, log sigma), sigma not profiled out. Both are
analytic here: d Phi / d gamma_r = Phi X'V^-1 G_r V^-1 X Phi. A theta at its bound (a variance of
zero) drops out, for there the gradient in it is zero.

For several functions at once: L Phi L' is diagonalised, each direction gets its own nu_m, and the
denominator df are those that give F the expectation of the sum of squared t's. With unequal nu_m
the result depends a little on how L is written (any rotation of the directions is as good); L is
written as lmerTest does, so that the numbers are the same.

Sources: Kuznetsova, Brockhoff and Christensen (2017), J. Stat. Softw. 82(13), section 2; Fai and
Cornelius (1996), J. Stat. Comput. Simul. 54, for several functions.
"""

from __future__ import annotations

import numpy as np

from mixedteach.fitting.lmm import Fit
from mixedteach.inference.functions import FTest

Array = np.ndarray


class Satterthwaite:
    """Satterthwaite's method for one fit."""

    name = "Satterthwaite"

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self.cov = fit.cov_beta
        H, J = fit.theta_hessian
        self.A = inverse_hessian(0.5 * H)
        Phi, p = fit.state.Phi, fit.problem.p
        PhiPPhi = Phi @ fit.state.pieces.P[:, :p, :p] @ Phi
        by_theta = np.einsum("rs,rij->sij", J, PhiPPhi)
        self.gradients = fit.sigma2 * np.concatenate([by_theta, 2 * Phi[None]])

    def variances(self, L: Array) -> Array:
        """Return the variance of each L_i beta, without the rounding of `cov` (see `to_q`)."""
        l = self.fit.to_q(np.atleast_2d(L))  # noqa: E741 - the letter of the formula
        return self.fit.sigma2 * np.einsum("mi,ij,mj->m", l, self.fit.state.Phi, l)

    def df(self, L: Array) -> Array:
        """Return the degrees of freedom of each row of L."""
        l = self.fit.to_q(np.atleast_2d(L))  # noqa: E741
        variance = self.variances(L)
        g = np.einsum("mi,sij,mj->ms", l, self.gradients, l)
        with np.errstate(divide="ignore", invalid="ignore"):
            return 2 * variance**2 / np.einsum("ms,st,mt->m", g, self.A, g)

    def test(self, L: Array, beta: Array) -> FTest:
        """Return F, its numerator and denominator df for the hypothesis L beta = 0."""
        L = np.atleast_2d(L)
        l = self.fit.to_q(L)  # noqa: E741
        values, vectors = np.linalg.eigh(self.fit.sigma2 * l @ self.fit.state.Phi @ l.T)
        keep = values > 1e-10 * max(values.max(initial=0.0), 0.0)
        q = int(keep.sum())
        if q == 0:
            return FTest(np.nan, 0, np.nan)
        turn = vectors[:, keep].T
        F = float(((turn @ l @ (self.fit.problem.R @ beta)) ** 2 / values[keep]).sum() / q)
        return FTest(F, q, combine(self.df(turn @ L)))


def combine(nu: Array) -> float:
    """Combine the df of independent directions into one (Fai and Cornelius)."""
    q = len(nu)
    if q == 1 or np.ptp(nu) < 1e-8 * np.abs(nu).max():
        return float(nu.mean())
    if (nu <= 2).any():
        return 2.0
    expectation = float((nu / (nu - 2)).sum())
    return 2 * expectation / (expectation - q)


def inverse_hessian(H: Array) -> Array:
    """Invert a Hessian, leaving out directions in which the deviance is flat."""
    scale = 1 / np.sqrt(np.maximum(np.abs(np.diag(H)), 1e-300))
    values, vectors = np.linalg.eigh(scale[:, None] * H * scale)
    keep = values > 1e-10
    vectors = scale[:, None] * vectors[:, keep]
    return (vectors / values[keep]) @ vectors.T
