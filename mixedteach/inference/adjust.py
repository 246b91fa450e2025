r"""Adjusting p-values and intervals for the number of comparisons.

For a family of m tests with unadjusted p:

    tukey       P(Q_{k,df} > sqrt(2) |t|), the studentized range of the k means compared
    sidak       1 - (1 - p)^m
    bonferroni  min(1, m p)
    holm        step-down Bonferroni (Holm 1979)
    none        p

Intervals follow: Tukey's from the range, Sidak's and Bonferroni's from the adjusted level; Holm's
has none of its own and takes Bonferroni's. Tukey's needs all pairs of one set of means; for any
other family Sidak's is used, and said. A family of one is not adjusted.

Source: Tukey (1953); Sidak (1967); Holm (1979), Scand. J. Stat. 6; the conventions are those of
R's emmeans (Lenth).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mixedteach.errors import one_of
from mixedteach.inference.distributions import t_pvalue, t_quantile, tukey_pvalue, tukey_quantile

Array = np.ndarray

METHODS = ("tukey", "sidak", "bonferroni", "holm", "none")


@dataclass(frozen=True)
class Plan:
    """What will be done to a family, and how to say it."""

    name: str
    intervals: str
    family: str
    caption: str
    k: int
    notes: list[str] = field(default_factory=list)


def plan(adjust: str, family: str | None, k: int, sizes: Sequence[int]) -> Plan:
    """Decide how a family is adjusted; Tukey falls back to Sidak where it does not apply."""
    name = adjust.strip().lower() if isinstance(adjust, str) else adjust
    one_of(name, METHODS, "an adjustment")
    tests = max(sizes, default=0)
    notes = []
    if tests <= 1 and name != "none":
        return Plan("none", "", "one test", "one test, not adjusted", k)
    if name == "tukey" and family != "pairs":
        what = "means" if family == "means" else "these contrasts"
        notes.append(f"Tukey's adjustment is for all pairs of one set of means; {what}: Sidak's.")
        name = "sidak"
    if name == "none":
        return Plan("none", "", "each on its own", "p not adjusted", k)
    if name == "tukey":
        least = min(map(_means_of, sizes))
        said = f"all pairs of {k if least == k else f'{least} to {k}'} means"
    else:
        least = min(sizes)
        number = tests if least == tests else f"{least} to {tests}"
        said = f"{number} {'means' if family == 'means' else 'tests'}"
    said += " within each group" if len(sizes) > 1 else ""
    intervals = {"tukey": "Tukey", "sidak": "Sidak"}.get(name, "Bonferroni")
    title = {"tukey": "Tukey", "sidak": "Sidak", "bonferroni": "Bonferroni", "holm": "Holm"}[name]
    return Plan(name, intervals, said, f"p: {title}, {said}", k, notes)


def _means_of(pairs: int) -> int:
    """Return how many means have that many pairs: groups may differ in their number."""
    return round(0.5 + np.sqrt(0.25 + 2 * pairs))


def pvalues(plan: Plan, t: Array, df: Array) -> Array:
    """Return adjusted p-values of one family; NaN where t is NaN.

    Rows that are not estimable stay in the count of the family, as in R's emmeans.
    """
    p = t_pvalue(t, df)
    m = len(p)
    if plan.name == "none" or m <= 1:
        return p
    if plan.name == "tukey":
        root = np.sqrt(2) * np.abs(t)
        seen: dict[tuple[float, float], float] = {}
        k = _means_of(m)
        return np.array([_cached(seen, q, k, nu) for q, nu in zip(root, df, strict=True)])
    if plan.name == "sidak":
        return -np.expm1(m * np.log1p(-np.minimum(p, 1 - 1e-16)))
    if plan.name == "bonferroni":
        return np.minimum(1.0, m * p)
    order = np.argsort(p)  # NaN last
    out = np.empty(m)
    out[order] = np.minimum(1.0, np.maximum.accumulate((m - np.arange(m)) * p[order]))
    return out


def _cached(seen: dict[tuple[float, float], float], q: float, k: int, df: float) -> float:
    key = (float(q), float(df))
    if key not in seen:
        seen[key] = tukey_pvalue(q, k, df)
    return seen[key]


def quantiles(plan: Plan, m: int, df: Array, level: float) -> Array:
    """Return the multiplier of the standard error for each row's interval."""
    alpha = 1 - level
    if plan.name == "none" or m <= 1:
        return t_quantile(1 - alpha / 2, df)
    if plan.name == "tukey":
        values = {nu: tukey_quantile(level, _means_of(m), nu) for nu in _distinct(df)}
        nearest = np.array(list(values))
        return np.array(
            [np.nan if np.isnan(nu) else values[nearest[np.argmin(_gap(nearest, nu))]] for nu in df]
        ) / np.sqrt(2)
    if plan.name == "sidak":
        return t_quantile(0.5 + 0.5 * level ** (1 / m), df)
    return t_quantile(1 - alpha / (2 * m), df)


def _gap(nearest: Array, nu: float) -> Array:
    return np.zeros(len(nearest)) if np.isinf(nu) else np.abs(nearest - nu)


def _distinct(df: Array) -> list[float]:
    """Return df that differ by more than rounding, for a quantile costs a root search each."""
    out: list[float] = []
    for nu in np.sort(df[~np.isnan(df)]):
        known = out and (nu == out[-1] or nu - out[-1] <= 1e-9 * abs(nu) < np.inf)
        if not known:
            out.append(float(nu))
    return out
