"""Other experiments of the same kind: more groups, more readings, larger effects or variances.

*Number of groups.* The groups of the table are taken in turn, all rows of each, under new names,
until there are as many as wanted. If there are fewer or the number is no multiple, they are taken
evenly from the list, ordered by kind (what their rows are like in the fixed effects), so that
kinds keep their shares: of 16 boys and 11 girls, ten children become 6 and 4. What is nested in a
group (other grouping factors) gets new names with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from mixedteach.errors import InferenceError, a_kind, did_you_mean, shown
from mixedteach.inference.parameters import sd_labels, variance_labels
from mixedteach.power.planned import PlannedModel, finite

Array = np.ndarray

READINGS, EFFECT = "readings", "effect"


def grid(plan: PlannedModel, along: Any) -> list[dict[str, Any]]:
    """Return the settings of each experiment asked for, the last name varying fastest."""
    if not isinstance(along, Mapping) or not along:
        what = "empty" if isinstance(along, Mapping) else f"{a_kind(along)}, not a dict"
        first = next(iter(_groupings(plan)), "group")
        raise InferenceError(
            f"along= is {what}: say what changes, as in along={{'{first}': [10, 20, 40]}}."
        )
    values = {}
    for name, given in along.items():
        kind = _kind(plan, name)
        several = isinstance(given, (Sequence, np.ndarray, range, pd.Series, pd.Index))
        listed_values = list(given) if several and not isinstance(given, str) else [given]
        if not listed_values:
            raise InferenceError(f"along= has no values for '{name}': list some.")
        values[name] = [_value(name, kind, value) for value in listed_values]
    return [dict(zip(values, row, strict=True)) for row in product(*values.values())]


def at(plan: PlannedModel, settings: Mapping[str, Any]) -> PlannedModel:
    """Return the plan of one experiment; the size of the tested effect is seen to elsewhere."""
    frame, params, covariances, sigma = plan.frame, plan.params, plan.covariances, plan.sigma
    residuals = plan.residuals
    for name, value in settings.items():
        kind = _kind(plan, name)
        if kind == "groups":
            frame = resized(plan, frame, name, value)
        elif kind == "coefficient":
            params = params.copy()
            params[name] = value
        elif kind == "sd":
            covariances, sigma = _with_sd(plan, covariances, sigma, name, value)
        elif kind == "residual" and residuals is not None:
            residuals = residuals.with_value(name, value)
    if (r := settings.get(READINGS)) and _kind(plan, READINGS) == READINGS:
        frame = frame.iloc[np.repeat(np.arange(len(frame)), r)].reset_index(drop=True)
    if residuals is not None:
        residuals.eta(residuals.bind(frame))  # values that this table does not allow are refused
    return replace(
        plan, frame=frame, params=params, covariances=covariances, sigma=sigma, residuals=residuals
    )


def _kind(plan: PlannedModel, name: Any) -> str:
    """Say what a name in along= changes."""
    if name in _groupings(plan):
        if name in _in_effects(plan):
            raise InferenceError(
                f"'{name}' in along= is among the effects of the model as well, so its levels are "
                "part of the question: change the number of another grouping factor."
            )
        return "groups"
    if name in plan.params.index:
        return "coefficient"
    if name in variance_labels(plan.random) and str(name).startswith("sd("):
        return "sd"
    own = plan.residuals
    if own is not None and name in own.values:
        return "residual"
    if own is not None and name == "sigma":
        return "sd"
    if own is not None and own.time is not None and name in (READINGS, own.time):
        raise InferenceError(
            f"along= has '{name}', but {own.correlation} has each {own.time} once in a group: "
            f"change the number of groups, or plan a table with other values of {own.time}, as "
            "mt.crossed() makes it."
        )
    if name in (READINGS, EFFECT):
        return str(name)
    whole = next((t for t in plan.random if t.label == name and len(t.bar.group) > 1), None)
    if whole is not None:
        raise InferenceError(
            f"along= has '{name}', whose groups are combinations: name one of its columns, such as "
            f"'{whole.bar.group[0]}'."
        )
    sds = [label for label in variance_labels(plan.random) if label.startswith("sd(")]
    known = [*_groupings(plan), READINGS, EFFECT, *plan.params.index, *sds]
    known += [] if own is None else list(own.values)
    more = "" if own is None else ", residual parameter"
    raise InferenceError(
        f"along= has {shown(name)}, which is no grouping factor, coefficient{more} or standard "
        f"deviation of the model, nor '{READINGS}' or '{EFFECT}'." + did_you_mean(name, known)
    )


def _value(name: str, kind: str, value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if kind in ("groups", READINGS):
        least = 2 if kind == "groups" else 1
        whole = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not whole or value != int(value) or value < least:
            raise InferenceError(
                f"along= has {shown(value)} for '{name}', but a number of {kind} must be whole and "
                f"at least {least}."
            )
        return int(value)
    least = 0 if kind == "sd" else -np.inf
    number = finite(value, f"along= of '{name}'", least, InferenceError)
    if name in ("sd(Residual)", "sigma") and number == 0:
        raise InferenceError(f"along= of '{name}' is 0, but must be larger than that.")
    return number


def _groupings(plan: PlannedModel) -> list[str]:
    """Return the columns that make up the grouping factors, those of correlations included."""
    names = [name for term in plan.random for name in term.bar.group]
    names += [] if plan.residuals is None else plan.residuals.groups
    return list(dict.fromkeys(names))


def _in_effects(plan: PlannedModel) -> list[str]:
    """Return the columns that say what a row is like: in fixed effects, slopes, residuals."""
    parts = [plan.formula.fixed, *(bar.effects for bar in plan.formula.bars)]
    names = [name for part in parts for name in part.variables()]
    names += [] if plan.residuals is None else plan.residuals.others
    return list(dict.fromkeys(names))


def resized(plan: PlannedModel, frame: pd.DataFrame, column: str, number: int) -> pd.DataFrame:
    """Return the table with `number` groups of one grouping factor."""
    used = _in_effects(plan)
    codes, levels = pd.factorize(frame[column])
    values = [pd.factorize(frame[name])[0] for name in used]
    order = np.lexsort([*values[::-1], codes])  # by group, like rows beside each other
    rows = np.split(order, np.searchsorted(codes[order], np.arange(1, len(levels))))
    signs = np.column_stack(values) if values else np.zeros((len(frame), 1), int)
    kinds: dict[bytes, list[int]] = {}
    for group, own in enumerate(rows):
        kinds.setdefault(signs[own].tobytes(), []).append(group)
    by_kind = np.array([group for groups in kinds.values() for group in groups])
    chosen = by_kind[((np.arange(number) + 0.5) * len(levels) / number).astype(int)]
    rows = [np.sort(own) for own in rows]
    new = frame.iloc[np.concatenate([rows[group] for group in chosen])].reset_index(drop=True)
    length = [len(rows[group]) for group in chosen]
    seen: dict[int, int] = {}
    copies = []
    for group in chosen.tolist():
        copies.append(seen.get(group, 0))
        seen[group] = copies[-1] + 1
    copy = np.repeat(copies, length)
    for name in _groupings(plan):
        if name != column and name not in used and _is_nested(frame[name], codes):
            old = new[name].astype(str).to_numpy(object)
            again = [f"{label}.{c}" if c else label for label, c in zip(old, copy, strict=True)]
            new[name] = pd.Categorical(again)
    labels = [str(i + 1) for i in range(number)]
    new[column] = pd.Categorical.from_codes(np.repeat(np.arange(number), length), labels)
    return new


def _is_nested(inner: pd.Series, outer: Array) -> bool:
    """Say whether each level of `inner` lies in one group of `outer`."""
    return bool((pd.Series(outer).groupby(pd.factorize(inner)[0]).nunique() == 1).all())


def _with_sd(
    plan: PlannedModel, covariances: Sequence[Array], sigma: float, name: str, value: float
) -> tuple[list[Array], float]:
    out = [cov.copy() for cov in covariances]
    if name in ("sd(Residual)", "sigma"):
        return out, value
    for term, cov in zip(plan.random, out, strict=True):
        if term.tied and [name] == sd_labels(term):
            cov[:] = value**2 * np.eye(term.size)
            continue
        for a, effect in enumerate(term.effects):
            if name == f"sd({effect} | {term.label})":
                before = np.sqrt(cov[a, a])
                scale = value / before if before > 0 else 0.0
                cov[a, :] *= scale
                cov[:, a] *= scale
                cov[a, a] = value**2
    return out, sigma
