"""Exercise 6: the split plot of oats, with some sub-plots lost.

The trial lost none. Eight yields are taken out here: four of Victory, at low amounts of nitrogen,
so that its plain mean is too high; three of Golden.rain, at high ones; one of Marvellous.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, cached_property
from itertools import combinations

import numpy as np
import pandas as pd

from mixedteach.checks.judge import APART
from mixedteach.checks.kinds import (
    ByLevel,
    FormulaText,
    Numbers,
    Parts,
    Picture,
    Sentences,
    Word,
    formula_parts,
    line_parts,
    mean_lines,
)
from mixedteach.checks.question import Exercise, FollowOn, Way, mistake, right
from mixedteach.checks.words import ALPHA, p_value
from mixedteach.classical import LinearModel, TukeyHSD, lm
from mixedteach.datasets import load_oats
from mixedteach.model import MixedModel, lmer

FACTORS = ("block", "variety", "nitrogen")
VARIETIES = ("Golden.rain", "Marvellous", "Victory")
LOST = (
    ("I", "Golden.rain", "0.6cwt"),
    ("II", "Victory", "0.0cwt"),
    ("II", "Victory", "0.2cwt"),
    ("III", "Victory", "0.0cwt"),
    ("IV", "Golden.rain", "0.4cwt"),
    ("IV", "Golden.rain", "0.6cwt"),
    ("V", "Victory", "0.0cwt"),
    ("VI", "Marvellous", "0.2cwt"),
)
TREATMENTS = "variety*nitrogen"
STRATA = "(1|block/variety)"
NO_WHOLE_PLOTS = "The object here is the block; its whole plots are not in the model."


def load() -> pd.DataFrame:
    """Return the oats with the yields of eight sub-plots missing."""
    oats = load_oats()
    cells = pd.MultiIndex.from_frame(oats[list(FACTORS)].astype(str))
    oats["yield"] = oats["yield"].astype(float).mask(cells.isin(LOST))
    note = f"The yields of {len(LOST)} sub-plots are left out for the exercise."
    oats.attrs.update(load_oats().attrs, note=note)
    return oats


@cache
def _of_lesson() -> Fits:
    """Return the work on the complete trial, which lesson 6 has."""
    return Fits(load_oats())


COMPLETE = "(It comes from mt.load_oats(), of which nothing is lost.)"


class Fits:
    """The models of the exercise, each fitted when it is first asked for."""

    def __init__(self, oats: pd.DataFrame) -> None:
        self.data = oats

    def mixed(self, formula: str, data: pd.DataFrame | None = None) -> MixedModel:
        """Fit a model of the yields; by default to all of them."""
        return lmer(f"yield ~ {formula}", self.data if data is None else data)

    @cached_property
    def strata(self) -> MixedModel:
        """The model that the design asks for."""
        return self.mixed(f"{TREATMENTS} + {STRATA}")

    @cached_property
    def blocks_only(self) -> MixedModel:
        """The whole plots are forgotten."""
        return self.mixed(f"{TREATMENTS} + (1|block)")

    @cached_property
    def no_blocks(self) -> MixedModel:
        """The blocks are forgotten."""
        return self.mixed(f"{TREATMENTS} + (1|block:variety)")

    @cached_property
    def blocks_fixed(self) -> MixedModel:
        """These six blocks, not blocks in general."""
        return self.mixed(f"block + {TREATMENTS} + (1|block:variety)")

    @cached_property
    def parallel(self) -> MixedModel:
        """No interaction."""
        return self.mixed(f"variety + nitrogen + {STRATA}")

    @cached_property
    def line(self) -> MixedModel:
        """Nitrogen as a number of hundredweight."""
        amount = self.data["nitrogen"].astype(str).str.removesuffix("cwt").astype(float)
        return self.mixed(f"{TREATMENTS} + {STRATA}", self.data.assign(nitrogen=amount))

    @cached_property
    def whole(self) -> MixedModel:
        """Only the whole plots that lost nothing."""
        data = self.data
        whole = data.groupby(["block", "variety"], observed=True)["yield"].transform("count") == 4
        return self.mixed(f"{TREATMENTS} + {STRATA}", data[whole])

    @cached_property
    def zeros(self) -> MixedModel:
        """What was lost counted as no yield."""
        return self.mixed(f"{TREATMENTS} + {STRATA}", self.data.fillna({"yield": 0}))

    @cached_property
    def independent(self) -> LinearModel:
        """All readings independent."""
        return lm(f"yield ~ {TREATMENTS}", self.data)

    @cached_property
    def varieties_alone(self) -> LinearModel:
        """The varieties compared by all sub-plots, as if they were independent."""
        return lm("yield ~ variety", self.data)

    @cached_property
    def fixed(self) -> LinearModel:
        """The ordinary analysis of variance with blocks."""
        return lm(f"yield ~ block + {TREATMENTS}", self.data)

    @cached_property
    def plot_means(self) -> LinearModel:
        """The blocked analysis of variance of the plain means of whole plots."""
        means = self.data.groupby(["block", "variety"], observed=True)["yield"].mean()
        return lm("yield ~ block + variety", means.reset_index())

    @cached_property
    def by_ml(self) -> MixedModel:
        """The right model, estimated by ML."""
        return self.strata.by_ml()


def simulate(oats: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return another trial: new land, new yields; the same losses, in blocks drawn anew.

    The yields at 0.6cwt are then shifted so that the last step is about as doubtful as in the
    original: a p near zero would be the same number, to three decimals, by every method.
    """
    model = Fits(oats).strata
    variances = model.variance_components["variance"].to_numpy()
    sd = np.sqrt(variances * rng.uniform(0.8, 1.25, 3))
    block, variety, nitrogen = (oats[name].cat.codes.to_numpy() for name in FACTORS)
    values = (
        model.predict(oats, random=False).to_numpy()  # of the lost sub-plots as well
        + rng.normal(0, sd[0], 6)[block]
        + rng.normal(0, sd[1], (6, 3))[block, variety]
        + rng.normal(0, sd[2], len(oats))
        + rng.normal(0, 4, 3)[variety]
    )
    lost = oats["yield"].isna().to_numpy().reshape(6, 12)[rng.permutation(6)].ravel()
    drawn = oats.assign(**{"yield": values}).mask(lost[:, None] & (oats.columns == "yield"))
    step = Fits(drawn).strata.emmeans("nitrogen").pairs().iloc[5]  # 0.4cwt - 0.6cwt
    values = values + (nitrogen == 3) * (step["estimate"] + rng.uniform(1.9, 2.5) * step["SE"])
    other = oats.copy()
    other["yield"] = pd.Series(values.round(), oats.index).mask(lost)
    return other


