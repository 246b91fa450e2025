"""Comparing fitted models by likelihood ratio, AIC and BIC."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mixedteach.classical import LinearModel
from mixedteach.errors import (
    InferenceError,
    a_kind,
)
from mixedteach.inference.ranova import linear_loglik
from mixedteach.model import MixedModel
from mixedteach.table import Table

Array = np.ndarray


@dataclass(frozen=True)
class _Likelihood:
    """What a comparison asks of a model, by REML or ML."""

    formula: str
    npar: int
    loglik: float
    nobs: int
    variances: int


def compare(*models: MixedModel | LinearModel) -> Table:
    """Compare nested models by likelihood ratio, and all by AIC and BIC.

    Models that differ in their fixed effects are compared by ML: REML fits are then fitted again,
    and the caption says so. Models that differ only in their random effects are compared as they
    are if all were fitted by REML: so do models that differ in their residual covariance. A linear
    model (no random effects) may be among them.

    Parameters
    ----------
    *models : MixedModel or LinearModel
        Two or more, fitted to the same rows.

    Returns
    -------
    Table
        Index: the formula, fewest parameters first; columns ``npar, loglik, AIC, BIC, LRT, df,
        p``; each row is tested against the one above it.

    Examples
    --------
    >>> import mixedteach as mt
    >>> tablets = mt.load_tablets()
    >>> m0 = mt.lmer("content ~ 1 + (1|tablet)", tablets)
    >>> m1 = mt.lmer("content ~ method + (1|tablet)", tablets)
    >>> mt.compare(m0, m1)[["npar", "LRT", "p"]].round(4).iloc[1].tolist()
    [4.0, 0.3135, 0.5755]
    """
    from scipy import special

    for model in models:
        if isinstance(model, (list, tuple)):
            raise InferenceError("compare() takes the models one by one: write compare(m0, m1).")
        if not isinstance(model, (MixedModel, LinearModel)):
            raise InferenceError(
                f"compare() takes models fitted by lmer(), gls() or lm(), not {a_kind(model)}."
            )
    if len(models) < 2:
        raise InferenceError("compare() needs at least two models, as in compare(m0, m1).")
    first = models[0]
    for model in models[1:]:
        if model.nobs != first.nobs:
            raise InferenceError(
                f"The models use different rows, {first.nobs} and {model.nobs} (missing values?), "
                "so their likelihoods cannot be compared: use data.dropna() first, then fit both."
            )
        if not np.array_equal(_response(model), _response(first)):
            raise InferenceError(
                "The models have different responses, or rows in another order, so their "
                "likelihoods cannot be compared: fit both to the same response and rows."
            )
    same_fixed = all(_same_span(first.X, model.X) for model in models[1:])
    mixed = [model for model in models if isinstance(model, MixedModel)]
    reml = [model.reml for model in mixed]
    by_reml = bool(reml) and all(reml) and same_fixed
    coding = _log_det(first.X)
    used = [_likelihood(model, by_reml) for model in models]
    if by_reml:  # other units or contrasts of the same effects shift a REML likelihood
        used = [
            replace(own, loglik=own.loglik + 0.5 * (_log_det(model.X) - coding))
            for own, model in zip(used, models, strict=True)
        ]
    used.sort(key=lambda model: model.npar)
    rows = []
    for i, model in enumerate(used):
        test = (np.nan, np.nan, np.nan)
        if i:
            lrt = max(0.0, 2 * (model.loglik - used[i - 1].loglik))
            df = model.npar - used[i - 1].npar
            test = (lrt, df, float(special.chdtrc(df, lrt)) if df else np.nan)
        aic = 2 * model.npar - 2 * model.loglik
        bic = np.log(model.nobs) * model.npar - 2 * model.loglik
        rows.append((model.npar, model.loglik, aic, bic, *test))
    how = "REML" if by_reml else "ML"
    notes = ["BIC counts all n rows (lme4's convention; nlme's REML BIC uses n - p)."]
    if any(reml) and not by_reml:
        notes.insert(0, "Fitted again by ML, because REML likelihoods of different fixed effects "
                        "cannot be compared.")  # fmt: skip
    if len({model.variances for model in used}) > 1:
        notes.append(
            "A variance cannot be negative, so p-values for variances are on the large side: for "
            "a single variance about twice too large."
        )
    kinds = {model.residual_text for model in mixed if model.residual_text}
    if len(kinds) > 1:
        notes.append(
            "A test holds where a model is a special case of the next; two residual covariances of "
            "different kinds are compared by AIC or BIC."
        )
    names = [model.formula for model in used]
    return Table(
        pd.DataFrame(
            rows, columns=["npar", "loglik", "AIC", "BIC", "LRT", "df", "p"],
            index=pd.Index(names, name="model"),
        ),
        caption=f"Likelihood-ratio tests, each model against the one above; by {how}",
        notes=notes,
        attrs={"ddf": "none", "adjust": "none", "family": "models", "level": None, "method": how},
    )  # fmt: skip


def _response(model: MixedModel | LinearModel) -> Array:
    return model.fit.problem.y if isinstance(model, MixedModel) else model.y


def _likelihood(model: MixedModel | LinearModel, reml: bool) -> _Likelihood:
    if isinstance(model, MixedModel):
        used = model if reml else model.by_ml()
        name, count = model.formula_text, len(used.theta)
        if model.residual_text:
            name += f", {model.residual_text}"
        return _Likelihood(name, used.npar, used.llf, used.nobs, count)
    loglik = linear_loglik(model.X, model.y, reml)
    return _Likelihood(model.formula_text, len(model.params) + 1, loglik, model.nobs, 0)


def _log_det(X: Array) -> float:
    """Return log|X'X|: a REML likelihood holds half of it, whatever the data say."""
    scale = np.sqrt(np.einsum("ij,ij->j", X, X))
    R = np.linalg.qr(X / scale, mode="r")
    return 2 * float(np.log(np.abs(np.diag(R)) * scale).sum())


def _same_span(A: Array, B: Array) -> bool:
    if A.shape[1] != B.shape[1]:
        return False
    if np.array_equal(A, B):
        return True
    scaled = B / np.maximum(np.sqrt((B**2).sum(axis=0)), 1e-300)
    left = scaled - A @ np.linalg.lstsq(A, scaled, rcond=None)[0]
    return bool(np.abs(left).max() < 1e-8)
