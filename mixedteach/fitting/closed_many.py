"""Many responses of a balanced design in closed form, as far as no variance is nearly zero.

What :mod:`mixedteach.fitting.closed` does for one response of a small design: mean squares of the
strata (or mean squares and products, with random slopes), and their ratios.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mixedteach.fitting.lmm import Problem
from mixedteach.fitting.optimise import SMALL, SUSPECT, diagonal
from mixedteach.fitting.strata import Rule
from mixedteach.fitting.tables import in_coordinates

Array = np.ndarray


class Solved(NamedTuple):
    """What is known of B responses where ``done``; elsewhere value and r^2 are NaN."""

    done: Array  # (B,)
    theta: Array  # (B, R)
    value: Array  # (B,)
    r2: Array  # (B,)
    ols: Array  # (B, p), coefficients of Q


def has_closed_form(problem: Problem, reml: bool) -> bool:
    """Say whether responses of this design can be fitted in closed form."""
    rule, df = _rule(problem, reml)
    return rule is not None and rule.solve(np.ones((len(rule.squares) + 1, 1)), df) is not None


def _rule(problem: Problem, reml: bool) -> tuple[Rule | None, int]:
    rule = None if problem.layout is None else problem.layout.apart(reml)
    return rule, problem.n - problem.p if reml else problem.n


def solve_many(problem: Problem, reml: bool, Y: Array) -> Solved:
    """Fit the responses in the rows of Y, of a design that has a closed form."""
    layout, B = problem.layout, len(Y)
    rule, df = _rule(problem, reml)
    ols, residual = regressed(problem.Q, Y)
    yy = np.einsum("bi,bi->b", residual, residual)
    N = (layout.sums @ residual.T).reshape(len(layout.Y), -1, B)
    squares = rule.many_squares(in_coordinates(N, layout.F))
    squares = np.concatenate([[yy - rule.squares @ squares], squares])
    enough = squares[0] > 0
    squares[0, ~enough] = 1.0
    delta = rule.solve(squares, df)
    theta, covariances = _theta(delta, problem.sizes)
    # the response is not one that the fixed effects reproduce
    varies = yy > problem.n * (1e-13 * np.abs(Y).max(axis=1, initial=0.0)) ** 2
    inside = (theta[:, diagonal(problem.sizes)] >= SMALL).all(axis=1)
    done = enough & varies & covariances & inside & (np.abs(theta).max(axis=1) <= SUSPECT)
    value, r2 = np.full(B, np.nan), np.full(B, np.nan)
    log_det, r2[done] = rule.levels(delta[:, done], squares[:, done])
    value[done] = log_det + df * (1 + np.log(2 * np.pi * r2[done] / df)) + problem.constant(reml)
    return Solved(done, theta, value, r2, ols)


def regressed(Q: Array, Y: Array) -> tuple[Array, Array]:
    """Return coefficients of Q by least squares, and what they leave; see ``Problem``."""
    first = Y @ Q
    residual = Y - first @ Q.T
    again = residual @ Q
    residual -= again @ Q.T
    return first + again, residual


def _theta(delta: Array, sizes: list[int]) -> tuple[Array, Array]:
    """Return theta (B, R) for delta (R, B), and for which responses delta is a covariance."""
    good = np.isfinite(delta).all(axis=0)
    delta = np.where(good, delta, 0.0)
    if all(k == 1 for k in sizes):
        return np.sqrt(np.maximum(delta.T, 0.0)), good
    theta, first = np.empty(delta.T.shape), 0
    for k in sizes:
        rows, columns = np.triu_indices(k)
        own = slice(first, first + len(rows))
        D = np.empty((len(theta), k, k))
        D[:, rows, columns] = D[:, columns, rows] = delta[own].T
        positive = np.linalg.eigvalsh(D)[:, 0] > 0
        root = np.linalg.cholesky(np.where(positive[:, None, None], D, np.eye(k)))
        theta[:, own] = root[:, columns, rows]
        good, first = good & positive, first + len(rows)
    return theta, good