oats = Exercise("oats", lesson="06_nested_oats", data=load, work=Fits, simulate=simulate)

# -- look ------------------------------------------------------------------------------------------


@oats.question(
    "The mean yield (of the sub-plots that are left) by nitrogen, one line a variety",
    Picture(3, 4, decimals=0.06),
    hints=[
        "Nitrogen is along the axis; the means are over the blocks.",
        "So each variety is a line, with a point for each amount.",
        "Lesson 6, 'Nitrogen and variety': mt.plot.interaction(data, x=..., trace=..., "
        "response=...) draws such lines.",
    ],
)
def profiles(fits: Fits) -> Iterator[Way]:
    data = fits.data
    yield right(mean_lines(data, "yield", "nitrogen", "variety"))
    yield mistake("axes_exchanged", mean_lines(data, "yield", "variety", "nitrogen"))
    yield mistake(
        "missing_as_zero", mean_lines(data.fillna({"yield": 0}), "yield", "nitrogen", "variety")
    )
    yield mistake(
        "wrong_average", mean_lines(data, "yield", "nitrogen", "block"),
        says="It has a line for each block, and averages over the varieties.",
    )  # fmt: skip
    yield mistake(
        "wrong_average", mean_lines(data.assign(all="all"), "yield", "nitrogen", "all"),
        says="It averages over the varieties; each should have a line.",
    )  # fmt: skip
    complete = mean_lines(_of_lesson().data, "yield", "nitrogen", "variety")
    yield mistake("lesson_data", complete, says=COMPLETE)
    model = fits.strata.emmeans(["variety", "nitrogen"])
    table = pd.DataFrame(model).pivot(index="variety", columns="nitrogen", values="emmean")
    yield mistake("model_means", line_parts(table.to_numpy()))


