"""How far the predicted random effects are pulled to the common mean, and what decides it."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mixedteach.errors import InferenceError, a_kind
from mixedteach.explore._base import Answer, Explorer, Picture, Slider
from mixedteach.model import MixedModel, lmer
from mixedteach.plot._caterpillar import intercept_term
from mixedteach.plot._inputs import check_plain, check_random, unit_of
from mixedteach.plot._style import BLUE, INK, PALE, VERMILION


def pulled(m: MixedModel, icc: float, times: int = 1) -> dict[str, Any]:
    """Return the BLUPs of a random-intercept model at another ICC, with more readings.

    Parameters
    ----------
    m : MixedModel
        With one random intercept and nothing else random.
    icc : float
        sigma_T^2 / (sigma_T^2 + sigma^2), below 1.
    times : int
        As if each reading were the mean of so many.

    Returns
    -------
    dict
        ``icc``, ``times``; ``n``, the readings of each group; ``factor``, the share of its
        distance that each group keeps, sigma_T^2 / (sigma_T^2 + sigma^2 / n); ``common``, the
        mean of the fixed part; ``own`` and ``blup``, the groups' positions.

    Notes
    -----
    With all readings of a group less the share 1 - sqrt(1 - factor) of their mean, generalised
    least squares is ordinary least squares, and the BLUP is the factor times the mean residual.
    """
    codes, n = m.random[0].codes, np.bincount(m.random[0].codes)
    ratio = times * icc / (1.0 - icc)
    factor = n * ratio / (1.0 + n * ratio)
    part = (1.0 - np.sqrt(1.0 - factor))[:, None]

    def means(columns: np.ndarray) -> np.ndarray:
        sums = np.zeros((len(n), columns.shape[1]))
        np.add.at(sums, codes, columns)
        return sums / n[:, None]

    X, y = m.X, m.fit.problem.y
    both = np.column_stack([X, y])
    within = both - (part * means(both))[codes]
    beta = np.linalg.lstsq(within[:, :-1], within[:, -1], rcond=None)[0]
    own = means((y - X @ beta)[:, None])[:, 0]
    common = float(np.mean(X @ beta))
    return {
        "icc": icc,
        "times": times,
        "n": n * times,
        "factor": factor,
        "common": common,
        "own": common + own,
        "blup": common + factor * own,
    }


class _ShrinkagePicture(Picture):
    """Left the groups between their own and the common mean, right the factor against the ICC."""

    def __init__(self, figure: Figure, m: MixedModel, start: dict[str, Any]) -> None:
        super().__init__(figure)
        self.m, group = m, m.random[0].label
        self.order = np.argsort(start["own"].round(9), kind="stable")
        self.place = np.arange(len(self.order))
        left, right = figure.subplots(1, 2, width_ratios=[1.6, 1])
        spread = float(np.ptp(start["own"])) or 1.0
        count = len(self.order)
        left.set_xlim(start["own"].min() - 0.1 * spread, start["own"].max() + 0.12 * spread)
        left.set_ylim(-0.7, 1.12 * count - 0.1)
        left.set_xlabel(f"{m.formula.response_name}{unit_of(m)}")
        left.set_ylabel(group)
        levels = [str(m.random[0].levels[i]) for i in self.order]
        left.set_yticks(self.place if count <= 25 else [], levels if count <= 25 else [])
        size = 9 if count <= 25 else 5
        self.common = self.moving(left.axvline(0, color=INK, linewidth=1.5, linestyle=(0, (4, 3))))
        self.lines = [
            self.moving(left.plot([], [], color=INK, linewidth=1.6)[0]) for _ in self.place
        ]
        self.own = self.moving(
            left.plot([], [], "o", mfc="white", mec=VERMILION, mew=2, markersize=size)[0]
        )
        self.blup = self.moving(left.plot([], [], "D", color=BLUE, markersize=size)[0])
        height = 1.12 * count - 0.15
        words = {"va": "top", "fontsize": 13}
        left.text(left.get_xlim()[1], height, "○ own mean", color=VERMILION, ha="right", **words)
        left.text(left.get_xlim()[0], height, " ◆ BLUP", color=BLUE, ha="left", **words)
        left.set_title("Common mean: dashed")
        right.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="ICC", ylabel="share of the distance kept")
        right.axhline(0.8, color=PALE, linewidth=1.2, linestyle=":")
        fitted = float(m.icc.iloc[0])
        right.axvline(fitted, color=PALE, linewidth=1.5)
        # beside the line, on the side with more room, low where the curve does not pass
        side = "right" if fitted > 0.5 else "left"
        gap = -0.02 if side == "right" else 0.02
        right.text(fitted + gap, 0.03, f"REML: {fitted:.2f}", ha=side, va="bottom")
        self.curve = self.moving(right.plot([], [], color=INK)[0])
        self.here = self.moving(
            right.plot([], [], "D", color=BLUE, markersize=11, clip_on=False)[0]
        )
        right.set_title("Kept")
        self.grid = np.linspace(0, 0.999, 120)

    def update(self, answer: Answer) -> None:
        own, blup = answer["own"][self.order], answer["blup"][self.order]
        self.common.set_xdata([answer["common"]] * 2)
        for line, y, start, end in zip(self.lines, self.place, own, blup, strict=True):
            line.set_data([start, end], [y, y])
        self.own.set_data(own, self.place)
        self.blup.set_data(blup, self.place)
        n = answer["n"].min()
        self.curve.set_data(self.grid, n * self.grid / (1 + (n - 1) * self.grid))
        self.here.set_data([answer["icc"]], [answer["factor"].min()])


def shrinkage(m: MixedModel | None = None) -> Explorer:
    """Move the ICC and the number of readings; watch the BLUPs between own and common means.

    Parameters
    ----------
    m : MixedModel, optional
        With one random intercept; by default that of the ten tablets.

    Returns
    -------
    Explorer
        Controls ``icc`` and ``times`` (as if each reading were the mean of so many). The picture
        marks the ICC that REML estimates.

    Raises
    ------
    InferenceError
        If the model has anything else than one random intercept.

    Examples
    --------
    >>> import mixedteach as mt
    >>> explorer = mt.explore.shrinkage()
    >>> [round(float(explorer.answer(icc=i)["factor"][0]), 2) for i in (0, 0.25, 0.67, 0.9)]
    [0.0, 0.4, 0.8, 0.95]
    """
    if m is None:
        from mixedteach.datasets import load_tablets

        m = lmer("content ~ method + (1|tablet)", load_tablets())
    if not isinstance(m, MixedModel):
        raise InferenceError(
            "mt.explore.shrinkage moves the ICC of a model fitted by mt.lmer(...), not "
            f"{a_kind(m)}: fit one first, or leave it out to see the ten tablets."
        )
    check_random(m, "mt.explore.shrinkage")
    check_plain(m, "mt.explore.shrinkage")
    if len(m.random) > 1:
        raise InferenceError(
            "The explorer moves one variance ratio, but the model has "
            f"{len(m.random)} random terms: fit one with (1|{m.random[0].label}) only."
        )
    group = intercept_term(m, None).label
    model, fitted = m, round(min(float(m.icc.iloc[0]), 0.99), 2)

    def words(answer: Answer) -> str:
        n, factor = answer["n"], answer["factor"]
        if n.min() == n.max():
            return (
                f"ICC {answer['icc']:.2f}, {n[0]} readings of each {group}: a BLUP keeps "
                f"{100 * factor[0]:.0f}% of the distance between own and common mean."
            )
        return (
            f"ICC {answer['icc']:.2f}, {n.min()} to {n.max()} readings of a {group}: the BLUPs "
            f"keep {100 * factor.min():.0f}% to {100 * factor.max():.0f}% of the distance between "
            "own and common mean."
        )

    return Explorer(
        question="At which ICC do the BLUPs stay at the common mean, whatever was read? Then set "
        f"the ICC to 0.20: how many readings of each {group} does it take until the BLUPs keep "
        "80% of the distance again (dotted line)?",
        controls={
            "icc": Slider("ICC", 0.0, 0.99, 0.01, fitted),
            "times": Slider("times as many readings", 1, 12, 1, 1),
        },
        answer=lambda icc, times: pulled(model, icc, times),
        picture=lambda figure: _ShrinkagePicture(figure, model, pulled(model, fitted)),
        words=words,
    )
