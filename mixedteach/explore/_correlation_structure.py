"""Explorer: what a covariance structure says, how well it fits, and what it does to an SE.

Eight readings of each of 18 people, at nights t = 0, ..., 7 of short sleep. The covariance of the
readings at nights s and t of one person is

    V_st = sigma^2 C_st + tau^2 s t,

C with ones on the diagonal and beside it 0 (independent), rho (compound symmetry, the same as a
random intercept), or rho^|s - t| (AR(1)); tau is the standard deviation of a random slope, not
correlated with the level at night 0. sigma is always the best one for rho and tau. All people have
the same nights, so V is the same for all, and the restricted likelihood needs 8 x 8 matrices only.

Source: Pinheiro and Bates (2000), Mixed-Effects Models in S and S-PLUS, sections 5.1 and 5.3.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import minimize_scalar

from mixedteach.datasets import load_sleepstudy
from mixedteach.explore._base import Answer, Choice, Explorer, Picture, Slider
from mixedteach.plot._covariance import colour_scale
from mixedteach.plot._style import BLUE, GREEN, INK, MINUS_ZERO_PLUS, PALE, VERMILION

Array = np.ndarray

INDEPENDENT, SYMMETRY, AR1 = "independent", "compound symmetry", "AR(1)"
MOST_RHO, MOST_SD = 0.95, 12.0  # where the sliders end
LOGLIK, SE = (-770.0, -695.0), (0.0, 3.4)  # axes of the two gauges


@lru_cache(maxsize=1)
def _people() -> tuple[Array, Array]:
    """Return nights and readings, shape (18, 8): from day 2, the baseline, on."""
    study = load_sleepstudy()
    study = study[study["Days"] >= 2]
    wide = study.pivot(index="Subject", columns="Days", values="Reaction")
    return wide.columns.to_numpy(float) - 2, wide.to_numpy(float)


def correlation(structure: str, rho: float, times: Array) -> Array:
    """Return C: the correlations of a person's readings, before a random slope."""
    if structure == AR1:
        return rho ** np.abs(times[:, None] - times)
    same = rho if structure == SYMMETRY else 0.0
    return np.where(np.eye(len(times), dtype=bool), 1.0, same)


def restricted(V: Array, times: Array, y: Array) -> tuple[float, float]:
    """Return the restricted log-likelihood, and the SE of the mean slope, when V is given.

    With n people, X = (1, t) for each, and r their residuals from GLS,
    -2 l = n log|V| + log|n X'V^-1 X| + sum r'V^-1 r + (N - 2) log 2 pi, N all readings.
    """
    people, count = y.shape
    L = np.linalg.cholesky(V)
    both = np.linalg.solve(L, np.column_stack([np.ones(count), times, y.T]))
    X, Y = both[:, :2], both[:, 2:]
    cross = X.T @ X
    beta = np.linalg.solve(cross, X.T @ Y.mean(axis=1))
    left = Y - (X @ beta)[:, None]
    logdet = 2 * people * np.log(np.diag(L)).sum() + np.linalg.slogdet(people * cross)[1]
    minus2 = logdet + (left**2).sum() + (y.size - 2) * np.log(2 * np.pi)
    return -minus2 / 2, float(np.sqrt(np.linalg.inv(people * cross)[1, 1]))


@lru_cache(maxsize=4096)
def structure_at(structure: str, rho: float, slope_sd: float) -> dict[str, Any]:
    """Return what a structure says of the readings, with the best sigma for its parameters.

    Parameters
    ----------
    structure : {'independent', 'compound symmetry', 'AR(1)'}
    rho : float
        Correlation of two neighbouring nights, before the random slope.
    slope_sd : float
        Standard deviation tau of people's slopes, in ms a night.

    Returns
    -------
    dict
        ``V`` (8 x 8), ``by_lag``: mean correlation of nights that are 1, ..., 7 apart; ``sigma``;
        ``loglik`` (restricted); ``se`` of the mean slope.

    Examples
    --------
    >>> at = structure_at("compound symmetry", 0.66, 0.0)
    >>> round(at["loglik"], 2), round(at["se"], 2)
    (-715.01, 1.1)
    """
    times, y = _people()
    C = correlation(structure, rho, times)
    slope = slope_sd**2 * np.outer(times, times)

    def worse(log_sigma: float) -> float:
        return -restricted(np.exp(2 * log_sigma) * C + slope, times, y)[0]

    best = minimize_scalar(worse, bounds=(2.0, 5.5), method="bounded", options={"xatol": 1e-7})
    sigma = float(np.exp(best.x))
    V = sigma**2 * C + slope
    loglik, se = restricted(V, times, y)
    return {
        "structure": structure,
        "rho": rho if structure != INDEPENDENT else 0.0,
        "slope_sd": slope_sd,
        "sigma": sigma,
        "V": V,
        "by_lag": by_lag(V),
        "loglik": float(loglik),
        "se": se,
    }


def by_lag(V: Array) -> Array:
    """Return the mean correlation of readings that are 1, 2, ... apart."""
    sd = np.sqrt(np.diag(V))
    R = V / np.outer(sd, sd)
    return np.array([np.diag(R, k).mean() for k in range(1, len(V))])


