"""Power of a test, of one experiment or along a grid of them, as a table that draws itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import special

from mixedteach.errors import (
    InferenceError,
    MixedTeachError,
    a_kind,
    check_count,
    check_level,
    explains_arguments,
    one_of,
    shown,
)
from mixedteach.fitting.residual.correlation import CAR1
from mixedteach.model import MixedModel
from mixedteach.power import exact
from mixedteach.power.designs import EFFECT, at, grid
from mixedteach.power.planned import PlannedModel, from_fit, root
from mixedteach.power.questions import Question, ask
from mixedteach.power.simulation import (
    Experiment,
    Recipe,
    check_jobs,
    entropy_of,
    experiment,
    recipe,
    run,
)
from mixedteach.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = np.ndarray

_HINTS = {
    "nsim": "write replicates=1000",
    "n": "write along={'group': [10, 20]} for the number of groups, replicates= for simulations",
    "power": "it is what is computed; look along a grid for the size that reaches it",
    "n_cores": "write n_jobs=2",
    "contrast": "write test='a - b', means='factor'",
    "level_of_significance": "write alpha=0.05",
}


class PowerTable(Table):
    """A table of powers, made by :func:`power_curve` and :func:`power_of`.

    Columns: those of the grid, ``nobs`` (readings), ``test`` if there are several, ``power, lower,
    upper, replicates, boundary, failed``. ``.attrs`` holds ``alpha``, ``level``, ``seed``,
    ``method`` (``exact`` or ``simulation``) and ``along``.
    """

    def formatted(self) -> pd.DataFrame:
        """Return the table as strings: shares with three decimals."""
        text = super().formatted()
        for name in ("power", "lower", "upper"):
            text[name] = [f"{value:.3f}" for value in self[name]]
        return text

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the power along the grid: :func:`mixedteach.plot.power`."""
        from mixedteach.plot._power import power

        return power(self, ax=ax)


@dataclass(frozen=True)
class _Case:
    """One experiment of the grid: its settings, its plan, its recipe, made ready."""

    settings: Mapping[str, Any]
    plan: PlannedModel
    recipe: Recipe
    packed: bytes

    @property
    def ready(self) -> Experiment:
        return experiment(self.packed)


@explains_arguments(hints={**_HINTS, "along": "write power_curve(m, test, along={...})"})
def power_of(
    m: MixedModel | PlannedModel,
    test: Any,
    *,
    means: Any = None,
    adjust: str | None = None,
    type: int | str = 3,
    ddf: str | None = None,
    alpha: float = 0.05,
    method: str = "auto",
    replicates: int = 1000,
    seed: int | None = None,
    n_jobs: int | None = None,
    level: float = 0.95,
) -> PowerTable:
    """Return the power of a test in one experiment; the arguments are :func:`power_curve`'s.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.planned(
    ...     "content ~ method + (1|tablet)", mt.crossed(tablet=20, method=["nir", "hplc"]),
    ...     fixed={"Intercept": 10, "method[hplc]": 0.15}, sd={"tablet": 0.3, "Residual": 0.2},
    ... )
    >>> mt.power_of(m, "method")[["nobs", "power"]].round(4)
       nobs   power
    0    40  0.6144
    """
    return _table(
        m, test, None, means, adjust, type, ddf, alpha, method, replicates, seed, n_jobs, level
    )


