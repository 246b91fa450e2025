"""Explorer: the same experiment a thousand times, on the same tablets or on new ones.

The thousand NIR means are mu + mean(u) + mean(e), u_j ~ N(0, sigma_T^2), e_j ~ N(0, sigma^2), with
the variances that REML gives for the ten tablets. "The same tablets" keeps one draw of u.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from matplotlib.figure import Figure

from mixedteach.errors import DataError, explains_arguments
from mixedteach.explore._base import Answer, Choice, Explorer, Picture, Slider
from mixedteach.plot._style import BLUE, GREEN, INK, ORANGE, PALE, VERMILION

Array = np.ndarray
SAME, NEW = "same tablets", "new tablets"
MU, VAR_TABLET, VAR_RESIDUAL = 10.39, 0.089333, 0.043611  # lmer on the tablets, REML
SD_NIR = 0.401248  # of the ten NIR readings
EXPERIMENTS, MOST = 1000, 40
SEED = 14  # its first ten tablets lie one standard error off, as ten tablets typically do
EDGES = np.linspace(9.79, 10.99, 49)


@lru_cache(maxsize=1)
def _draws() -> tuple[Array, Array]:
    """Return running means of standard normals for tablets and errors: experiment x tablet."""
    normal = np.random.default_rng(SEED).standard_normal((2, EXPERIMENTS, MOST))
    tablets, errors = normal.cumsum(axis=2) / np.arange(1, MOST + 1)
    return tablets, errors


def nir_means(tablets: str, n_tablets: int) -> Array:
    """Return the mean of NIR in each of a thousand experiments.

    Parameters
    ----------
    tablets : str
        ``SAME``: every experiment measures the same tablets again. ``NEW``: each draws its own.
    n_tablets : int
        In each experiment, 2 to 40.

    Returns
    -------
    ndarray, shape (1000,)
    """
    levels, errors = (draws[:, n_tablets - 1] for draws in _draws())
    if tablets == SAME:
        levels = levels[0]
    return MU + np.sqrt(VAR_TABLET) * levels + np.sqrt(VAR_RESIDUAL) * errors


def standard_errors(n_tablets: int) -> dict[str, float]:
    """Return the three standard errors of the NIR mean, as they are for n tablets.

    ``blocked``: sigma / sqrt(n); ``nir_alone``: the standard deviation of the NIR readings over
    sqrt(n); ``mixed``: sqrt((sigma_T^2 + sigma^2) / n).
    """
    return {
        "blocked": float(np.sqrt(VAR_RESIDUAL / n_tablets)),
        "nir_alone": float(SD_NIR / np.sqrt(n_tablets)),
        "mixed": float(np.sqrt((VAR_TABLET + VAR_RESIDUAL) / n_tablets)),
    }


def repeated(tablets: str, n_tablets: int) -> Answer:
    """Return the thousand means, what they vary about and how much, and the standard errors."""
    means = nir_means(tablets, n_tablets)
    own = MU + np.sqrt(VAR_TABLET) * _draws()[0][0, n_tablets - 1]
    return {
        "tablets": tablets,
        "n_tablets": n_tablets,
        "means": means,
        "sd": float(means.std(ddof=1)),
        "centre": float(own) if tablets == SAME else MU,
        "SE": standard_errors(n_tablets),
    }


class _Histogram(Picture):
    """Above the means of the experiments, below the three standard errors as bars.

    All bars have the same centre, what the means vary about, so that their lengths compare.
    """

    SHOWN = (
        ("blocked", "blocked ANOVA", BLUE, "o"),
        ("nir_alone", "NIR readings alone", ORANGE, "s"),
        ("mixed", "mixed model", GREEN, "^"),
    )

    def __init__(self, figure: Figure) -> None:
        super().__init__(figure)
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=[1.7, 1])
        top.set(ylim=(0, 375), yticks=[], ylabel="experiments", xlim=(EDGES[0], EDGES[-1]))
        top.tick_params(bottom=False, labelbottom=False)
        top.spines["left"].set_visible(False)
        for ax in (top, below):
            ax.axvline(MU, color=INK, linewidth=1.5, linestyle=(0, (5, 4)))
        top.text(MU + 0.012, 372, "all tablets", ha="left", va="top", fontsize=12, color=INK)
        top.text(
            EDGES[0] + 0.01,
            372,
            "1000 experiments",
            va="top",
            fontsize=14,
            weight="bold",
            color=INK,
        )
        self.heights = self.moving(
            top.stairs(np.zeros(len(EDGES) - 1), EDGES, fill=True, color=PALE, alpha=0.75)
        )
        self.own = self.moving(top.axvline(MU, color=VERMILION, linewidth=2.5))
        self.own_text = self.moving(
            top.text(MU, 330, "", va="top", fontsize=12, color=VERMILION, weight="bold")
        )
        self.width = self.moving(top.plot([0, 0], [28, 28], "|-", color=INK, lw=4, ms=16)[0])
        self.said = self.moving(
            top.text(EDGES[0] + 0.01, 325, "", va="top", fontsize=14, weight="bold", color=INK)
        )
        below.set(ylim=(-0.6, 2.6), yticks=[])
        below.set_xlabel("mean of NIR, content [%]; bars: one SD or SE to either side")
        below.spines["left"].set_visible(False)
        self.bars, self.texts = {}, {}
        for y, (name, said, colour, marker) in zip((2, 1, 0), self.SHOWN, strict=True):
            below.text(EDGES[0] + 0.01, y, said, va="center", color=INK, fontsize=14)
            self.bars[name] = self.moving(
                below.plot([0, 0], [y, y], color=colour, marker=marker, linewidth=5)[0]
            )
            self.texts[name] = self.moving(
                below.text(EDGES[-1] - 0.01, y, "", va="center", ha="right", fontsize=14)
            )

    def update(self, answer: Answer) -> None:
        """Set histogram, lines and bars."""
        counts, _ = np.histogram(np.clip(answer["means"], EDGES[0], EDGES[-1]), EDGES)
        self.heights.set_data(counts)
        centre, sd, n = answer["centre"], answer["sd"], answer["n_tablets"]
        same = answer["tablets"] == SAME
        self.own.set_visible(same)
        self.own.set_xdata([centre, centre])
        side = 1 if centre >= MU else -1
        self.own_text.set(text=f"these {n}" if same else "", x=centre + 0.012 * side)
        self.own_text.set_ha("left" if side > 0 else "right")
        self.width.set_xdata([centre - sd, centre + sd])
        self.said.set_text(f"{n} tablets: SD {_short(sd)}")
        for name, se in answer["SE"].items():
            self.bars[name].set_xdata([centre - se, centre + se])
            self.texts[name].set_text(f"SE {_short(se)}")


def _short(value: float) -> str:
    return f"{value:.3f}"


def _words(answer: Answer) -> str:
    se = answer["SE"]
    n = answer["n_tablets"]
    which = f"the same {n} tablets" if answer["tablets"] == SAME else f"{n} new tablets each time"
    return (
        f"1000 experiments on {which}: their NIR means have SD {_short(answer['sd'])}. Standard "
        f"errors for {n} tablets: {_short(se['blocked'])} (blocked ANOVA), "
        f"{_short(se['nir_alone'])} (NIR alone), {_short(se['mixed'])} (mixed model)."
    )


@explains_arguments(
    DataError,
    {
        "tablets": "move the control, mt.explore.repeated_experiment().set(tablets=...)",
        "n_tablets": "move the control, mt.explore.repeated_experiment().set(n_tablets=...)",
    },
)
def repeated_experiment() -> Explorer:
    """Explore which repetition of an experiment each standard error of the NIR mean describes.

    A thousand experiments are simulated with the variances of the ten tablets: ``tablets`` says
    whether they all measure the same tablets or draw new ones, ``n_tablets`` how many.

    Returns
    -------
    Explorer

    Examples
    --------
    >>> import mixedteach as mt
    >>> explorer = mt.explore.repeated_experiment()
    >>> for tablets in explorer.controls["tablets"].options:
    ...     print(tablets, round(explorer.answer(tablets=tablets)["sd"], 3))
    same tablets 0.065
    new tablets 0.117
    """
    return Explorer(
        question="""Which standard error says how much the mean varies when the same ten tablets
        are measured again, and which when the tablets are new each time? And how many new
        tablets must an experiment have until its mean varies no more than 0.066?""",
        controls={
            "tablets": Choice("each experiment has", (SAME, NEW), SAME),
            "n_tablets": Slider("number of tablets", 2, MOST, 1, 10),
        },
        answer=repeated,
        picture=_Histogram,
        words=_words,
    )
