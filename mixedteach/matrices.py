r"""The matrices of a fitted model, to be looked at and to compute with.

    y = X beta + Z u + e,    u ~ N(0, G),    e ~ N(0, R),    V = Z G Z' + R

The fit itself never forms them (see :mod:`mixedteach.fitting.blocks`): V has n x n entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from mixedteach.errors import InferenceError
from mixedteach.fitting.pls import z_matrix

if TYPE_CHECKING:
    from mixedteach.design import RandomTerm
    from mixedteach.model import MixedModel

LARGEST = 2000


class Matrices(NamedTuple):
    """The pieces of y = X beta + Z u + e, made by :meth:`mixedteach.MixedModel.matrices`.

    Attributes
    ----------
    y : Series, length n
        The response; its index, that of the data, labels the rows of X, Z, R and V.
    X : DataFrame, n x p
        Fixed effects, one column an entry of ``params``.
    Z : DataFrame, n x q
        Random effects, one column an effect of a group: ``tablet 1``, ``Subject 308: Days``.
    G : DataFrame, q x q
        Covariance of the random effects u.
    R : DataFrame, n x n
        Covariance of the residuals e.
    V : DataFrame, n x n
        Covariance of y: Z G Z' + R.
    """

    y: pd.Series
    X: pd.DataFrame
    Z: pd.DataFrame
    G: pd.DataFrame
    R: pd.DataFrame
    V: pd.DataFrame

    def __repr__(self) -> str:
        shapes = (f"{name} ({' x '.join(map(str, part.shape))})" for name, part in self._named())
        return f"Matrices: {', '.join(shapes)}"

    def _named(self) -> list[tuple[str, pd.DataFrame | pd.Series]]:
        return list(zip(self._fields, self, strict=True))


def matrices(model: MixedModel) -> Matrices:
    """Return y, X, Z, G, R and V of a fitted model.

    Raises
    ------
    InferenceError
        If there are more than 2000 observations or random effects.
    """
    n, q = model.nobs, sum(term.groups * term.size for term in model.random)
    if max(n, q) > LARGEST:
        raise InferenceError(
            f"This model has {n} observations and {q} random effects, too many for matrices of "
            f"{max(n, q)} x {max(n, q)}: fit it to a part of the data, at most {LARGEST} rows."
        )
    rows = model.frame.index
    names = [name for term in model.random for name in effect_names(term)]
    Z = np.hstack(
        [np.empty((n, 0))]
        + [z_matrix(term.codes, term.basis, term.groups) for term in model.random]
    )
    G = block_diag(
        np.empty((0, 0)),
        *(
            cov
            for term, cov in zip(model.random, model.fit.covariances, strict=True)
            for _ in range(term.groups)
        ),
    )
    R = model.residual_covariance()
    return Matrices(
        y=pd.Series(model.fit.problem.y, index=rows, name=model.formula.response_name),
        X=pd.DataFrame(model.X, index=rows, columns=model.params.index),
        Z=pd.DataFrame(Z, index=rows, columns=names),
        G=pd.DataFrame(G, index=names, columns=names),
        R=pd.DataFrame(R, index=rows, columns=rows),
        V=pd.DataFrame(Z @ G @ Z.T + R, index=rows, columns=rows),
    )


def effect_names(term: RandomTerm) -> list[str]:
    """Return the names of a term's columns of Z, group by group."""
    plain = term.effects == ["Intercept"]
    return [
        f"{term.label} {level}" + ("" if plain else f": {effect}")
        for level in term.levels
        for effect in term.effects
    ]
