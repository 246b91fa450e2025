"""What models say of repeated measures, beside what the data show: V of one subject.

Two views. ``structures``: the whole matrix, times by times, as heat maps on one scale.
``correlation_by_lag`` and ``sd_by_time``: its two aspects, how correlation falls with distance in
time, and how the standard deviation changes along it.

The data's matrix is that of the residuals from the fixed effects: reading minus X beta, at each
time about their mean, covariances over subjects with n - 1. Where all subjects have the same fixed
part, as in growth of one group over common times, it is the covariance matrix of the readings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from mixedteach.columns import Factor, as_factor, is_numeric
from mixedteach.errors import DataError, InferenceError, a_kind, did_you_mean, one_of
from mixedteach.model import MixedModel
from mixedteach.plot._covariance import colour_scale, covariance_of_rows
from mixedteach.plot._inputs import unit_of, with_unit
from mixedteach.plot._style import (
    COLOURS,
    INK,
    LINES,
    MARKERS,
    MINUS_ZERO_PLUS,
    PALE,
    axes,
    describe,
    number,
    own_or_new,
    style,
)

Array = np.ndarray

MOST_TIMES = 30  # more of them make cells too small to see
MOST_MODELS = 5
WITH_NUMBERS = 5  # so many times still have room for a number in each cell


def structures(
    *models: MixedModel,
    time: str,
    by: str,
    labels: Sequence[str] | None = None,
    kind: str = "covariance",
    ax: Sequence[Axes] | None = None,
) -> Any:
    """Draw the covariances of a subject's readings: first the data's, then each model's.

    All heat maps have one scale: white at zero, the bluer the larger (orange below zero).

    Parameters
    ----------
    *models : MixedModel
        Made by :func:`mixedteach.lmer` or :func:`mixedteach.gls` from the same rows; at most 5.
    time, by : str
        Columns of the times and of the subjects; each subject measured once at a time at most.
    labels : sequence of str, optional
        A name for each model; by default their formulas.
    kind : {'covariance', 'correlation'}
    ax : sequence of Axes, optional
        One more than models; by default a new figure.

    Returns
    -------
    ndarray of Axes
        The data's, then one for each model.

    Raises
    ------
    InferenceError, DataError
        If there is no model or too many, models have different rows, a column does not exist, a
        subject was measured twice at a time, or no subject at all times.

    Examples
    --------
    >>> import mixedteach as mt
    >>> d = mt.load_orthodont()
    >>> same = mt.gls("distance ~ age*Sex", d, correlation=mt.CompoundSymmetry(by="Subject"))
    >>> drawn = mt.plot.structures(same, time="age", by="Subject", kind="correlation")
    >>> drawn[1].images[0].get_array().round(2).tolist()[0]
    [1.0, 0.63, 0.63, 0.63]
    """
    kind = one_of(kind, ("covariance", "correlation"), "a kind of matrix")
    seen, labels = Repeated.of(models, time, by, "structures"), _labels(models, labels)
    matrices = [seen.covariance, *(seen.implied(m) for m in models)]
    if kind == "correlation":
        matrices = [correlations(V) for V in matrices]
    names = ["data", *labels]
    unit = "" if kind == "correlation" else unit_of(models[0], "²")
    if ax is None:
        ax = axes(1, len(matrices), size=(9, 3.6 if len(matrices) < 4 else 2.9))
    ax = np.atleast_1d(np.asarray(ax, object)).ravel()
    if len(ax) != len(matrices):
        raise InferenceError(
            f"ax= holds {len(ax)} Axes, but {len(matrices)} are needed: the data's, and one for "
            "each model."
        )
    largest = max(float(np.abs(V).max()) for V in matrices)
    numbers = len(seen.levels) <= WITH_NUMBERS
    scale = colour_scale(largest) if numbers else Normalize(-largest, largest)
    with style():
        for i, (own, V, name) in enumerate(zip(ax, matrices, names, strict=True)):
            image = own.imshow(V, cmap=MINUS_ZERO_PLUS, norm=scale)
            own.set_title(name, fontsize=13 if len(matrices) < 4 else 12)
            own.spines[:].set_visible(True)
            own.spines[:].set_color(PALE)
            own.tick_params(length=0)
            _name_times(own, seen, first=i == 0)
            if i == 0:
                own.set_ylabel(time)
            if numbers:
                _write(own, V, kind)
            describe(own, _words(V, name, kind, unit))
        if not numbers:
            bar = ax[0].figure.colorbar(image, ax=list(ax), pad=0.02, shrink=0.85, aspect=14)
            bar.set_label((kind.capitalize()) + (f"\n{unit.strip()}" if unit else ""))
            bar.outline.set_visible(False)
            bar.ax.set_ylim(min(0.0, *(float(V.min()) for V in matrices)), largest)
    return ax


def correlation_by_lag(
    *models: MixedModel,
    time: str,
    by: str,
    labels: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how the correlation of two readings of a subject falls with their distance in time.

    Pale dots: each pair of times in the data. Bold diamonds: their means. Lines: what the models
    imply, averaged over the pairs of times with that distance.

    Parameters
    ----------
    *models : MixedModel
        As in :func:`structures`; `time` must hold numbers.
    time, by : str
        Columns of the times and of the subjects.
    labels : sequence of str, optional
        A name for each model; by default their formulas.
    ax : Axes, optional
        By default a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    InferenceError, DataError
        As :func:`structures`, or if the times are names.

    Examples
    --------
    >>> import mixedteach as mt
    >>> d = mt.load_orthodont()
    >>> m = mt.gls("distance ~ age*Sex", d, correlation=mt.CompoundSymmetry(by="Subject"))
    >>> ax = mt.plot.correlation_by_lag(m, time="age", by="Subject")
    >>> ax.lines[-1].get_ydata().round(2).tolist()
    [0.63, 0.63, 0.63]
    """
    seen, labels = Repeated.of(models, time, by, "correlation_by_lag"), _labels(models, labels)
    times = seen.numbers("correlation_by_lag", time)
    rows, columns = np.triu_indices(len(times), 1)
    lags = np.round(np.abs(times[rows] - times[columns]), 10)
    data = correlations(seen.covariance)[rows, columns]
    distances = np.unique(lags)

    def mean(values: Array) -> Array:
        return np.array([values[lags == lag].mean() for lag in distances])

    ax = own_or_new(ax)
    units = seen.model.data.attrs.get("units", {})
    said = [f"data {_listing(mean(data))}"]
    with style():
        ax.plot(lags, data, "o", color=PALE, markersize=5, alpha=0.7, mew=0)
        ax.plot(distances, mean(data), "D", color=INK, markersize=9, label="data, mean", zorder=4)
        low = min(0.0, float(data.min()))
        for k, (m, label) in enumerate(zip(models, labels, strict=True)):
            implied = mean(correlations(seen.implied(m))[rows, columns])
            _line(ax, distances, implied, k, label)
            low = min(low, float(implied.min()))
            said.append(f"{label} {_listing(implied)}")
        ax.set_ylim(low - 0.05, 1.05)
        ax.set_xticks(distances if len(distances) <= 12 else ax.get_xticks())
        ax.set_xlim(0, distances[-1] + 0.06 * distances[-1])
        ax.set_xlabel("distance in " + with_unit(time, units))
        ax.set_ylabel("correlation")
        ax.set_title("How alike are two readings?")
        ax.legend(loc="lower left", handlelength=2.6, borderpad=0)
    words = (
        f"Correlation of two readings of a {by} by their distance in {time}, "
        f"{distances[0]:g} to {distances[-1]:g}: {'; '.join(said)}."
    )
    return describe(ax, words)


