r"""The plain path: penalised least squares and the profiled deviance, on one screen.

The model is y = X beta + Z Lambda u + e with u ~ N(0, sigma^2 I), e ~ N(0, sigma^2 I). For a given
theta (the free entries of Lambda) everything else has a closed form:

    L L'      = Lambda' Z'Z Lambda + I
    R_ZX      = L^-1 Lambda' Z'X
    R_X' R_X  = X'X - R_ZX' R_ZX
    r^2       = the penalised residual sum of squares at the solution
    ML   deviance = 2 log|L|              +   n   [1 + log(2 pi r^2 / n)]
    REML deviance = 2 log|L| + 2 log|R_X| + (n-p) [1 + log(2 pi r^2 / (n-p))]

This file is written to be read and shown; :mod:`mixedteach.fitting.blocks` computes the same
numbers by blocks, :mod:`mixedteach.fitting.condensed` those of balanced designs, and tests hold
them together.

Source: Bates, Maechler, Bolker and Walker (2015), J. Stat. Softw. 67(1), sections 3.4 to 3.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag, cholesky, solve_triangular

Array = np.ndarray


@dataclass(frozen=True)
class Solution:
    """What penalised least squares gives at one theta (shapes: p fixed, q random effects)."""

    theta: Array
    deviance: float
    log_det_L: float
    r2: float
    sigma2: float
    beta: Array
    u: Array
    b: Array
    L: Array
    RX: Array


def z_matrix(codes: Array, basis: Array, groups: int) -> Array:
    """Return Z of one term, shape (n, groups * k): row i holds basis[i] under its group."""
    n, k = basis.shape
    Z = np.zeros((n, groups, k))
    Z[np.arange(n), codes] = basis
    return Z.reshape(n, groups * k)


def lambda_matrix(theta: Array, sizes: Sequence[int], groups: Sequence[int]) -> Array:
    """Return Lambda, block diagonal: the k x k factor of each term repeated for its groups.

    `theta` holds the lower triangle of each factor, column by column, as in lme4.
    """
    blocks, start = [], 0
    for k, m in zip(sizes, groups, strict=True):
        factor, length = np.zeros((k, k)), k * (k + 1) // 2
        factor.T[np.triu_indices(k)] = theta[start : start + length]
        blocks += [factor] * m
        start += length
    return block_diag(*blocks)


def solve(
    theta: Array, X: Array, y: Array, Z: Array, sizes: Sequence[int], groups: Sequence[int],
    reml: bool = True,
) -> Solution:  # fmt: skip
    """Solve the penalised least squares problem at `theta` and return the profiled deviance.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([10.1, 10.4, 10.8, 10.6, 10.1, 10.2]); X = np.ones((6, 1))
    >>> Z = z_matrix(np.array([0, 0, 1, 1, 2, 2]), np.ones((6, 1)), 3)
    >>> round(float(solve(np.array([1.0]), X, y, Z, [1], [3]).deviance), 4)
    1.6791
    """
    n, p = X.shape
    Lambda = lambda_matrix(np.asarray(theta, float), sizes, groups)
    ZL = Z @ Lambda
    L = cholesky(ZL.T @ ZL + np.eye(ZL.shape[1]), lower=True)
    RZX = solve_triangular(L, ZL.T @ X, lower=True)
    cu = solve_triangular(L, ZL.T @ y, lower=True)
    RX = cholesky(X.T @ X - RZX.T @ RZX)
    beta = solve_triangular(RX, solve_triangular(RX, X.T @ y - RZX.T @ cu, trans="T"))
    u = solve_triangular(L, cu - RZX @ beta, lower=True, trans="T")
    residual = y - X @ beta - ZL @ u
    r2 = residual @ residual + u @ u
    log_det_L = np.log(np.diag(L)).sum()
    df = n - p if reml else n
    deviance = 2 * log_det_L + df * (1 + np.log(2 * np.pi * r2 / df))
    if reml:
        deviance += 2 * np.log(np.diag(RX)).sum()
    return Solution(theta, deviance, log_det_L, r2, r2 / df, beta, u, Lambda @ u, L, RX)