# -- the design ------------------------------------------------------------------------------------


@oats.question(
    "To which pieces of land were the varieties drawn by lot?",
    Word({
        "blocks": ("block",),
        "whole plots": ("whole plot", "whole-plots", "block:variety", "strips", "strip"),
        "sub-plots": ("sub-plot", "subplots", "subplot"),
    }),
    hints=[
        "Which is the smallest piece of land that has one variety on all of it?",
        "Where two varieties could have been exchanged by the lot, there is the unit of variety.",
        "Lesson 6, 'A question and data' and 'Crossed or nested?': mt.plot.layout, at the start "
        "of this exercise, draws all pieces of land.",
    ],
)  # fmt: skip
def unit_of_variety(fits: Fits) -> Iterator[Way]:
    yield right("whole plots", says="So there are 18 units for varieties, however they are cut.")
    yield mistake("wrong_choice", "blocks", says="Every block holds all three varieties.")
    yield mistake(
        "pseudoreplication", "sub-plots", says="Four neighbouring sub-plots share one variety."
    )


@oats.question(
    "The formula of the mixed model that the design asks for, with the interaction",
    FormulaText(FACTORS),
    hints=[
        "Fixed: what was chosen for its own sake. Random: the pieces of land of both sizes.",
        "A whole plot is a variety within a block, so it needs two names: its block's and its "
        "variety's.",
        "Lesson 6, 'Fit: whole plots within blocks': mt.lmer('y ~ a*b + (1|g/h)', data), where h "
        "lies within g; a*b holds a, b and their interaction.",
    ],
)
def split_plot(fits: Fits) -> Iterator[Way]:
    def parts(text: str) -> Parts:
        return formula_parts(f"yield ~ {text}", FACTORS)

    yield right(parts(f"{TREATMENTS} + {STRATA}"))
    yield mistake(
        "strata_missing", parts(f"{TREATMENTS} + (1|block)"), analysis="blocks only",
        says="What about the whole plots?",
    )  # fmt: skip
    yield mistake(
        "term_missing", parts(f"{TREATMENTS} + (1|block:variety)"), analysis="no blocks",
        says="What do the three whole plots of one block share?",
    )  # fmt: skip
    additive = "variety + nitrogen"
    for text in (TREATMENTS, additive, "variety", "nitrogen"):
        analysis = "independent" if text == TREATMENTS else ""
        yield mistake("blocks_ignored", parts(text), analysis=analysis)
    for treatments in (TREATMENTS, additive):
        for land in ("block + (1|block:variety)", "block"):
            mixed = treatments == TREATMENTS and "|" in land
            yield mistake(
                "blocks_fixed", parts(f"{treatments} + {land}"),
                analysis="blocks fixed" if mixed else "",
            )  # fmt: skip
        for land in ("block/variety", "block:variety", "block:variety + (1|block)"):
            yield mistake(
                "blocks_fixed", parts(f"{treatments} + {land}"),
                says="With fixed whole plots nothing is left to compare the varieties with.",
            )  # fmt: skip
    yield mistake("blocks_fixed", parts("block*variety*nitrogen"))
    yield mistake(
        "interaction_missing", parts(f"{additive} + {STRATA}"), analysis="additive",
        says="Whether the gain depends on the variety is asked, too.",
    )  # fmt: skip
    yield mistake(
        "interaction_missing", parts(f"{additive} + (1|block)"),
        says="And the whole plots are missing in the random part.",
    )  # fmt: skip
    yield mistake(
        "interaction_missing", parts(f"{additive} + (1|block:variety)"),
        says="And the blocks are missing in the random part.",
    )  # fmt: skip
    for bars in (STRATA, "(1|block)"):
        yield mistake("term_missing", parts(f"variety + {bars}"), says="Nitrogen is missing.")
        yield mistake(
            "term_missing", parts(f"nitrogen + {bars}"), says="The varieties are missing."
        )
        yield mistake("term_missing", parts(bars), says="Where are the treatments?")
        yield mistake(
            "term_missing", parts(f"variety:nitrogen + {bars}"),
            says="Write variety*nitrogen, which holds both and their interaction.",
        )  # fmt: skip
    for treatments in (TREATMENTS, additive):
        yield mistake(
            "crossed_as_nested", parts(f"{treatments} + (1|block) + (1|variety)"),
            says="(1|variety) has 3 groups, each spread over the field; there are 18 whole plots.",
        )  # fmt: skip
        yield mistake(
            "crossed_as_nested", parts(f"{treatments} + (1|variety/block)"),
            says="Whole plots lie in blocks, not blocks in varieties.",
        )  # fmt: skip
        yield mistake(
            "term_extra", parts(f"{treatments} + (1|block/variety/nitrogen)"),
            says="block:variety:nitrogen is a sub-plot: that is the residual.",
        )  # fmt: skip
        yield mistake(
            "term_extra", parts(f"{treatments} + {STRATA} + (1|block:nitrogen)"),
            says="Nitrogen was drawn anew in each whole plot: block:nitrogen is no piece of land.",
        )  # fmt: skip
        for bars in ("(1|block/nitrogen)", "(1|block) + (1|nitrogen)", "(1|variety)",
                     "(1|variety/nitrogen)", "(1|variety:nitrogen)"):  # fmt: skip
            yield mistake(
                "strata_missing", parts(f"{treatments} + {bars}"),
                says="A whole plot is named by its block and its variety, no other factor.",
            )  # fmt: skip
        yield mistake(
            "term_extra", parts(f"{treatments} + (variety|block)"),
            says="It comes near: each variety has its own deviation in each block. But the design "
            "asks for whole plots that vary alike.",
        )  # fmt: skip
    yield mistake(
        "fixed_as_random", parts("variety + (1|nitrogen) + (1|block/variety)"),
        says="These amounts of nitrogen were chosen.",
    )  # fmt: skip
    yield mistake(
        "fixed_as_random", parts("nitrogen + (1|variety) + (1|block/variety)"),
        says="These varieties are compared for their own sake.",
    )  # fmt: skip