@explains_arguments(hints=_HINTS)
def power_curve(
    m: MixedModel | PlannedModel,
    test: Any,
    along: Mapping[str, Sequence[float]],
    *,
    means: Any = None,
    adjust: str | None = None,
    type: int | str = 3,
    ddf: str | None = None,
    alpha: float = 0.05,
    method: str = "auto",
    replicates: int = 1000,
    seed: int | None = None,
    n_jobs: int | None = None,
    level: float = 0.95,
) -> PowerTable:
    r"""Return the power of a test along a grid of experiments.

    Parameters
    ----------
    m : MixedModel or PlannedModel
        A fitted model (of :func:`lmer` or :func:`gls`), whose estimates are taken for the truth, or
        one written down with :func:`planned`.
    test : str, dict, or list of them
        - a term of the fixed effects, ``'width'``, ``'width:depth'``: its F test;
        - a coefficient, ``'method[hplc]'``: its t test;
        - a random effect as ``ranova()`` names it, ``'(1|plank)'``, ``'Days in (Days|Subject)'``:
          its likelihood-ratio test;
        - ``'correlation'`` or ``'variance'`` of a model that has one, or its parameter where it is
          the only one, ``'phi'``: its likelihood-ratio test;
        - with ``means='width'`` a pair of its means, ``'1 - 2'``, or ``'any'`` or ``'all'`` of the
          pairs; or a dict of labels and weights as in ``contrast()`` (of several: any).

        A list of tests is made of the same replicates.
    along : dict
        What changes, and its values; several names make a grid.

        - a grouping factor, ``{'plank': [10, 20, 40]}``: number of groups (kinds of groups keep
          their shares; what is nested in a group comes with it);
        - ``'readings'``: how often every reading is taken;
        - ``'effect'``: the tested effect times this (a random effect: its standard deviation;
          a residual correlation: that times this; a ratio of standard deviations to this power);
          with 0 the power is the rate of false alarms;
        - a coefficient, ``'method[hplc]'``, or a standard deviation as ``conf_int('profile')``
          names it, ``'sd(Intercept | plank)'``, or a parameter of the residual covariance as
          ``residual_parameters`` names it, ``'phi'``, ``'sigma'``: its value.
    means, adjust : str
        For contrasts: the factor, and ``'tukey'`` (default for pairs), ``'sidak'``,
        ``'bonferroni'``, ``'holm'`` or ``'none'``.
    type, ddf
        As in ``anova()``; by default type III and the model's own df method.
    alpha : float
        The test rejects if p < alpha.
    method : {'auto', 'exact', 'simulation'}
        By formula, or by simulation; ``'auto'`` takes the formula where there is one and it is
        that of the mixed model's test but for rare samples (see Notes).
    replicates : int
        Simulated experiments, for each point of the grid.
    seed : int, optional
        The same seed gives the same table, on one core, several or a cluster.
    n_jobs : int, optional
        Processes, as joblib counts them (-1: all cores). Without it one, or what a surrounding
        ``joblib.parallel_config(...)`` says: with ``backend='dask'`` a cluster does the work.
    level : float
        Of the intervals.

    Returns
    -------
    PowerTable
        One row a point of the grid (and test): what changes, ``nobs`` (readings in all), ``power``,
        its limits ``lower, upper``, ``replicates``, ``boundary`` (fits with a variance of zero or
        perfectly correlated random effects; they count like any other) and ``failed`` (replicates
        without a p-value; they count as not rejected). ``.plot()`` draws it.

    Raises
    ------
    InferenceError
        A test that the model does not have, a grid that is not understood, no formula for
        ``method='exact'``.

    Notes
    -----
    Simulation: y* = X beta + Z b* + e*, b* ~ N(0, G), e* ~ N(0, sigma^2 Gamma), Gamma = I unless
    the model has a residual covariance; the power is the share of replicates with p < alpha, the
    limits are those of Clopper and Pearson (1934) for a binomial share.

    Formulas exist for balanced blocks, y ~ f + (1|g) or ``CompoundSymmetry(by='g')`` with every
    level of f equally often in every group, or y ~ 1 + (1|g): the non-central F distribution for f
    (for two levels the paired t-test), and for the random effect the exact distribution of its
    likelihood ratio (:mod:`mixedteach.power.exact`). In samples whose variance between groups is
    estimated as zero the mixed model pools, and its F test is not that of the formula; ``'auto'``
    takes the formula if their probability is below 0.05, and the table says how large it is.

    The estimates of a small experiment are uncertain, and so is a power computed from them; that of
    the very experiment they come from says no more than its p-value (Hoenig and Heisey 2001, The
    American Statistician 55, 19-24). Ask for effects that would matter instead.

    The test of a variance takes chi-squared with one df for its statistic, as ``ranova()`` does,
    and so rejects a variance of zero in fewer than alpha of the cases: about half as many with many
    groups (Stram and Lee 1994, Biometrics 50, 1171-1177). ``alpha=0.1`` makes up for it.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.planned(
    ...     "content ~ method + (1|tablet)", mt.crossed(tablet=10, method=["nir", "hplc"]),
    ...     fixed={"Intercept": 10, "method[hplc]": 0.15}, sd={"tablet": 0.4, "Residual": 0.2},
    ... )
    >>> mt.power_curve(m, "method", {"tablet": [10, 20, 40]})
    Power of method (F test); df: Satterthwaite; alpha 0.05; exact, from the non-central F distribution
    tablet  nobs  power  lower  upper  replicates  boundary  failed
        10    20  0.323  0.323  0.323           0         0       0
        20    40  0.614  0.614  0.614           0         0       0
        40    80  0.905  0.905  0.905           0         0       0
    Where the variance between groups is estimated as zero (probability at most 0.002), the mixed model's own test differs.

    How many planks, if there were half as much between the widths as in these?

    >>> planks = mt.lmer(
    ...     "humidity ~ width*depth + (1|plank) + (1|plank:width) + (1|plank:depth)",
    ...     mt.load_planks(),
    ... )
    >>> curve = mt.power_curve(
    ...     planks, "width", {"effect": [0.5], "plank": [10, 20]}, replicates=50, seed=1
    ... )
    >>> list(curve.columns)
    ['effect', 'plank', 'nobs', 'power', 'lower', 'upper', 'replicates', 'boundary', 'failed']
    """  # noqa: E501 (the table is as wide as it is)
    return _table(
        m, test, along, means, adjust, type, ddf, alpha, method, replicates, seed, n_jobs, level
    )


