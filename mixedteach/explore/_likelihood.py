"""The criterion that the program makes small, and the two parts that pull it either way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mixedteach.datasets import load_tablets
from mixedteach.errors import InferenceError, a_kind
from mixedteach.explore._base import Answer, Choice, Explorer, Picture, Slider
from mixedteach.fitting.pls import solve
from mixedteach.model import MixedModel, lmer
from mixedteach.plot._inputs import check_plain, check_random
from mixedteach.plot._likelihood import sd_unit
from mixedteach.plot._style import BLUE, GREEN, INK, ORANGE, PALE, VERMILION

Array = np.ndarray

_PARTS = ("room", "noise", "criterion")


@dataclass(frozen=True)
class Readings:
    """A model with one random intercept as matrices, with the names and unit of its groups."""

    y: Array
    X: Array
    Z: Array
    label: str
    levels: list[str]
    unit: str

    @classmethod
    def of(cls, m: MixedModel) -> Readings:
        """Take the matrices of a fitted model, or say that it has not just a random intercept."""
        if len(m.random) != 1 or m.random[0].effects != ["Intercept"]:
            raise InferenceError(
                f"likelihood() explores models with one random intercept, as in 'y ~ x + (1|g)', "
                f"and this has {' + '.join(term.text for term in m.random)}."
            )
        parts, term = m.matrices(), m.random[0]
        arrays = (part.to_numpy(float) for part in (parts.y, parts.X, parts.Z))
        return cls(*arrays, term.label, [str(level) for level in term.levels], sd_unit(m))


def likelihood_at(readings: Readings, theta: float, reml: bool) -> dict[str, Any]:
    """Return the criterion at one theta = sigma_T / sigma, its two parts, and what goes with it.

    Parameters
    ----------
    readings : Readings
    theta : float
    reml : bool

    Returns
    -------
    dict
        ``criterion = room + noise``, the log-determinants and what comes from the best sigma,
        ``df (1 + log(2 pi sigma^2))``; ``sigma``, ``sd`` (of the groups); ``beta``, ``blups``,
        and ``deviations``, the groups' mean residuals from the fixed effects.
    """
    n, p = readings.X.shape
    at = solve(np.array([theta]), readings.X, readings.y, readings.Z, [1], [len(readings.levels)],
               reml)  # fmt: skip
    df = n - p if reml else n
    noise = df * (1 + np.log(2 * np.pi * at.r2 / df))
    residual = readings.y - readings.X @ at.beta
    sigma = float(np.sqrt(at.sigma2))
    return {
        "theta": float(theta),
        "reml": reml,
        "criterion": float(at.deviance),
        "room": float(at.deviance - noise),
        "noise": float(noise),
        "sigma": sigma,
        "sd": float(theta * sigma),
        "beta": at.beta,
        "blups": at.b,
        "deviations": readings.Z.T @ residual / readings.Z.sum(axis=0),
    }


class LikelihoodPicture(Picture):
    """The curve with its point; room, noise left and sum as bars; the groups' BLUPs."""

    def __init__(self, figure: Figure, readings: Readings, thetas: Array) -> None:
        super().__init__(figure)
        self.curves = {
            reml: [likelihood_at(readings, theta, reml) for theta in thetas]
            for reml in (True, False)
        }
        self.thetas = thetas
        self.lowest = {
            reml: min(at["criterion"] for at in curve) for reml, curve in self.curves.items()
        }
        self.left, self.middle, self.right = figure.subplots(1, 3, width_ratios=[1.15, 1.15, 1.2])
        self._curve_axes()
        self._bar_axes()
        self._group_axes(readings)

    def _curve_axes(self) -> None:
        ax = self.left
        highest = max(
            curve[k]["criterion"] - self.lowest[reml]
            for reml, curve in self.curves.items()
            for k in (0, -1)
        )
        ax.set_xlim(self.thetas[0], self.thetas[-1])
        ax.set_ylim(-0.06 * highest, 1.12 * highest)
        ax.set_xlabel(r"$\theta=\sigma_T/\sigma$")
        ax.set_ylabel("above its lowest point")
        ax.set_title("Criterion")
        self.line = self.moving(ax.plot([], [], color=INK)[0])
        self.drop = self.moving(ax.plot([], [], ":", color=VERMILION, linewidth=1.6)[0])
        self.point = self.moving(
            ax.plot([], [], "o", color=VERMILION, markersize=12, clip_on=False)[0]
        )
        self.value = self.moving(
            ax.text(0.97, 0.97, "", transform=ax.transAxes, ha="right", va="top", weight="bold",
                    color=VERMILION, fontsize=14)
        )  # fmt: skip

    def _bar_axes(self) -> None:
        ax = self.middle
        parts = [
            at[part] - curve[0][part]
            for curve in self.curves.values()
            for at in curve
            for part in _PARTS
        ]
        low, high = min(parts), max(parts)
        ax.set_ylim(low - 0.15 * (high - low), high + 0.15 * (high - low))
        ax.axhline(0, color=INK, linewidth=1)
        ax.set_xlim(-0.75, 2.75)
        ax.set_xticks(range(3), ["room", "noise\nleft", "sum"])
        ax.set_title(r"Change since $\theta=0$")
        colours = (ORANGE, GREEN, VERMILION)
        bars = ax.bar(range(3), [0, 0, 0], width=0.7, color=colours, edgecolor=INK)
        for bar, hatch in zip(bars, ("//", "..", ""), strict=True):
            bar.set_hatch(hatch)
        self.bars = [self.moving(bar) for bar in bars]
        self.heights = [
            self.moving(ax.text(k, 0, "", ha="center", weight="bold", fontsize=12))
            for k in range(3)
        ]

    def _group_axes(self, readings: Readings) -> None:
        ax = self.right
        count = len(readings.levels)
        far = max(np.abs(at["deviations"]).max() for curve in self.curves.values() for at in curve)
        ax.set_ylim(-1.15 * far, 1.4 * far)
        ax.set_xlim(-0.7, count - 0.3)
        ax.axhline(0, color=INK, linewidth=1)
        fits = count <= 12 and max(map(len, readings.levels)) <= 3
        ax.set_xticks(range(count) if fits else [], readings.levels if fits else [])
        ax.set_xlabel(readings.label)
        ax.set_title(f"BLUPs{readings.unit}")
        x = np.arange(count)
        size = 9 if count <= 20 else 5
        self.deviations = self.moving(
            ax.plot(x, 0 * x, "o", mfc="white", mec=PALE, mew=2, markersize=size)[0]
        )
        self.stems = self.moving(ax.vlines(x, 0, 0 * x, color=BLUE, linewidth=2.5))
        self.blups = self.moving(ax.plot(x, 0 * x, "D", color=BLUE, markersize=0.7 * size)[0])
        ax.plot([], [], "o", mfc="white", mec=PALE, mew=2, label="mean deviation")
        ax.plot([], [], "D", color=BLUE, markersize=6, label="BLUP")
        ax.legend(
            loc="upper center", ncols=2, borderpad=0, handletextpad=0.1, columnspacing=0.8,
            bbox_to_anchor=(0.5, 1.02),
        )  # fmt: skip

    def update(self, answer: Answer) -> None:
        """Move the point, the bars and the BLUPs."""
        reml = answer["reml"]
        curve = self.curves[reml]
        above = [at["criterion"] - self.lowest[reml] for at in curve]
        here = answer["criterion"] - self.lowest[reml]
        self.line.set_data(self.thetas, above)
        self.drop.set_data([answer["theta"]] * 2, [self.left.get_ylim()[0], here])
        self.point.set_data([answer["theta"]], [here])
        self.value.set_text(f"{name_of(reml)}: {answer['criterion']:.4f}")
        low, high = self.middle.get_ylim()
        for bar, text, part in zip(self.bars, self.heights, _PARTS, strict=True):
            height = answer[part] - curve[0][part]
            bar.set_height(height)
            text.set_text(signed(height))
            text.set_y(height + 0.02 * (high - low) * (1 if height >= 0 else -1))
            text.set_va("bottom" if height >= 0 else "top")
        x = np.arange(len(answer["blups"]))
        self.deviations.set_data(x, answer["deviations"])
        self.blups.set_data(x, answer["blups"])
        self.stems.set_segments([[(k, 0.0), (k, value)] for k, value in enumerate(answer["blups"])])