# -- tests -----------------------------------------------------------------------------------------

TERMS = ("variety", "nitrogen")


def _tests(m: MixedModel | LinearModel, **options: object) -> Parts:
    table = m.anova(**{"type": 3, **options})
    return {f"{term}: {part}": table.loc[term, part] for term in TERMS for part in ("F", "den_df")}


@oats.question(
    "Tests of variety and of nitrogen in this model: F and denominator df, type III, Satterthwaite",
    ByLevel(TERMS, {"F": 0.0051, "den_df": 0.02}),
    hints=[
        "Two terms, two errors: variety has fewer denominator df than nitrogen.",
        "Varieties are compared between whole plots, amounts of nitrogen within them. The model "
        "knows that, if its random part does.",
        "Lesson 6, 'Each term with its own denominator': m.anova() gives type III and "
        "Satterthwaite's df; take F and den_df of the two rows.",
    ],
    follows=FollowOn("split_plot"),
)
def split_tests(fits: Fits) -> Iterator[Way]:
    found = _tests(fits.strata)
    yield right(
        found,
        says="Lost sub-plots cost df where they belong: 45 for nitrogen became fewer, 10 for "
        "variety hardly changed.",
    )
    yield mistake(
        "strata_missing", _tests(fits.blocks_only), says=NO_WHOLE_PLOTS, analysis="blocks only"
    )
    yield mistake("blocks_ignored", _tests(fits.independent), analysis="independent")
    yield mistake(
        "wrong_denominator", _tests(fits.fixed),
        says="mt.lm compares both terms with one residual, a mixture of two errors.",
    )  # fmt: skip
    yield mistake(
        "term_missing", _tests(fits.no_blocks), says="The blocks are missing.", analysis="no blocks"
    )
    yield mistake("blocks_fixed", _tests(fits.blocks_fixed), analysis="blocks fixed")
    yield mistake("interaction_missing", _tests(fits.parallel), analysis="additive")
    yield mistake(
        "covariate_for_factor", _tests(fits.line),
        says="F of variety is then that of the lines at no nitrogen.",
    )  # fmt: skip
    yield mistake("type3_treatment", _tests(fits.strata, type="marginal"))
    yield mistake("type1_order", _tests(fits.strata, type=1))
    yield mistake(
        "type1_order", _tests(fits.strata, type=1, ddf="containment"),
        says="nlme's anova(m) prints this, with df by containment.",
    )  # fmt: skip
    yield mistake("type2_for_type3", _tests(fits.strata, type=2))
    yield mistake("other_df", _tests(fits.strata, ddf="kenward-roger"), says="Kenward-Roger's.")
    yield mistake("other_df", _tests(fits.strata, ddf="containment"), says="Containment's.")
    yield mistake("lesson_data", _tests(_of_lesson().strata), says=COMPLETE)
    numerator = {f"{term}: den_df": df for term, df in zip(TERMS, (2, 3), strict=True)}
    yield mistake("num_df_for_den", found | numerator)
    residual = {f"{term}: den_df": fits.independent.df_resid for term in TERMS}
    yield mistake("residual_df", found | residual)
    chi2 = {f"{term}: F": found[f"{term}: F"] * q for term, q in zip(TERMS, (2, 3), strict=True)}
    yield mistake("chi2_for_f", chi2, says="F is chi-squared over its df.")
    yield mistake("complete_cases", _tests(fits.whole))
    yield mistake("missing_as_zero", _tests(fits.zeros))
    yield mistake("ml_for_reml", _tests(fits.by_ml))
    row = fits.strata.anova().loc["variety:nitrogen"]
    yield mistake(
        "wrong_row", {f"nitrogen: {part}": row[part] for part in ("F", "den_df")},
        says="It is the row of the interaction.",
    )  # fmt: skip


