"""Parametric bootstrap: intervals of all parameters from responses simulated from the fit.

The model is fitted to each simulated response; the limits are the empirical alpha/2 and
1 - alpha/2 quantiles of the estimates.

Source: Davison and Hinkley (1997), Bootstrap Methods and their Application, equation 5.18.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mixedteach.errors import InferenceError, check_count, check_level, check_seed
from mixedteach.progress import progress
from mixedteach.table import Table

if TYPE_CHECKING:
    from mixedteach.model import MixedModel

Array = np.ndarray

_NUMBERS = 20_000_000  # of responses that are kept at a time


def bootstrap_estimates(
    model: MixedModel, nsim: int = 1000, seed: int | None = None
) -> pd.DataFrame:
    """Simulate responses from the fit, fit the model to each, and return the estimates.

    Parameters
    ----------
    model : MixedModel
        Its method, REML or ML, is used for every replicate.
    nsim : int
        Number of replicates.
    seed : int, optional
        The same seed gives the same replicates.

    Returns
    -------
    DataFrame, shape (nsim, parameters + 1)
        The parameters named as in :func:`profile`, and ``boundary``: whether a variance was
        estimated as zero or a correlation matrix as singular. A replicate that could not be fitted
        is a row of missing values.

    Notes
    -----
    y* = X beta + Z b* + e* with b* and e* drawn from the fitted normal distributions: the
    parametric bootstrap of Davison and Hinkley (1997), section 2.2. A progress bar appears after a
    second if the error stream is a terminal; an interrupt (Ctrl-C) ends the work at once.

    Examples
    --------
    >>> import mixedteach as mt
    >>> from mixedteach.inference.bootstrap import bootstrap_estimates
    >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    >>> bootstrap_estimates(m, nsim=100, seed=1).shape
    (100, 5)
    """
    nsim, rng = check_count(nsim, "nsim"), np.random.default_rng(check_seed(seed))
    together = max(1, _NUMBERS // model.nobs)
    parts = []
    with progress(nsim, "bootstrap") as bar:
        for start in range(0, nsim, together):
            # one by one, so that the first replicates do not depend on how many follow
            draws = [model.draw(1, rng) for _ in range(min(together, nsim - start))]
            many = model.refits(np.hstack(draws).T, tell=bar.update)
            parts.append(many.variances.join(many.params).assign(boundary=many.boundary))
    return pd.concat(parts).set_axis(pd.RangeIndex(nsim, name="replicate"))


def bootstrap(
    model: MixedModel, level: float = 0.95, nsim: int = 1000, seed: int | None = None
) -> Table:
    r"""Return percentile intervals of all parameters from a parametric bootstrap.

    Parameters
    ----------
    model : MixedModel
    level : float
    nsim, seed : int
        See :func:`bootstrap_estimates`.

    Returns
    -------
    Table
        Index: the parameters as in :func:`profile`; columns ``estimate`` (by the model's own
        method, REML or ML), ``lower, upper``.

    Notes
    -----
    With R replicates the limits are the estimates of rank (R + 1) alpha/2 and
    (R + 1)(1 - alpha/2), interpolated between neighbours. Estimates of variances are often skewed,
    and the percentile interval does not correct for it: with few groups it lies too low.

    Source: Davison and Hinkley (1997), equation 5.18.

    Examples
    --------
    >>> import mixedteach as mt
    >>> from mixedteach.inference.bootstrap import bootstrap
    >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    >>> list(bootstrap(m, nsim=200, seed=1).columns)
    ['estimate', 'lower', 'upper']
    """
    level = check_level(level)
    replicates = bootstrap_estimates(model, nsim, seed)
    values = replicates.drop(columns="boundary")
    fitted = values.dropna(how="all")
    if len(fitted) < 2:
        raise InferenceError(
            f"Of {nsim} bootstrap replicates {len(fitted)} could be fitted: no interval follows "
            "from so few."
        )
    estimate = np.append(model.variance_values(model.fit), model.params.to_numpy(float))
    tails = [0.5 - level / 2, 0.5 + level / 2]
    limits = [np.quantile(values[name].dropna(), tails, method="weibull") for name in values]
    lower, upper = np.transpose(limits)

    method = "REML" if model.reml else "ML"
    at_zero = int(replicates["boundary"].sum())
    notes = [
        f"{at_zero} of {nsim} replicates ended at the boundary (a variance of zero, or random "
        "effects perfectly correlated)."
    ]
    if len(fitted) < nsim:
        notes.append(f"{nsim - len(fitted)} of {nsim} replicates could not be fitted.")
    undefined = fitted.isna().sum()
    for name in undefined.index[undefined > 0]:
        notes.append(f"{name} is undefined in {undefined[name]} replicates: a variance is zero.")
    if (nsim + 1) * tails[0] < 1:
        notes.append(
            "So few replicates do not reach so far into the tails: the limits are the "
            f"smallest and largest estimates. Use nsim={math.ceil(1 / tails[0])} or more."
        )
    return Table(
        {"estimate": estimate, "lower": lower, "upper": upper},
        index=pd.Index(values.columns, name="parameter"),
        caption=f"Parametric bootstrap intervals ({100 * level:g}%, percentile); "
        f"{nsim} replicates fitted by {method}",
        notes=notes,
        attrs={"ddf": "none", "adjust": "none", "family": "parameters", "level": level,
               "method": "bootstrap"},
    )  # fmt: skip
