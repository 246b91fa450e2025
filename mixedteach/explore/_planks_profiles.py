"""Explorer: the four profiles of the planks, and how far their lines differ in level and shape."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from mixedteach.datasets import load_planks
from mixedteach.explore._base import Answer, Choice, Explorer, Picture, Switch
from mixedteach.plot._style import COLOURS, INK, LINES, MARKERS, PALE

# what a control says -> (the factor along the axis, a line for each level of)
PROFILES = {
    "depth by width": ("depth", "width"),
    "width by depth": ("width", "depth"),
    "depth by plank": ("depth", "plank"),
    "width by plank": ("width", "plank"),
}
LIMITS = (3.2, 8.6)  # of all profiles, so that they can be compared


@cache
def _means(x: str, trace: str) -> pd.DataFrame:
    table = load_planks().groupby([trace, x], observed=True)["humidity"].mean()
    return table.unstack()


def profile_means(profile: str, level_out: bool) -> dict[str, Any]:
    """Return the lines of a profile, their mean, and how far they differ in level and in shape.

    Parameters
    ----------
    profile : str
        ``"depth by width"``: humidity along the depth, a line for each width; and so on.
    level_out : bool
        Move every line up or down until its mean is the mean of all.

    Returns
    -------
    dict
        ``x``, ``trace``: the factors; ``positions``, ``names``: their levels; ``lines``: array,
        one row a line [%]; ``mean``: their mean; ``level_sd``: standard deviation of the lines'
        means; ``shape_sd``: root mean square of what is left of the lines after their levels and
        their mean are taken out, divided by the degrees of freedom left; both in percentage
        points of humidity.
    """
    x, trace = PROFILES[profile]
    table = _means(x, trace)
    raw = table.to_numpy()
    level = raw.mean(axis=1, keepdims=True)
    mean = raw.mean(axis=0)
    shape = raw - level - mean + raw.mean()
    df = (raw.shape[0] - 1) * (raw.shape[1] - 1)
    return {
        "profile": profile,
        "level_out": level_out,
        "x": x,
        "trace": trace,
        "positions": [str(name) for name in table.columns],
        "names": [str(name) for name in table.index],
        "lines": raw - level + raw.mean() if level_out else raw,
        "mean": mean,
        "level_sd": float(level.std(ddof=1)),
        "shape_sd": float(np.sqrt((shape**2).sum() / df)),
    }


class _Profiles(Picture):
    """One Axes with fixed limits; title and ticks of each profile are drawn once and kept."""

    def __init__(self, figure: Figure) -> None:
        super().__init__(figure)
        self.ax = figure.subplots()
        self.ax.set_xlim(-0.06, 1.2)
        self.ax.set_ylim(*LIMITS)
        self.ax.set_xlabel(" ")  # keeps the room
        self.ax.set_title(" ")
        self.ax.set_ylabel("Mean humidity [%]")
        self.thin = self.moving(LineCollection([], colors=PALE, linewidths=1.1))
        self.ax.add_collection(self.thin, autolim=False)
        self.few = [
            self.moving(self.ax.plot([], [], color=c, marker=k, linestyle=s)[0])
            for c, k, s in zip(COLOURS[:5], MARKERS, LINES, strict=False)
        ]
        (self.mean,) = self.ax.plot([], [], color=INK, linewidth=3.4)
        self.moving(self.mean)
        self.names = [
            self.moving(self.ax.text(1.03, 0, "", color=c, va="center", weight="bold"))
            for c in (*COLOURS[:5], INK)
        ]
        self.out = self.moving(
            self.ax.text(0.99, 0.97, "", transform=self.ax.transAxes, ha="right", va="top")
        )
        self.shown = ""
        self.backgrounds: dict[str, Any] = {}

    def update(self, answer: Answer) -> None:
        lines, planks = answer["lines"], answer["trace"] == "plank"
        places = np.linspace(0, 1, lines.shape[1])
        if answer["profile"] != self.shown:
            self.backgrounds[self.shown] = self._background
            self.shown = answer["profile"]
            self._background = self.backgrounds.get(self.shown)
            if self._background is None:
                self._furnish(answer, places)
        self.thin.set_segments([np.column_stack([places, y]) for y in lines] if planks else [])
        heights = _apart(lines[:, -1])
        for i, (line, name) in enumerate(zip(self.few, self.names, strict=False)):
            shown = not planks and i < len(lines)
            line.set_data(places if shown else [], lines[i] if shown else [])
            name.set_text(f"{answer['trace']} {answer['names'][i]}" if shown else "")
            name.set_y(heights[i] if shown else 0)
        self.mean.set_data(places if planks else [], answer["mean"] if planks else [])
        self.names[-1].set_text("mean" if planks else "")
        self.names[-1].set_y(answer["mean"][-1])
        self.out.set_text("levels taken out" if answer["level_out"] else "")

    def _furnish(self, answer: Answer, places: np.ndarray) -> None:
        """Set what is drawn once for a profile."""
        direction = {"depth": "through", "width": "across"}[answer["x"]]
        self.ax.set_xticks(places, answer["positions"])
        self.ax.set_xlabel(f"{answer['x'].capitalize()} (position {direction} the plank)")
        over = {"width": "planks", "depth": "planks"}.get(
            answer["trace"], "widths" if answer["x"] == "depth" else "depths"
        )
        self.ax.set_title(f"A line for each {answer['trace']}, averaged over {over}")


def _apart(heights: np.ndarray, least: float = 0.34) -> np.ndarray:
    """Return places for labels at these heights, moved until none covers another."""
    order = np.argsort(heights, kind="stable")
    places = heights[order].astype(float)
    for _ in range(50):
        gap = np.diff(places)
        if (gap >= least - 1e-9).all():
            break
        for i in np.flatnonzero(gap < least):
            push = (least - (places[i + 1] - places[i])) / 2
            if push > 0:
                places[i] -= push
                places[i + 1] += push
    out = np.empty_like(places)
    out[order] = places
    return out


def _words(answer: Answer) -> str:
    n, trace = len(answer["names"]), answer["trace"]
    level = (
        f"The {n} lines ({answer['profile']}) differ in level by {answer['level_sd']:.2f} "
        "percentage points (sd)"
    )
    if not answer["level_out"]:
        return f"{level}. Take the levels out to see what is left."
    return (
        f"{level}; that is taken out now. What is left, their difference in shape, is "
        f"{answer['shape_sd']:.2f} (sd of a {trace} about the mean profile)."
    )


def planks_profiles() -> Explorer:
    """Explore the humidity profiles of the beech planks: level and shape of their lines.

    Returns
    -------
    Explorer
        Controls ``profile`` (what is along the axis, what has a line of its own; the rest is
        averaged over) and ``level_out`` (move all lines to the same mean).

    Examples
    --------
    >>> import mixedteach as mt
    >>> explorer = mt.explore.planks_profiles()
    >>> round(explorer.answer(profile="width by plank")["shape_sd"], 3)
    0.575
    """
    return Explorer(
        question="Take the levels out: in which of the four profiles do the lines differ most in "
        "shape, and by how much? That is where a random effect of the level alone will not do.",
        controls={
            "profile": Choice("Profile", tuple(PROFILES), "depth by plank"),
            "level_out": Switch("Take out the level of each line"),
        },
        answer=profile_means,
        picture=_Profiles,
        words=_words,
        size=(9.0, 4.6),
    )
