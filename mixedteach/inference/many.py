r"""Degrees of freedom and F tests for many fits of one design at once.

The formulas are those of :mod:`mixedteach.inference.satterthwaite` and
:mod:`mixedteach.inference.kenward_roger`, written for stacks of matrices: one hypothesis
L beta = 0, a row of results for each fit. Those modules are the ones to read; the tests hold the
two together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from mixedteach.fitting.batch import Batch, States

Array = np.ndarray


class Tests(NamedTuple):
    """F tests of B fits: F and den_df of shape (B,), num_df common to all."""

    F: Array
    num_df: int
    den_df: Array


def f_pvalues(tests: Tests) -> Array:
    """Return the upper tails of F; infinite df give chi-squared / num_df."""
    F, q, den = tests
    finite = np.where(np.isfinite(den), den, 1.0)
    return np.where(np.isinf(den), special.chdtrc(q, q * F), special.fdtrc(q, finite, F)) + 0.0 * (
        F + np.where(np.isinf(den), 0.0, den)
    )


def wald(batch: Batch, at: States, coefficients: Array, L: Array, den_df: float) -> Tests:
    """Return Wald's F with known df."""
    values, _, t2 = _directions(batch, at, coefficients, L)
    return Tests(t2.mean(axis=1), values.shape[1], np.full(len(t2), den_df))


def _directions(
    batch: Batch, at: States, coefficients: Array, L: Array
) -> tuple[Array, Array, Array]:
    """Diagonalise L Phi L' of each fit: variances, rows (coordinates of Q), squared t's."""
    l = L @ _inverse_R(batch)  # noqa: E741 - the letter of the formula
    sigma2 = at.r2 / batch.df
    values, vectors = np.linalg.eigh(sigma2[:, None, None] * (l @ at.Phi @ l.T))
    rank = np.linalg.matrix_rank(l, tol=1e-7 * np.abs(l).max(initial=1e-300)) if len(l) else 0
    values, vectors = values[:, len(l) - rank :], vectors[:, :, len(l) - rank :]
    rows = np.swapaxes(vectors, 1, 2) @ l
    estimates = (rows @ coefficients[:, :, None])[:, :, 0]
    return values, rows, estimates**2 / values


def _inverse_R(batch: Batch) -> Array:
    return np.linalg.inv(batch.problem.R)


def satterthwaite(batch: Batch, at: States, coefficients: Array, L: Array) -> Tests:
    """Return F and Satterthwaite's df (for several rows: Fai and Cornelius)."""
    values, rows, t2 = _directions(batch, at, coefficients, L)
    sigma2, B, R = at.r2 / batch.df, len(at.r2), at.theta.shape[1]
    P = batch.design_pieces(at.theta, second=False).P
    w = at.Phi @ np.swapaxes(rows, 1, 2)  # Phi l', (B, p, rank)
    by_delta = np.einsum("bim,brim->bmr", w, P @ w[:, None])
    J = np.moveaxis(at.theta @ batch.T, 0, 1)  # d delta_r / d theta
    g = np.empty((B, values.shape[1], R + 1))
    g[:, :, :R] = sigma2[:, None, None] * (by_delta @ J)
    g[:, :, R] = 2 * values
    # the Hessian in (theta, log sigma), sigma not profiled out
    scale = sigma2[:, None]
    H = np.zeros((B, R + 1, R + 1))
    curve = -at.t2 + 2 * at.q2 / scale[:, :, None]
    slope = at.t1 - at.q1 / scale
    H[:, :R, :R] = np.swapaxes(J, 1, 2) @ curve @ J + np.einsum("br,rst->bst", slope, batch.T)
    H[:, :R, R] = H[:, R, :R] = (2 * (at.q1 / scale)[:, None] @ J)[:, 0]
    H[:, R, R] = 4.0 * batch.df
    # a theta at its bound drops out
    free = np.ones((B, R + 1), bool)
    free[:, :R] = ~(batch.on_diagonal & (at.theta == 0))
    H = np.where(free[:, :, None] & free[:, None], 0.5 * H, np.eye(R + 1))
    g = np.where(free[:, None], g, 0.0)
    A = _inverse_hessians(H)
    nu = 2 * values**2 / np.einsum("bms,bst,bmt->bm", g, A, g, optimize=True)
    return Tests(t2.mean(axis=1), values.shape[1], _combine(nu))


