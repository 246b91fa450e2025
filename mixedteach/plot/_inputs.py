"""What pictures ask of what they are given, and the units they write on their axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixedteach.classical import LinearModel
from mixedteach.columns import check_table, is_missing, is_numeric
from mixedteach.errors import DataError, InferenceError, a_kind, did_you_mean
from mixedteach.model import MixedModel


def check_columns(data: pd.DataFrame, **columns: str | None) -> None:
    """Refuse data that are no table, and columns that it does not have or that are named twice."""
    check_table(data, "The data")
    seen: dict[str, str] = {}
    for argument, name in columns.items():
        if name is None:
            continue
        if not isinstance(name, str):
            raise DataError(f"{argument}= must be the name of a column, not {a_kind(name)}.")
        if name not in data.columns:
            raise DataError(
                f"{argument}='{name}' is not a column of the data."
                + did_you_mean(name, data.columns)
            )
        if name in seen:
            raise DataError(
                f"The column '{name}' is given as {seen[name]}= and as {argument}=: name two "
                "different columns."
            )
        if is_missing(data[name]).all():
            raise DataError(f"The column '{name}' holds no values: choose another for {argument}=.")
        seen[name] = argument


def check_numbers(data: pd.DataFrame, response: str) -> None:
    """Refuse a response that does not hold numbers."""
    if not is_numeric(data[response]):
        raise DataError(
            f"The response '{response}' holds names, not numbers: choose a column of numbers, or "
            "convert it with pd.to_numeric."
        )


def check_mixed(m: Any, name: str) -> None:
    """Refuse what is not a model of :func:`mixedteach.lmer`."""
    if not isinstance(m, MixedModel):
        raise InferenceError(
            f"mt.plot.{name} draws a model fitted by mt.lmer(...), not {a_kind(m)}: fit one first."
        )
    check_random(m, f"mt.plot.{name}")


def check_random(m: MixedModel, who: str) -> None:
    """Refuse a model of :func:`mixedteach.gls`."""
    if not m.random:
        raise InferenceError(
            f"{who} shows random effects, and this model, fitted by gls(), has none: use a model "
            "fitted by mt.lmer(...)."
        )


def check_plain(m: MixedModel, who: str) -> None:
    """Refuse a model whose residuals are correlated or unequal, where the picture needs others."""
    if m.residual_text:
        raise InferenceError(
            f"{who} holds for independent residuals of equal variance, and this model has "
            f"{m.residual_text}: leave that out, or look at m.residual_parameters."
        )


Residuals = tuple[np.ndarray, float, str, str]  # values, standard deviation, name, unit


def independent_residuals(m: MixedModel | LinearModel) -> Residuals:
    """Return residuals that should look alike: under a residual covariance normalised ones."""
    return normalised_residuals(m) if m.residual_text else plain_residuals(m)


def plain_residuals(m: MixedModel | LinearModel) -> Residuals:
    """Return reading minus fitted value, random effects included."""
    return m.resid.to_numpy(), m.sigma, "residuals", unit_of(m)


def normalised_residuals(m: MixedModel | LinearModel) -> Residuals:
    """Return the residuals that the model's covariance makes independent with variance one."""
    values = m.normalised_resid if m.residual_text else m.resid / m.sigma
    return values.to_numpy(), 1.0, "normalised residuals", ""


def check_model(m: object) -> None:
    """Say how to get a model, if this is none."""
    if not isinstance(m, (MixedModel, LinearModel)):
        raise DataError(
            f"The model must be one fitted by mt.lmer() or mt.lm(), not {a_kind(m)}: write "
            "m = mt.lmer('y ~ x + (1|g)', data) first."
        )


def with_unit(label: str, units: dict[str, str], column: str | None = None) -> str:
    """Return a label with its unit in brackets, on a second line where it is long.

    Examples
    --------
    >>> with_unit("humidity", {"humidity": "%"}), with_unit("width", {})
    ('humidity [%]', 'width')
    """
    unit = units.get(column or label, "")
    if not unit:
        return label
    return f"{label}\n[{unit}]" if len(label) + len(unit) > 30 else f"{label} [{unit}]"


def of_difference(unit: str) -> str:
    """Return the unit of a difference: percentages differ by percentage points.

    >>> of_difference("%"), of_difference("mm")
    ('percentage points', 'mm')
    """
    return "percentage points" if unit == "%" else unit


def line_names(levels: Sequence[Any], factor: str) -> list[str]:
    """Return the levels; with the factor's name where they are so short that they say little.

    >>> line_names([1, 3], "depth"), line_names(["nir", "hplc"], "method")
    (['depth 1', 'depth 3'], ['nir', 'hplc'])
    """
    names = [str(level) for level in levels]
    short = all(len(name) <= 3 or name.replace(".", "").isdigit() for name in names)
    return [f"{factor} {name}" for name in names] if short else names


def unit_of(m: MixedModel, power: str = "") -> str:
    """Return the unit of the response as axes show it, `` [%]``, or nothing if it is not known."""
    unit = m.data.attrs.get("units", {}).get(m.formula.response_name, "")
    if unit and power and len(unit) > 4:
        unit = f"({unit})"
    return f" [{unit}{power}]" if unit else ""