# -- means and differences -------------------------------------------------------------------------


def _means(m: MixedModel | LinearModel, **options: str) -> Parts:
    table = m.emmeans("variety", **options)
    return dict(zip(table["variety"].astype(str), table["emmean"], strict=True))


@oats.question(
    "The mean yield of each variety that the model estimates, all amounts of nitrogen counting "
    "alike",
    ByLevel(VARIETIES, {"mean": 0.011}),
    hints=[
        "Which sub-plots of Victory were lost: those with much nitrogen, or with little?",
        "All amounts must count alike for each variety: average what the model expects of each, "
        "also where the sub-plot was lost.",
        "Lesson 4, 'LS means, fixed against mixed'; glossary, 'estimated marginal mean': "
        "m.emmeans('variety') averages over nitrogen with equal weights.",
    ],
    follows=FollowOn("split_plot"),
)
def variety_means(fits: Fits) -> Iterator[Way]:
    yield right(_means(fits.strata))
    plain = fits.data.groupby("variety", observed=True)["yield"].mean()
    yield mistake("raw_means", plain.to_dict(), says="Victory lost sub-plots with little nitrogen.")
    yield mistake(
        "raw_means", _means(fits.plot_means), says="They were averaged by whole plots first."
    )
    yield mistake(
        "wrong_average", _means(fits.strata, weights="proportional"),
        says="Amounts of nitrogen count by how many sub-plots are left; equal weights are asked.",
    )  # fmt: skip
    yield mistake(
        "blocks_ignored", _means(fits.independent), analysis="independent",
        says="These are means of the cells' means.",
    )  # fmt: skip
    yield mistake(
        "strata_missing", _means(fits.blocks_only), says=NO_WHOLE_PLOTS, analysis="blocks only"
    )
    yield mistake(
        "term_missing", _means(fits.no_blocks), says="The blocks are missing.", analysis="no blocks"
    )
    yield mistake("interaction_missing", _means(fits.parallel), analysis="additive")
    yield mistake("covariate_for_factor", _means(fits.line))
    yield mistake("complete_cases", _means(fits.whole))
    yield mistake("missing_as_zero", _means(fits.zeros))
    yield mistake("lesson_data", _means(_of_lesson().strata), says=COMPLETE)
    row = fits.strata.params
    yield mistake(
        "difference_for_mean",
        {level: row[f"variety[{level}]"] for level in VARIETIES[1:]}
        | {VARIETIES[0]: row["Intercept"]},
        says="They are the coefficients of the model, besides without nitrogen.",
    )
    first = fits.strata.emmeans(["variety", "nitrogen"])
    none = first[first["nitrogen"].astype(str) == "0.0cwt"]
    yield mistake(
        "one_level", dict(zip(none["variety"].astype(str), none["emmean"], strict=True)),
        says="These are the means without nitrogen.",
    )  # fmt: skip