class _StructurePicture(Picture):
    """Left V, in the middle correlation by distance, right log-likelihood and SE."""

    def __init__(self, figure: Figure) -> None:
        super().__init__(figure)
        times, y = _people()
        self.data = np.cov(y.T)
        grid = figure.add_gridspec(2, 3, width_ratios=[1.12, 1.1, 1.0])
        self._matrix(figure.add_subplot(grid[:, 0]), times)
        self._lags(figure.add_subplot(grid[:, 1]), len(times))
        self.gauges = [
            self._gauge(figure.add_subplot(grid[k, 2]), *parts)
            for k, parts in enumerate(
                (
                    (LOGLIK, "log-likelihood (REML)", GREEN),
                    (SE, "SE of slope [ms a night]", VERMILION),
                )
            )
        ]

    def _matrix(self, ax: Any, times: Array) -> None:
        count = len(times)
        edges = np.arange(count + 1) - 0.5
        ax.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), aspect="equal")
        self.tiles = self.moving(
            ax.pcolormesh(
                edges, edges, np.zeros((count, count)), cmap=MINUS_ZERO_PLUS,
                norm=colour_scale(1.0),
            )
        )  # fmt: skip
        ax.set_xticks(range(count), [f"{t:.0f}" for t in times])
        ax.set_yticks(range(count), [f"{t:.0f}" for t in times])
        ax.tick_params(length=0)
        ax.set_title("V of one person [ms²]")
        ax.set_xlabel("night")
        corner = {"va": "center", "fontsize": 10.5, "color": INK}
        self.corners = []
        for row, column in ((0, 0), (0, count - 1), (count - 1, count - 1)):
            # a variance may be wider than its tile: let it grow inwards, not over the names
            at, side = (-0.4, "left") if column == 0 else (column + 0.4, "right")
            text = self.moving(ax.text(at, row, "", ha=side, **corner))
            self.corners.append(((row, column), text))

    def _lags(self, ax: Any, count: int) -> None:
        ax.set(xlim=(0.5, count - 0.5), ylim=(-0.03, 1.16))  # above 1 there is room for the names
        ax.set_xticks(range(1, count))
        ax.set_yticks(np.arange(0, 1.01, 0.2))
        ax.set_xlabel("nights apart")
        ax.set_title("Correlation")
        lags = np.arange(1, count)
        ax.plot(lags, by_lag(self.data), "D", color=PALE, markersize=9, label="data")
        self.line = self.moving(ax.plot(lags, 0 * lags, "-o", color=BLUE, label="model")[0])
        ax.legend(loc="upper right", ncols=2, borderpad=0, handlelength=1.6, columnspacing=1.2)

    def _gauge(self, ax: Any, ends: tuple[float, float], title: str, colour: str) -> tuple:
        ax.set(xlim=ends, ylim=(0, 1))
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_title(title, fontsize=13)
        bar = self.moving(ax.barh(0.3, 0, height=0.4, left=ends[0], color=colour)[0])
        text = self.moving(ax.text(0.02, 0.6, "", transform=ax.transAxes, weight="bold",
                                   fontsize=15, color=colour, va="bottom"))  # fmt: skip
        return bar, text, ends

    def update(self, answer: Answer) -> None:
        V = answer["V"]
        self.tiles.set_array(V / V.max())  # the pattern; how large it is, the numbers say
        for place, text in self.corners:
            text.set_text(f"{V[place]:.0f}")
        self.line.set_ydata(answer["by_lag"])
        values = ((answer["loglik"], ".1f"), (answer["se"], ".2f"))
        for (bar, text, (low, high)), (value, form) in zip(self.gauges, values, strict=True):
            bar.set_width(min(max(value, low), high) - low)
            text.set_text(f"{value:{form}}".replace("-", "−"))


def _words(at: Answer) -> str:
    shared = at["structure"] if at["structure"] == INDEPENDENT else (
        f"{at['structure']}, ρ = {at['rho']:.2f}"
    )  # fmt: skip
    slope = f"slopes with sd {at['slope_sd']:.1f} ms a night" if at["slope_sd"] else "equal slopes"
    V = at["V"]
    return (
        f"{shared}, {slope}: sd of a reading {np.sqrt(V[0, 0]):.0f} ms at night 0, "
        f"{np.sqrt(V[-1, -1]):.0f} at night 7; correlation {at['by_lag'][0]:.2f} one night apart, "
        f"{at['by_lag'][-1]:.2f} seven nights apart. Log-likelihood {at['loglik']:.2f}, SE of the "
        f"mean slope {at['se']:.2f} ms a night."
    ).replace("-7", "−7")


def correlation_structure() -> Explorer:
    """Choose a covariance structure and its parameters; watch V, the fit, and the slope's SE.

    Returns
    -------
    Explorer
        Controls ``structure`` ('independent', 'compound symmetry', 'AR(1)'), ``rho`` and
        ``slope_sd``. The data: sleepstudy from day 2, the baseline, on.

    Examples
    --------
    >>> import mixedteach as mt
    >>> explorer = mt.explore.correlation_structure()
    >>> level = explorer.answer(structure="compound symmetry", rho=0.66, slope_sd=0)
    >>> slope = explorer.answer(structure="compound symmetry", rho=0.6, slope_sd=7)
    >>> round(level["loglik"], 1), round(slope["loglik"], 1)
    (-715.0, -702.2)
    >>> round(level["se"], 2), round(slope["se"], 2)
    (1.1, 1.89)
    """
    return Explorer(
        question="""Under compound symmetry with equal slopes, which ρ fits best, and what is the SE
            of the slope there? Now let the slopes differ: how far does the log-likelihood rise, and
            what becomes of the SE? Does AR(1) need slopes that differ as much?""",
        controls={
            "structure": Choice("residuals", (INDEPENDENT, SYMMETRY, AR1), SYMMETRY),
            "rho": Slider("ρ: correlation of neighbours", 0.0, MOST_RHO, 0.01, 0.3),
            "slope_sd": Slider("τ: sd of slopes [ms a night]", 0.0, MOST_SD, 0.1, 0.0),
        },
        answer=structure_at,
        picture=_StructurePicture,
        words=_words,
    )