def sd_by_time(
    *models: MixedModel,
    time: str,
    by: str,
    labels: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the standard deviation between subjects at each time: the data's, and the models'.

    Parameters
    ----------
    *models : MixedModel
        As in :func:`structures`.
    time, by : str
        Columns of the times and of the subjects.
    labels : sequence of str, optional
        A name for each model; by default their formulas.
    ax : Axes, optional
        By default a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    InferenceError, DataError
        As :func:`structures`.

    Examples
    --------
    >>> import mixedteach as mt
    >>> d = mt.load_orthodont()
    >>> m = mt.gls("distance ~ age*Sex", d, correlation=mt.CompoundSymmetry(by="Subject"))
    >>> ax = mt.plot.sd_by_time(m, time="age", by="Subject")
    >>> ax.lines[0].get_ydata().round(2).tolist()
    [2.29, 2.02, 2.49, 2.19]
    """
    seen, labels = Repeated.of(models, time, by, "sd_by_time"), _labels(models, labels)
    numeric = is_numeric(pd.Series(seen.levels))
    places = np.asarray(seen.levels, float) if numeric else np.arange(len(seen.levels))
    unit = unit_of(models[0])
    data = np.sqrt(np.diag(seen.covariance))
    said = [f"data {_listing(data)}"]
    ax = own_or_new(ax)
    with style():
        ax.plot(places, data, "D", color=INK, markersize=9, label="data", zorder=4)
        highest = float(data.max())
        for k, (m, label) in enumerate(zip(models, labels, strict=True)):
            sd = np.sqrt(np.diag(seen.implied(m)))
            _line(ax, places, sd, k, label)
            highest = max(highest, float(sd.max()))
            said.append(f"{label} {_listing(sd)}")
        ax.set_ylim(0, 1.12 * highest)
        ax.set_xticks(places, [f"{level}" for level in seen.levels])
        ax.set_xlabel(with_unit(time, seen.model.data.attrs.get("units", {})))
        ax.set_ylabel("standard deviation" + unit)
        ax.set_title("How far are subjects apart?")
        ax.legend(loc="lower right", handlelength=2.6, borderpad=0)
    words = (
        f"Standard deviation{unit} between levels of {by} by {time}, from {seen.levels[0]} to "
        f"{seen.levels[-1]}: {'; '.join(said)}."
    )
    return describe(ax, words)


# -- what the data and the models say --------------------------------------------------------------


class Repeated:
    """Rows of models as subjects by times.

    Attributes
    ----------
    levels : list
        The times, in order.
    covariance : ndarray, shape (T, T)
        Of the residuals from the fixed effects of the first model.
    whole : ndarray of int
        The rows of one subject measured at all times, in order of time.
    """

    def __init__(self, m: MixedModel, times: Factor, subjects: Factor, by: str) -> None:
        self.model, self.levels = m, list(times.levels)
        cells = pd.DataFrame({"subject": subjects.codes, "time": times.codes})
        twice = cells.duplicated()
        if twice.any():
            row = cells[twice].iloc[0]
            raise DataError(
                f"{by} {subjects.levels[row['subject']]} has more than one row at {times.name} "
                f"{times.levels[row['time']]}: average them first, or name other columns."
            )
        counts = np.bincount(subjects.codes, minlength=len(subjects.levels))
        full = np.flatnonzero(counts == len(self.levels))
        if not len(full):
            raise DataError(
                f"No {by} was measured at every {times.name}, so no picture shows them all: leave "
                f"out rows at the rarest {times.name}."
            )
        own = np.flatnonzero(subjects.codes == full[0])
        self.whole = own[np.argsort(times.codes[own])]
        left = m.fit.problem.y - m.fit.fixed
        wide = cells.assign(left=left).pivot(index="subject", columns="time", values="left")
        self.covariance = wide.cov().to_numpy()

    @classmethod
    def of(cls, models: Sequence[Any], time: str, by: str, name: str) -> Repeated:
        """Return the rows of these models, checked."""
        if not 1 <= len(models) <= MOST_MODELS:
            raise InferenceError(
                f"mt.plot.{name} draws 1 to {MOST_MODELS} models, not {len(models)}: write "
                f"mt.plot.{name}(m, time='...', by='...')."
            )
        for m in models:
            if not isinstance(m, MixedModel):
                raise InferenceError(
                    f"mt.plot.{name} draws models fitted by mt.lmer(...) or mt.gls(...), not "
                    f"{a_kind(m)}."
                )
            if not m.frame.index.equals(models[0].frame.index):
                raise InferenceError(
                    "The models are fitted to different rows, so their covariances cannot be "
                    "compared: fit them to the same data."
                )
        factors = []
        for argument, column in (("time", time), ("by", by)):
            data = pd.DataFrame(models[0].data)
            if not isinstance(column, str) or column not in data.columns:
                raise DataError(
                    f"{argument}={column!r} is not a column of the models' data."
                    + did_you_mean(column, data.columns)
                )
            factors.append(as_factor(column, data[column][models[0].model_frame.rows]))
        if not 2 <= len(factors[0].levels) <= MOST_TIMES:
            raise DataError(
                f"'{time}' has {len(factors[0].levels)} different values: mt.plot.{name} draws "
                f"2 to {MOST_TIMES}."
            )
        return cls(models[0], *factors, by)

    def implied(self, m: MixedModel) -> Array:
        """Return the covariance matrix that a model gives the readings of one subject."""
        return covariance_of_rows(m, self.whole)

    def numbers(self, name: str, time: str) -> Array:
        """Return the times as numbers."""
        if not is_numeric(pd.Series(self.levels)):
            raise DataError(
                f"'{time}' holds names, so there are no distances: use mt.plot.structures instead "
                f"of {name}, or a column of numbers."
            )
        return np.asarray(self.levels, float)


def correlations(V: Array) -> Array:
    """Return the correlation matrix that belongs to a covariance matrix.

    >>> correlations(np.array([[4.0, 3.0], [3.0, 9.0]])).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    sd = np.sqrt(np.diag(V))
    return V / np.outer(sd, sd)


def _labels(models: Sequence[MixedModel], labels: Sequence[str] | None) -> list[str]:
    if labels is None:
        return [m.formula_text for m in models]
    if isinstance(labels, str) or len(labels) != len(models):
        raise InferenceError(
            f"labels= must be a list with a name for each model, of which there are {len(models)}."
        )
    return [str(label) for label in labels]


def _line(ax: Axes, x: Array, y: Array, k: int, label: str) -> None:
    ax.plot(
        x, y, color=COLOURS[k], linestyle=LINES[k], marker=MARKERS[k], markersize=7, label=label
    )


def _name_times(ax: Axes, seen: Repeated, first: bool) -> None:
    names = [f"{level}" for level in seen.levels]
    step = 1 if len(names) <= 6 else 2 if len(names) <= 12 else 5
    places = range(0, len(names), step)
    ax.set_xticks(places, names[::step])
    ax.set_yticks(places if first else [], names[::step] if first else [])


def _write(ax: Axes, V: Array, kind: str) -> None:
    for (i, j), value in np.ndenumerate(V):
        text = f"{value:.2f}" if kind == "correlation" else number(value)
        ax.text(j, i, text, ha="center", va="center", fontsize=12, color=INK)


def _listing(values: Array) -> str:
    """Return the first and the last of values in words."""
    return f"{number(float(values[0]))} to {number(float(values[-1]))}"


def _words(V: Array, name: str, kind: str, unit: str) -> str:
    off = V[~np.eye(len(V), dtype=bool)]
    text = f"{kind.capitalize()} matrix{unit} of {len(V)} readings of a subject, {name}: "
    if kind == "covariance":
        text += f"variances from {number(V[0, 0])} (first) to {number(V[-1, -1])} (last), "
    low, high = number(float(off.min())), number(float(off.max()))
    if low == high:
        return text + f"all {kind}s {low}."
    return text + (
        f"{kind}s of neighbours {number(float(np.diag(V, 1).mean()))} on average, of the first and "
        f"the last {number(float(V[0, -1]))}; all between {low} and {high}."
    )