def _pair(
    m: MixedModel | LinearModel, factor: str, row: int, *, turn: bool = False, **options: str
) -> pd.Series:
    """Return a row of the table of pairs; turned, as the later level minus the earlier."""
    adjust = options.pop("adjust", "tukey")
    found = m.emmeans(factor, **options).pairs(adjust=adjust).iloc[row].copy()
    if turn:
        found["estimate"] = -found["estimate"]
    return found


def _finite(row: pd.Series, *parts: str) -> Parts:
    return {part: row[part] for part in parts if np.isfinite(row[part])}


# the SE to three decimals: the plain one differs in the second
_DIFFERENCE = Numbers({"estimate": 0.0051, "SE": 0.00051, "df": 0.011})


@oats.question(
    "Marvellous minus Victory: the difference, its standard error and df by Kenward and Roger",
    _DIFFERENCE,
    hints=[
        "The difference of two varieties contains the error of whole plots and of sub-plots.",
        "Not of plain means: of the means of task 5. Kenward and Roger's method changes SE and "
        "df: take both from one table.",
        "Lesson 6, 'How much could two varieties differ?'; lesson 4, 'Four kinds of df': "
        "m.emmeans(..., ddf='kenward-roger').pairs() has the columns estimate, SE and df.",
    ],
    follows=FollowOn("split_plot"),
)
def variety_difference(fits: Fits) -> Iterator[Way]:
    def values(m: MixedModel | LinearModel, row: int = 2, ddf: str = "kenward-roger") -> Parts:
        options = {"ddf": ddf} if isinstance(m, MixedModel) else {}
        return _finite(_pair(m, "variety", row, **options), "estimate", "SE", "df")

    found = values(fits.strata)
    yield right(found)
    yield mistake("sign_turned", found | {"estimate": -found["estimate"]})
    # containment's 10 df come too near to Satterthwaite's
    plain_df = values(fits.strata, ddf="satterthwaite")
    yield mistake("other_df", plain_df, says="Satterthwaite's, and the plain SE.")
    mixture = found | {"SE": plain_df["SE"]}
    adjusted = _DIFFERENCE.away("SE", found["SE"], mixture["SE"]) >= APART
    if adjusted and _DIFFERENCE.away("df", found["df"], plain_df["df"]) >= APART:
        yield mistake("se_not_adjusted", mixture)
    yield mistake("residual_df", found | {"df": fits.independent.df_resid})
    yield mistake("z_for_t", values(fits.strata, ddf="none") | {"df": 1e6}, says="t has finite df.")
    yield mistake(
        "strata_missing", values(fits.blocks_only), says=NO_WHOLE_PLOTS, analysis="blocks only"
    )
    yield mistake(
        "term_missing", values(fits.no_blocks), says="The blocks are missing.",
        analysis="no blocks",
    )  # fmt: skip
    yield mistake("interaction_missing", values(fits.parallel), analysis="additive")
    yield mistake("covariate_for_factor", values(fits.line))
    yield mistake("blocks_ignored", values(fits.independent), analysis="independent")
    yield mistake(
        "wrong_denominator", values(fits.fixed),
        says="mt.lm compares varieties with one residual, a mixture of two errors.",
    )  # fmt: skip
    yield mistake("complete_cases", values(fits.whole))
    yield mistake("missing_as_zero", values(fits.zeros))
    yield mistake("lesson_data", values(_of_lesson().strata), says=COMPLETE)
    yield mistake(
        "raw_means", values(fits.varieties_alone),
        says="Victory lost sub-plots with little nitrogen; besides, all sub-plots were taken for "
        "independent.",
    )  # fmt: skip
    yield mistake(
        "raw_means", found | {"estimate": values(fits.varieties_alone)["estimate"]},
        says="Victory lost sub-plots with little nitrogen.",
    )  # fmt: skip
    groups = fits.data.groupby("variety", observed=True)["yield"]
    plain, n, var = groups.mean(), groups.count(), groups.var()
    pooled = (var * (n - 1))[1:].sum() / (n[1:].sum() - 2)
    yield mistake(
        "raw_means", estimate=plain.iloc[1] - plain.iloc[2],
        SE=np.sqrt(pooled * (1 / n[1:]).sum()), df=n[1:].sum() - 2,
        says="This is the two-sample t test of all sub-plots of these varieties.",
    )  # fmt: skip
    yield mistake(
        "raw_means", values(fits.plot_means),
        says="Plain means of whole plots were compared within blocks.",
    )  # fmt: skip
    for row, pair in enumerate(("Golden.rain - Marvellous", "Golden.rain - Victory")):
        yield mistake("wrong_row", values(fits.strata, row), says=f"It is {pair}.")
    means = fits.strata.emmeans("variety", ddf="kenward-roger")
    for i in (1, 2):
        of_mean = {"SE": means["SE"].iloc[i], "df": means["df"].iloc[i]}
        yield mistake("se_of_mean", found | of_mean, says=f"It belongs to {VARIETIES[i]}.")
    roots = means["SE"].iloc[1:].pow(2).sum()
    yield mistake(
        "covariance_forgotten", found | {"SE": np.sqrt(roots)},
        says="The blocks, which both means share, cancel in the difference.",
    )  # fmt: skip
    _, whole_plots, within = fits.strata.variance_components["variance"]
    hand = np.sqrt(2 * (whole_plots / 6 + within / 24))
    yield mistake("balanced_formula", found | {"SE": hand})
    at_none = _pair(fits.strata, "variety | nitrogen", 2, ddf="kenward-roger")
    yield mistake(
        "one_level", _finite(at_none, "estimate", "SE", "df"),
        says="It is the difference without nitrogen.",
    )  # fmt: skip