def _combine(nu: Array) -> Array:
    q = nu.shape[1]
    alike = np.ptp(nu, axis=1) < 1e-8 * np.abs(nu).max(axis=1)
    low = (nu <= 2).any(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        expectation = (nu / (nu - 2)).sum(axis=1)
        joint = 2 * expectation / (expectation - q)
    return np.where(alike | (q == 1), nu.mean(axis=1), np.where(low, 2.0, joint))


def _inverse_hessians(H: Array) -> Array:
    """Invert each Hessian, leaving out directions in which the deviance is flat."""
    scale = 1 / np.sqrt(np.maximum(np.abs(np.diagonal(H, axis1=1, axis2=2)), 1e-300))
    values, vectors = np.linalg.eigh(scale[:, :, None] * H * scale[:, None])
    weights = np.where(values > 1e-10, 1 / np.where(values > 1e-10, values, 1.0), 0.0)
    vectors = scale[:, :, None] * vectors
    return (vectors * weights[:, None]) @ np.swapaxes(vectors, 1, 2)


def kenward_roger(batch: Batch, at: States, coefficients: Array, L: Array) -> Tests:
    """Return Kenward and Roger's scaled F and their df."""
    Phi, sigma2 = at.Phi, at.r2 / batch.df
    P, Q, T = _with_residual(batch, at.theta)
    PhiP = Phi[:, None] @ P
    inner = np.einsum("bij,brsji->brs", Phi, Q)
    information = 0.5 * (T - inner - np.swapaxes(inner, 1, 2) + _traces(PhiP))
    W = _pseudo_inverses(information)
    B, count, p = len(Phi), W.shape[1], batch.p
    WQ = (W.reshape(B, 1, -1) @ Q.reshape(B, count**2, -1)).reshape(B, p, p)
    WPhiP = (W @ PhiP.reshape(B, count, -1)).reshape(PhiP.shape)
    adjusted = Phi + 2 * Phi @ (WQ - (P @ WPhiP).sum(axis=1)) @ Phi
    adjusted = 0.5 * (adjusted + np.swapaxes(adjusted, 1, 2))
    l = _independent(L @ _inverse_R(batch))  # noqa: E741
    q = len(l)
    Theta = l.T @ np.linalg.solve(l @ Phi @ l.T, np.broadcast_to(l, (B, *l.shape)))
    U = Theta[:, None] @ PhiP @ Phi[:, None]
    trace = np.trace(U, axis1=2, axis2=3)
    A1 = np.einsum("br,brs,bs->b", trace, W, trace, optimize=True)
    A2 = (W * _traces(U)).sum(axis=(1, 2))
    scaling, m = _moments(q, A1, A2)
    estimate = coefficients @ l.T
    variance = sigma2[:, None, None] * (l @ adjusted @ l.T)
    # an adjusted variance may come out negative: such a fit has no test (of so many rows)
    values = np.linalg.eigvalsh(variance)
    none = values[:, 0] <= 1e-10 * np.maximum(values[:, -1], 0.0)
    solved = np.linalg.solve(np.where(none[:, None, None], np.eye(q), variance),
                             estimate[:, :, None])[:, :, 0]  # fmt: skip
    F = scaling * (estimate * solved).sum(axis=1) / q
    return Tests(np.where(none, np.nan, F), q, np.where(none, np.nan, m))


def _traces(X: Array) -> Array:
    """Return tr(X_r X_s) of a stack (B, R, p, p)."""
    flat = X.reshape(*X.shape[:2], -1)
    turned = np.swapaxes(X, 2, 3).reshape(flat.shape)
    return flat @ np.swapaxes(turned, 1, 2)


def _with_residual(batch: Batch, theta: Array) -> tuple[Array, Array, Array]:
    """Return P, Q and T with the residual as parameter 0 (see `Fit.with_residual`)."""
    pieces = batch.design_pieces(theta)
    delta = 0.5 * np.einsum("rst,bs,bt->br", batch.T, theta, theta)
    S, P, Q, T1, T2 = pieces.S, pieces.P, pieces.Q, pieces.T1, pieces.T2
    B, R, p = P.shape[:3]
    allP, allQ = np.empty((B, R + 1, p, p)), np.empty((B, R + 1, R + 1, p, p))
    P0 = S - np.einsum("br,brij->bij", delta, P)
    Q0 = P - np.einsum("br,brsij->bsij", delta, Q)
    allP[:, 0], allP[:, 1:] = P0, P
    allQ[:, 0, 0] = P0 - np.einsum("bs,bsij->bij", delta, Q0)
    allQ[:, 1:, 1:] = Q
    allQ[:, 0, 1:], allQ[:, 1:, 0] = Q0, np.swapaxes(Q0, 2, 3)
    T = np.empty((B, R + 1, R + 1))
    T0 = T1 - np.einsum("brs,bs->br", T2, delta)
    T[:, 0, 0] = batch.n - (T1 * delta).sum(axis=1) - (T0 * delta).sum(axis=1)
    T[:, 0, 1:] = T[:, 1:, 0] = T0
    T[:, 1:, 1:] = T2
    return allP, allQ, T


def _pseudo_inverses(information: Array) -> Array:
    scale = 1 / np.sqrt(np.maximum(np.diagonal(information, axis1=1, axis2=2), 1e-300))
    both = scale[:, :, None] * scale[:, None]
    return both * np.linalg.pinv(both * information, rcond=1e-10, hermitian=True)


def _independent(l: Array) -> Array:  # noqa: E741
    """Return orthonormal rows that span those of l."""
    _, values, rows = np.linalg.svd(l, full_matrices=False)
    return rows[values > 1e-7 * values.max(initial=0.0)]


def _moments(q: int, A1: Array, A2: Array) -> tuple[Array, Array]:
    """Return lambda and m (Kenward and Roger 1997, section 4)."""
    B = (A1 + 6 * A2) / (2 * q)
    safe = np.where(A2 != 0, A2, 1.0)
    g = np.where(A2 != 0, ((q + 1) * A1 - (q + 4) * A2) / ((q + 2) * safe), 0.0)
    below = 3 * q + 2 * (1 - g)
    V0, V1, V2 = 1 + g / below * B, 1 - (q - g) / below * B, 1 - (q + 2 - g) / below * B
    V0 = np.where(np.abs(V0) < 1e-10, 0.0, V0)
    E = 1 - A2 / q
    with np.errstate(divide="ignore", invalid="ignore"):
        both_zero = (np.abs(E) < 1e-14) & (np.abs(V1) < 1e-14)
        ratio = np.where((q == 1) | both_zero, 1.0, E / V1)
        rho = ratio**2 * V0 / (q * V2)
        m = 4 + (q + 2) / (q * rho - 1)
        scaling = np.where(np.abs(m - 2) < 1e-2, 1.0, m * E / (m - 2))
    return scaling, m
