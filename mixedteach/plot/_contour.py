"""The likelihood of a model with two variances as a landscape, and the way through it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from mixedteach.errors import InferenceError
from mixedteach.model import MixedModel
from mixedteach.plot._inputs import check_mixed, check_plain
from mixedteach.plot._likelihood import effect_names, profiled, sd_unit, unprofiled
from mixedteach.plot._style import (
    BLUE,
    INK,
    PALE,
    VERMILION,
    describe,
    number,
    own_or_new,
    style,
)

Array = np.ndarray

_LEVELS = (0.5, 1, 2, 4, 8, 16, 32, 64, 128)
_POINTS = 61  # each way
_STEP = (0.075, 0.045, 0.025)  # taken off white, band by band: white where the criterion is small


def likelihood_contour(
    m: MixedModel, *, start: Sequence[float] | None = None, ax: Axes | None = None
) -> Axes:
    r"""Draw the deviance (or REML criterion) over two parameters, and the steps of the search.

    With one random effect the axes are its standard deviation and the residual one; with two
    they are both standard deviations relative to the residual one. The contours say how much the
    criterion lies above its minimum.

    Parameters
    ----------
    m : MixedModel
        With one or two parameters in ``theta``.
    start : sequence of float, optional
        Where the search begins, as in ``m.optimizer_path(start)``.
    ax : Axes, optional
        By default a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    InferenceError
        If the model has more than two parameters in theta.

    Examples
    --------
    >>> import mixedteach as mt
    >>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    >>> ax = mt.plot.likelihood_contour(m, start=[0.2])
    >>> ax.get_ylabel()
    'residual sd $\\sigma$ [%]'
    """
    check_mixed(m, "likelihood_contour")
    check_plain(m, "mt.plot.likelihood_contour")
    if m.theta.size > 2:
        raise InferenceError(
            f"likelihood_contour() draws models with one or two parameters in theta, and this has "
            f"{m.theta.size}: look at m.optimizer_path() instead."
        )
    steps = m.optimizer_path(start)
    over = _over_sds if m.theta.size == 1 else _over_thetas
    x, y, height, path, names = over(m, steps.filter(like="theta").to_numpy(float))
    ax = own_or_new(ax, (9, 5))
    with style():
        levels = [level for level in _LEVELS if level < height.max()]
        shades = [to_hex(np.array([1, 1, 1]) - k * np.array(_STEP)) for k in range(len(levels) + 1)]
        ax.contourf(x, y, height, [-1, *levels, np.inf], colors=shades)
        lines = ax.contour(x, y, height, levels, colors=PALE, linewidths=1)
        for label in ax.clabel(lines, fmt="+%g", fontsize=12, colors=INK):
            spot = (np.array(label.get_position()) - (x[0], y[0])) / (np.ptp(x), np.ptp(y))
            label.set_visible(bool(((spot > 0.04) & (spot < 0.96)).all()))
        if m.theta.size == 1:
            _valley(ax, m, x, y)
        _walk(ax, path)
        ax.set_xlabel(names[0])
        ax.set_ylabel(names[1])
        ax.set_xlim(x[0], x[-1])
        ax.set_ylim(y[0], y[-1])
    what = "REML criterion" if m.reml else "ML deviance"
    plain = [re.sub(r"( relative to)? \$.*", "", name) for name in names]
    end, first = (" and ".join(number(value) for value in path[k]) for k in (-1, 0))
    taken = len(path) - 1
    walked = f"The search starts at {first} and takes {taken} step{'s' * (taken != 1)}."
    return describe(
        ax,
        f"Contours of the {what} over {plain[0]} and {plain[1]}: it is smallest, "
        f"{number(m.deviance, 4)}, at {end}. "
        + (walked if taken else "The search starts there and needs no step."),
    )


def _over_sds(m: MixedModel, thetas: Array) -> tuple[Array, Array, Array, Array, list[str]]:
    """Return the grid of both sds, the criterion above its minimum, the path, the axes' names."""
    sigma = profiled(m, thetas[:, 0], m.reml)[1]
    path = np.column_stack([thetas[:, 0] * sigma, sigma])
    size = max(path[-1, 0], 0.2 * m.sigma)
    x = np.linspace(0, max(2.4 * size, 1.1 * path[:, 0].max()), _POINTS)
    y = np.linspace(
        min(0.55 * m.sigma, 0.9 * sigma.min()), max(1.9 * m.sigma, 1.1 * sigma.max()), _POINTS
    )
    theta = x / y[:, None]
    deviance, best = (part.reshape(theta.shape) for part in profiled(m, theta.ravel(), m.reml))
    df = m.nobs - m.X.shape[1] * m.reml
    height = unprofiled(deviance, best, y[:, None], df) - m.deviance
    unit, letter = sd_unit(m), m.random[0].label[0].upper()
    names = [f"sd of {effect_names(m)[0]} $\\sigma_{letter}${unit}", rf"residual sd $\sigma${unit}"]
    return x, y, height, path, names


def _over_thetas(m: MixedModel, path: Array) -> tuple[Array, Array, Array, Array, list[str]]:
    """Return the same for two relative sds."""
    top = np.maximum(2.2 * np.maximum(path[-1], 0.4), 1.1 * path.max(axis=0))
    x, y = (np.linspace(0, end, _POINTS) for end in top)
    height = np.array([[m.profile_deviance([a, b]) for a in x] for b in y]) - m.deviance
    names = [rf"sd of {name} relative to $\sigma$" for name in effect_names(m)]
    return x, y, height, path, names


def _valley(ax: Axes, m: MixedModel, x: Array, y: Array) -> None:
    """Draw the best sigma for every theta: the search moves along this line only."""
    theta = np.linspace(0, x[-1] / y[0], 200)
    sigma = profiled(m, theta, m.reml)[1]
    inside = theta * sigma <= 0.97 * x[-1]
    ax.plot((theta * sigma)[inside], sigma[inside], "--", color=INK, linewidth=1.4)
    ax.annotate(
        r"best $\sigma$ for each $\theta$",
        ((theta * sigma)[inside][-1], sigma[inside][-1]), xytext=(0, 8),
        textcoords="offset points", ha="right", va="bottom", fontsize=12, zorder=6,
        bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none"},
    )  # fmt: skip


def _walk(ax: Axes, path: Array) -> None:
    """Draw the steps as numbered points; those that would cover each other share one."""
    ax.plot(path[:, 0], path[:, 1], color=VERMILION, linewidth=1.6)
    spans = np.array([np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())])
    groups: list[list[int]] = []
    for step, point in enumerate(path):
        near = groups and (np.abs(point - path[groups[-1][-1]]) / spans).max() < 0.035
        if near:
            groups[-1].append(step)
        else:
            groups.append([step])
    for group in groups:
        last = group[-1] == len(path) - 1
        x, y = path[group[-1]]
        ax.plot(
            x, y, "*" if last else "o", color=BLUE if last else VERMILION,
            markersize=20 if last else 17, markeredgecolor="white", zorder=4,
        )  # fmt: skip
        text = str(group[0]) if len(group) == 1 else f"{group[0]} to {group[-1]}"
        if not last:
            ax.text(
                x, y, text, ha="center", va="center_baseline", color="white", fontsize=12,
                weight="bold", zorder=5,
            )  # fmt: skip
            continue
        ax.annotate(
            text if len(path) > 1 else "start = optimum", (x, y), xytext=(14, 8),
            textcoords="offset points", color=BLUE, weight="bold", zorder=5,
            bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8},
        )  # fmt: skip