@oats.question(
    "Does the last step of nitrogen pay? 0.6cwt minus 0.4cwt: the difference, its p by Tukey (all "
    "amounts compared), its df by Satterthwaite",
    Numbers({"estimate": 0.0051, "p": 0.00051, "df": 0.0051}),
    hints=[
        "Four amounts are six pairs; this is one of them. Mind which is subtracted from which.",
        "The more pairs are compared, the more often chance makes one look large: p is adjusted "
        "for all six, though one is asked.",
        "Lesson 6, 'How much does nitrogen bring?': m.emmeans('nitrogen').pairs() has all pairs, "
        "adjusted by Tukey's method.",
    ],
    follows=FollowOn("split_plot"),
)
def nitrogen_step(fits: Fits) -> Iterator[Way]:
    def values(m: MixedModel | LinearModel, row: int = 5, **options: str) -> Parts:
        return _finite(_pair(m, "nitrogen", row, turn=True, **options), "estimate", "p", "df")

    found = values(fits.strata)
    yield right(found)
    yield mistake("sign_turned", found | {"estimate": -found["estimate"]})
    yield mistake("unadjusted", values(fits.strata, adjust="none"))
    yield mistake("bonferroni", values(fits.strata, adjust="bonferroni"))
    yield mistake("one_sided", found | {"p": found["p"] / 2})
    yield mistake("z_for_t", values(fits.strata, ddf="none") | {"df": 1e6}, says="t has finite df.")
    yield mistake("other_df", values(fits.strata, ddf="kenward-roger"), says="Kenward-Roger's.")
    yield mistake("other_df", values(fits.strata, ddf="containment"), says="Containment's.")
    yield mistake(
        "strata_missing", values(fits.blocks_only), says=NO_WHOLE_PLOTS, analysis="blocks only"
    )
    yield mistake(
        "term_missing", values(fits.no_blocks), says="The blocks are missing.",
        analysis="no blocks",
    )  # fmt: skip
    yield mistake("interaction_missing", values(fits.parallel), analysis="additive")
    yield mistake("blocks_ignored", values(fits.independent), analysis="independent")
    alone = lm("yield ~ nitrogen", fits.data.dropna())
    raw = TukeyHSD(alone).iloc[-1]
    yield mistake(
        "blocks_ignored", estimate=raw["estimate"], p=raw["p"], df=alone.df_resid,
        says="This is Tukey's test of the plain means.",
    )  # fmt: skip
    yield mistake(
        "wrong_denominator", values(fits.fixed),
        says="mt.lm has one residual, a mixture of two errors.",
    )  # fmt: skip
    yield mistake("complete_cases", values(fits.whole))
    yield mistake("missing_as_zero", values(fits.zeros))
    yield mistake("ml_for_reml", values(fits.by_ml))
    yield mistake("lesson_data", values(_of_lesson().strata), says=COMPLETE)
    yield mistake("residual_df", found | {"df": fits.independent.df_resid})
    for row, (low, high) in enumerate(combinations(("0.0cwt", "0.2cwt", "0.4cwt", "0.6cwt"), 2)):
        if row < 5:  # the last one is asked
            yield mistake("wrong_row", values(fits.strata, row), says=f"It is {high} - {low}.")
    slope = fits.line.emmeans("nitrogen", at={"nitrogen": [0.4, 0.6]}).pairs(adjust="none").iloc[0]
    yield mistake("covariate_for_factor", estimate=-slope["estimate"], p=slope["p"], df=slope["df"])
    golden = _pair(fits.strata, "nitrogen | variety", 5, turn=True)
    yield mistake(
        "one_level", _finite(golden, "estimate", "p", "df"),
        says="It is the step of Golden.rain; the average over the varieties is asked.",
    )  # fmt: skip