def _table(
    m: Any, test: Any, along: Any, means: Any, adjust: str | None, type: int | str,
    ddf: str | None, alpha: Any, method: str, replicates: int, seed: int | None,
    n_jobs: int | None, level: float,
) -> PowerTable:  # fmt: skip
    plan = _plan(m)
    alpha, level = _check_alpha(alpha), check_level(level)
    one_of(method, ("auto", "exact", "simulation"), "a way to the power")
    replicates = check_count(replicates, "replicates")
    n_jobs, entropy = check_jobs(n_jobs), entropy_of(seed)
    settings = [{}] if along is None else grid(plan, along)
    first = Experiment(recipe(plan)).base
    asked = test if isinstance(test, list) else [test]
    if not asked:
        raise InferenceError("test= is empty: name a test, such as a term of the fixed effects.")
    questions = [ask(first, one, type, ddf, means, adjust) for one in asked]
    cases = [_case(plan, own, questions) for own in settings]
    formulas = None if method == "simulation" else _formulas(cases, questions, alpha, method)
    if formulas is None:
        packed = [case.packed for case in cases]
        counts = run(packed, replicates, alpha, entropy, n_jobs)
        rows, notes = _counted(cases, questions, counts, replicates, level)
        how = f"simulated, {replicates} replicates; intervals: {100 * level:g}%, Clopper-Pearson"
    else:
        rows, notes = formulas
        how = exact.said(questions[0], cases[0].ready.bound[0])
    return _shown(plan, cases, questions, rows, [*notes, *_notes(plan, questions, along, alpha)],
                  how, formulas is not None, alpha, level, entropy, along)  # fmt: skip