def name_of(reml: bool) -> str:
    """Return what the criterion is called."""
    return "REML" if reml else "ML"


def signed(value: float) -> str:
    """Return a change with its sign, to two decimals.

    >>> signed(14.664), signed(-0.001)
    ('+14.66', '0.00')
    """
    text = f"{value:+.2f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def likelihood(m: MixedModel | None = None) -> Explorer:
    """Find the best ratio of two standard deviations by hand, by REML and by ML.

    Parameters
    ----------
    m : MixedModel, optional
        With one random intercept; by default content by method with tablets as groups.

    Returns
    -------
    Explorer
        Controls ``theta`` and ``by`` ('REML' or 'ML').

    Raises
    ------
    InferenceError
        If the model has other random effects.

    Examples
    --------
    >>> import mixedteach as mt
    >>> explorer = mt.explore.likelihood()
    >>> at = explorer.answer(theta=1.43, by="REML")
    >>> round(at["criterion"], 3), round(at["sigma"], 3), round(at["sd"], 3)
    (13.961, 0.209, 0.299)
    """
    if m is None:
        m = lmer("content ~ method + (1|tablet)", load_tablets())
    elif not isinstance(m, MixedModel):
        raise InferenceError(f"likelihood() explores a model fitted by lmer(), not {a_kind(m)}.")
    check_random(m, "likelihood()")
    check_plain(m, "likelihood()")
    readings = Readings.of(m)
    end = max(3.0, float(np.ceil(2 * max(m.theta[0], m.by_ml().theta[0]))))
    step = 0.01 if end <= 5 else 0.05
    thetas = np.linspace(0, end, 121)

    starts = {reml: likelihood_at(readings, 0.0, reml) for reml in (True, False)}

    def answer(theta: float, by: str) -> Mapping[str, Any]:
        return likelihood_at(readings, theta, by == "REML")

    def words(at: Answer) -> str:
        spread = float(at["deviations"] @ at["deviations"])
        start = starts[at["reml"]]
        grown = {part: signed(at[part] - start[part]) for part in _PARTS}
        kept = np.sqrt(float(at["blups"] @ at["blups"]) / spread) if spread > 0 else 0.0
        return (
            f"{name_of(at['reml'])} criterion at θ = {at['theta']:.2f}: "
            f"{at['criterion']:.4f}. Since θ = 0: room (log-determinants) {grown['room']}, "
            f"noise left (from the best σ) {grown['noise']}, sum {grown['criterion']}. "
            f"There σ = {at['sigma']:.4f} and σ_T = θσ = {at['sd']:.4f}; "
            f"the BLUPs keep {100 * kept:.0f}% of the deviations."
        )

    return Explorer(
        question="""Which θ makes the criterion smallest by REML, and which by ML? Read off σ and
            σ_T there: which of the two methods finds more variance, and is it θ or σ that
            differs?""",
        controls={
            "theta": Slider("θ = σ_T / σ", 0.0, end, step, 0.5),
            "by": Choice("by", ("REML", "ML"), "REML"),
        },
        answer=answer,
        picture=lambda figure: LikelihoodPicture(figure, readings, thetas),
        words=words,
    )