def _summary(fits: Fits) -> str:
    """Return a model answer for these data."""
    table = fits.strata.anova()
    variety, nitrogen = table.loc["variety"], table.loc["nitrogen"]
    pair = _pair(fits.strata, "variety", 2)
    gain, last = (_pair(fits.strata, "nitrogen", row, turn=True) for row in (2, 5))
    plain = fits.data.groupby("variety", observed=True)["yield"].mean()["Victory"]
    mean = _means(fits.strata)["Victory"]
    shown = "differed" if variety["p"] < ALPHA else "were not shown to differ"
    equal = "" if variety["p"] < ALPHA else " That does not mean that they are equal:"
    low, high = pair["lower"], pair["upper"]
    between = (
        f"anything from {-low:.0f} units less to {high:.0f} units more than Victory"
        if low < 0 < high
        else f"{low:.0f} to {high:.0f} units more than Victory"
    )
    tonnes = 22.4 / 1000  # a hectare, of a unit of 20 lb an acre
    chance = "but that could be chance" if last["p"] > ALPHA else "more than chance explains"
    side = "high" if plain > mean else "low"
    return (
        f"The three varieties {shown} (F(2, {variety['den_df']:.1f}) = {variety['F']:.2f}, "
        f"{p_value(variety['p'], 2)}).{equal} Marvellous may yield {between} (estimate "
        f"{pair['estimate']:.1f} units, {pair['estimate'] * tonnes:.2f} tonnes per hectare). "
        f"Nitrogen raises the yield (F(3, {nitrogen['den_df']:.1f}) = {nitrogen['F']:.1f}, "
        f"{p_value(nitrogen['p'], 4)}): by {gain['estimate']:.0f} units, or "
        f"{gain['estimate'] * tonnes:.1f} tonnes per hectare, from none to 0.6cwt. The last step, "
        f"from 0.4cwt to 0.6cwt, brought {last['estimate']:.1f} units, {chance} "
        f"({p_value(last['p'], 2)}). The means of the sub-plots that were left would mislead: "
        "Victory lost sub-plots with little nitrogen, so its plain mean is too "
        f"{side}, {plain:.0f} instead of {mean:.0f} units. The model compares all varieties at the "
        "same amounts of nitrogen."
    )


oats.sentences(
    "conclusion",
    "For a farmer: do the varieties differ, does nitrogen pay, how sure is that, and what did the "
    "lost sub-plots change",
    Sentences(
        (
            "varieties: gives F or a difference with its uncertainty, and says what was shown or "
            "not shown; 'not shown to differ' is not 'equal' (1 point)",
            "nitrogen: says how much it brings, in units of yield, and what holds for the last "
            "step (1 point)",
            "lost sub-plots: says that plain means mislead because Victory lost sub-plots with "
            "little nitrogen, and that the model's means compare like with like (1 point)",
        ),
        least=12,
    ),
    hints=[
        "Three paragraphs of one or two sentences: varieties, nitrogen, lost sub-plots.",
        "A unit of yield is 20 lb an acre, or 22.4 kg a hectare.",
        "Lesson 6, 'Say it in words': a report of this kind; m.anova() and m.emmeans(...).pairs() "
        "have its numbers.",
    ],
    model=_summary,
)