def _plan(m: Any) -> PlannedModel:
    if isinstance(m, PlannedModel):
        return m
    if isinstance(m, MixedModel):
        return from_fit(m)
    raise InferenceError(
        "Power is of a model fitted by mt.lmer(...) or mt.gls(...), or written down by "
        f"mt.planned(...), not of {a_kind(m)}."
    )


def _check_alpha(alpha: Any) -> float:
    number = isinstance(alpha, (int, float, np.floating)) and not isinstance(alpha, bool)
    if not number or not 0 < alpha < 1:
        raise InferenceError(
            f"alpha={shown(alpha)} must be a number between 0 and 1, as in alpha=0.05."
        )
    return float(alpha)


def _case(plan: PlannedModel, settings: Mapping[str, Any], questions: list[Question]) -> _Case:
    try:
        own = at(plan, settings)
        written = recipe(own, questions)
        packed = written.packed()
        factor = settings.get(EFFECT)
        if factor is not None and EFFECT not in plan.params.index:
            written, own = _scaled(written, own, experiment(packed), float(factor))
            packed = written.packed()
        experiment(packed)
    except MixedTeachError as error:
        if not settings:
            raise
        where = ", ".join(f"{name}={value}" for name, value in settings.items())
        raise InferenceError(f"With {where}: {error}") from error
    return _Case(settings, own, written, packed)


def _scaled(
    written: Recipe, plan: PlannedModel, ready: Experiment, factor: float
) -> tuple[Recipe, PlannedModel]:
    """Multiply the tested effects, changing the means as little as possible (least squares)."""
    X, mean = ready.base.X, written.mean
    rows = [bound.L for bound in ready.bound if bound.L is not None]
    if rows:
        cross = np.linalg.pinv(X)  # beta = cross mean
        A = np.vstack(rows) @ cross  # the effects are A mean
        mean = mean + (factor - 1) * (np.linalg.pinv(A) @ (A @ mean))
    covariances = list(plan.covariances)
    for term in {bound.term for bound in ready.bound if bound.term is not None}:
        covariances[term] = factor**2 * covariances[term]
    residuals = plan.residuals
    for bound in ready.bound:
        if bound.residual and residuals is not None:
            residuals = residuals.scaled(bound.residual, factor)
            residuals.eta(residuals.bind(plan.frame))
    plan = replace(plan, covariances=covariances, residuals=residuals)
    roots = tuple(root(cov) for cov in covariances)
    return replace(written, mean=mean, roots=roots, residuals=residuals), plan


Rows = list[tuple[float, float, float, int, int, int]]


def _formulas(
    cases: list[_Case], questions: list[Question], alpha: float, method: str
) -> tuple[Rows, list[str]] | None:
    """Return powers by formula, or None if they are to be simulated."""
    rows: Rows = []
    chance = 0.0
    for case in cases:
        ready = case.ready
        blocks = exact.blocks_of(ready.base, case.plan)
        for question, bound in zip(questions, ready.bound, strict=True):
            value = None
            if blocks is not None:
                value = exact.power(question, bound, blocks, ready.base, case.recipe.mean, alpha)
                if value is not None and bound.term is None:
                    chance = max(chance, blocks.chance_of_zero)
            if value is None:
                if method == "auto":
                    return None
                raise InferenceError(
                    f"There is no formula for the power of '{question.name}' here, only for "
                    "balanced blocks, y ~ f + (1|g) or CompoundSymmetry: write "
                    "method='simulation'."
                )
            rows.append((value, value, value, 0, 0, 0))
    if method == "auto" and chance > exact.RARE:
        return None
    fixed = any(question.kind != "random" for question in questions)
    if not fixed or cases[0].plan.residuals is not None:
        return rows, []
    size = f"at most {chance:.1g}" if chance >= 1e-4 else "below 0.0001"
    return rows, [
        f"Where the variance between groups is estimated as zero (probability {size}), the mixed "
        "model's own test differs."
    ]


