"""Exercise 7, the lecture's own: the humidity of beech planks by width and depth."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import pandas as pd

from mixedteach.checks.kinds import Numbers
from mixedteach.checks.question import Exercise, Way, mistake, right
from mixedteach.classical import LinearModel, TukeyHSD, lm
from mixedteach.datasets import load_planks
from mixedteach.model import MixedModel, lmer


class Fits:
    """The models of the exercise, each fitted when it is first asked for."""

    def __init__(self, planks: pd.DataFrame) -> None:
        self.data = planks

    @cached_property
    def strata(self) -> MixedModel:
        """The model that the design asks for."""
        return lmer(
            "humidity ~ width*depth + (1|plank) + (1|plank:width) + (1|plank:depth)", self.data
        )

    @cached_property
    def plank_only(self) -> MixedModel:
        """Planks have a level each, and nothing else."""
        return lmer("humidity ~ width*depth + (1|plank)", self.data)

    @cached_property
    def width_alone(self) -> LinearModel:
        """All readings independent, width alone."""
        return lm("humidity ~ width", self.data)


planks = Exercise("planks", lesson="07_beech_planks", data=load_planks, work=Fits)


@planks.question(
    "Are widths 1 and 2 different? Tukey's p of this pair, and the df it is computed on.",
    Numbers({"p": 0.0005, "df": 0.05}),
    hints=[
        "What is width compared with: readings, planks, or the places of a plank at one width?",
        "m.emmeans('width').pairs() gives all pairs; its caption names the adjustment.",
        "Lesson 7, 'Which widths differ?'",
    ],
)
def width_tukey(fits: Fits) -> Iterator[Way]:
    def first(model: MixedModel | LinearModel, adjust: str = "tukey") -> dict[str, float]:
        row = model.emmeans("width").pairs(adjust=adjust).iloc[0]
        return {"p": row["p"], "df": row["df"]}

    yield right(first(fits.strata))
    raw = TukeyHSD(fits.width_alone)
    yield mistake("blocks_ignored", p=raw["p"].iloc[0], df=fits.width_alone.df_resid)
    yield mistake("strata_missing", first(fits.plank_only))
    yield mistake("unadjusted", first(fits.strata, "none"))
    yield mistake("bonferroni", first(fits.strata, "bonferroni"))
