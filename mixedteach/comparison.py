"""Comparing fitted models by likelihood ratio, AIC and BIC."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mixedteach.errors import (
    InferenceError,
    a_kind,
)
from mixedteach.model import MixedModel
from mixedteach.table import Table

Array = np.ndarray


def compare(*models: MixedModel) -> Table:
    """Compare nested models by likelihood ratio, and all by AIC and BIC.

    Models that differ in their fixed effects are compared by ML: REML fits are then fitted again,
    and the caption says so. Models that differ only in their random effects are compared as they
    are if all were fitted by REML.

    Parameters
    ----------
    *models : MixedModel
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
        if not isinstance(model, MixedModel):
            raise InferenceError(
                f"compare() takes models fitted by lmer(), not {a_kind(model)}: fit it with lmer()."
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
        if not np.array_equal(model.fit.problem.y, first.fit.problem.y):
            raise InferenceError(
                "The models have different responses, or rows in another order, so their "
                "likelihoods cannot be compared: fit both to the same response and rows."
            )
    same_fixed = all(_same_span(first.X, model.X) for model in models[1:])
    reml = [model.reml for model in models]
    refitted = any(reml) and not (all(reml) and same_fixed)
    used = [model.by_ml() for model in models] if refitted else list(models)
    used.sort(key=lambda model: model.npar)
    rows = []
    for i, model in enumerate(used):
        test = (np.nan, np.nan, np.nan)
        if i:
            lrt = max(0.0, 2 * (model.llf - used[i - 1].llf))
            df = model.npar - used[i - 1].npar
            test = (lrt, df, float(special.chdtrc(df, lrt)) if df else np.nan)
        rows.append((model.npar, model.llf, model.aic, model.bic, *test))
    how = "ML" if refitted or not all(reml) else "REML"
    notes = ["BIC counts all n rows (lme4's convention; nlme's REML BIC uses n - p)."]
    if refitted:
        notes.insert(0, "Fitted again by ML, because REML likelihoods of different fixed effects "
                        "cannot be compared.")  # fmt: skip
    names = [model.formula_text for model in used]
    return Table(
        pd.DataFrame(
            rows, columns=["npar", "loglik", "AIC", "BIC", "LRT", "df", "p"],
            index=pd.Index(names, name="model"),
        ),
        caption=f"Likelihood-ratio tests, each model against the one above; by {how}",
        notes=notes,
        attrs={"ddf": "none", "adjust": "none", "family": "models", "level": None, "method": how},
    )  # fmt: skip


def _same_span(A: Array, B: Array) -> bool:
    if A.shape[1] != B.shape[1]:
        return False
    if np.array_equal(A, B):
        return True
    scaled = B / np.maximum(np.sqrt((B**2).sum(axis=0)), 1e-300)
    left = scaled - A @ np.linalg.lstsq(A, scaled, rcond=None)[0]
    return bool(np.abs(left).max() < 1e-8)