def _counted(
    cases: list[_Case], questions: list[Question], counts: list[Array], replicates: int,
    level: float,
) -> tuple[Rows, list[str]]:  # fmt: skip
    rows: Rows = []
    for found in counts:
        boundary = int(found[-1, 0])
        for rejected, failed in found[:-1].tolist():
            limits = clopper_pearson(rejected, replicates, level)
            rows.append((rejected / replicates, *limits, replicates, boundary, failed))
    total = replicates * len(cases)
    notes = []
    if boundary := sum(int(found[-1, 0]) for found in counts):
        notes.append(
            f"{boundary} of {total} replicates ended at the boundary (a variance of zero, or "
            "random effects perfectly correlated); they are counted like the others."
        )
    if failed := sum(row[-1] for row in rows):
        notes.append(
            f"{failed} of {total * len(questions)} tests gave no p-value (the fit or the test "
            "failed); they are counted as not rejected."
        )
    return rows, notes


def clopper_pearson(count: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the limits of Clopper and Pearson (1934) for a share of `count` in `n`.

    Examples
    --------
    >>> [round(limit, 4) for limit in clopper_pearson(80, 100)]
    [0.7082, 0.8733]
    """
    tail = 0.5 - level / 2
    lower = float(special.betaincinv(count, n - count + 1, tail)) if count else 0.0
    upper = float(special.betaincinv(count + 1, n - count, 1 - tail)) if count < n else 1.0
    return lower, upper


def _notes(plan: PlannedModel, questions: list[Question], along: Any, alpha: float) -> list[str]:
    notes = []
    if any(question.kind == "random" for question in questions):
        notes.append(
            "p from chi-squared, as in ranova(): for a single variance about twice too large, so "
            f"alpha={2 * alpha:g} would be nearer to {100 * alpha:g}% false alarms."
        )
    correlation = None if plan.residuals is None else plan.residuals.correlation
    tested = [q.name for q in questions if q.kind == "residual"]
    if isinstance(correlation, CAR1) and {"phi", "correlation"} & set(tested):
        notes.append(
            "phi of CAR1 cannot be negative, so p of its test is about twice too large: "
            f"alpha={2 * alpha:g} would be nearer to {100 * alpha:g}% false alarms."
        )
    fixed = any(question.kind not in ("random", "residual") for question in questions)
    said = {EFFECT, *plan.params.index} & set(along or ())
    if plan.from_fit and fixed and not said:
        notes.append(
            "The effects are those estimated from the data, which may be too large or too small: "
            "along={'effect': [0.5, 1]} tries others."
        )
    return notes


def _column(name: str) -> str:
    """Return the name of a column of the grid; the power of a variance is not the power."""
    return "power (variance)" if name == "power" else name


def _shown(
    plan: PlannedModel, cases: list[_Case], questions: list[Question], rows: Rows,
    notes: list[str], how: str, formula: bool, alpha: float, level: float, entropy: int,
    along: Any,
) -> PowerTable:  # fmt: skip
    several = len(questions) > 1
    left: list[dict[str, Any]] = [
        {
            **{_column(name): value for name, value in case.settings.items()},
            "nobs": case.plan.nobs,
            **({"test": q.name} if several else {}),
        }
        for case in cases
        for q in questions
    ]
    columns = ["power", "lower", "upper", "replicates", "boundary", "failed"]
    table = pd.DataFrame(left)
    right = pd.DataFrame(rows, columns=columns)
    what = "each test" if several else cases[0].ready.bound[0].said
    return PowerTable(
        pd.concat([table, right], axis=1),
        caption=f"Power of {what}; alpha {alpha:g}; {how}",
        notes=notes,
        digits=3,
        attrs={
            "alpha": alpha, "level": level, "seed": entropy,
            "method": "exact" if formula else "simulation",
            "along": [_column(name) for name in along or ()],
            "tests": [bound.said for bound in cases[0].ready.bound],
        },
    )  # fmt: skip
