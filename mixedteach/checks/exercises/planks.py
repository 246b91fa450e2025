"""Exercise 7, the lecture's own: the humidity of beech planks by width and depth.

The tasks are the lecture's list: four average profiles, a fixed effects analysis, a mixed model,
Tukey's comparisons, the fixed parameters of the models side by side, a summary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

import numpy as np
import pandas as pd

from mixedteach.checks.kinds import (
    ByLevel,
    FormulaText,
    Numbers,
    Picture,
    Sentences,
    formula_parts,
    mean_lines,
)
from mixedteach.checks.question import Exercise, FollowOn, Way, mistake, right
from mixedteach.checks.words import ALPHA, listing, p_value
from mixedteach.classical import LinearModel, TukeyHSD, lm, paired_t_test
from mixedteach.datasets import load_planks
from mixedteach.model import MixedModel, lmer

STRATA = "(1|plank) + (1|plank:width) + (1|plank:depth)"
FACTORS = ("plank", "width", "depth")


class Fits:
    """The models of the exercise, each fitted when it is first asked for."""

    def __init__(self, planks: pd.DataFrame) -> None:
        self.data = planks

    @cached_property
    def strata(self) -> MixedModel:
        """The model that the design asks for."""
        return lmer(f"humidity ~ width*depth + {STRATA}", self.data)

    @cached_property
    def plank_only(self) -> MixedModel:
        """Planks have a level each, and nothing else."""
        return lmer("humidity ~ width*depth + (1|plank)", self.data)

    @cached_property
    def by_ml(self) -> MixedModel:
        """The right model, estimated by ML."""
        return lmer(f"humidity ~ width*depth + {STRATA}", self.data, reml=False)

    @cached_property
    def all_fixed(self) -> LinearModel:
        """Planks, and what they do at a width and at a depth, as fixed effects."""
        return lm("humidity ~ width*depth + plank + plank:width + plank:depth", self.data)

    @cached_property
    def blocks(self) -> LinearModel:
        """Planks as fixed blocks that differ in level only."""
        return lm("humidity ~ width*depth + plank", self.data)

    @cached_property
    def no_planks(self) -> LinearModel:
        """All readings independent."""
        return lm("humidity ~ width*depth", self.data)

    @cached_property
    def width_alone(self) -> LinearModel:
        """All readings independent, width alone."""
        return lm("humidity ~ width", self.data)

    @cached_property
    def plank_widths(self) -> pd.DataFrame:
        """The mean of each plank at each width, a row a plank."""
        means = self.data.groupby(["plank", "width"], observed=True)["humidity"].mean().unstack()
        return means.set_axis([f"w{level}" for level in means.columns], axis=1)


def simulate(planks: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return other planks: new means, new effects of planks, new readings, to 0.01 %."""
    model = Fits(planks).strata
    sd = np.sqrt(model.variance_components["variance"].to_numpy())
    sd = sd * rng.uniform(0.8, 1.25, len(sd))
    codes = [planks[name].cat.codes.to_numpy() for name in FACTORS]
    plank, width, depth = codes
    counts = [code.max() + 1 for code in codes]
    effects = [
        rng.normal(0, sd[0], counts[0])[plank],
        rng.normal(0, sd[1], counts[:2])[plank, width],
        rng.normal(0, sd[2], (counts[0], counts[2]))[plank, depth],
        rng.normal(0, sd[3], len(planks)),
        rng.normal(0, 0.15, counts[1])[width],
    ]
    other = planks.copy()
    other["humidity"] = (model.predict(random=False).to_numpy() + sum(effects)).round(2)
    return other


planks = Exercise(
    "planks", lesson="07_beech_planks", data=load_planks, work=Fits, simulate=simulate
)

# -- four profiles ---------------------------------------------------------------------------------


def _profile(x: str, trace: str, lines: int, points: int) -> None:
    """Add the question of one profile."""
    (other,) = set(FACTORS) - {x, trace}

    def compute(fits: Fits) -> Iterator[Way]:
        data = fits.data
        yield right(mean_lines(data, "humidity", x, trace))
        yield mistake("axes_exchanged", mean_lines(data, "humidity", trace, x))
        first = data[other].cat.categories[0]
        yield mistake(
            "wrong_average", mean_lines(data[data[other] == first], "humidity", x, trace),
            says=f"It shows the readings of {other} {first} only.",
        )  # fmt: skip
        for wrong, wrong_trace in ((x, other), (other, trace)):
            yield mistake(
                "wrong_average", mean_lines(data, "humidity", wrong, wrong_trace),
                says=f"Along the axis should be {x}, and a line for each {trace}.",
            )  # fmt: skip

    compute.__name__ = f"{x}_by_{trace}"
    planks.question(
        f"The average profile along {x}, one line a {trace}",
        Picture(lines, points, decimals=0.01),
        hints=[
            "One factor is along the axis, one makes the lines; over the third one averages.",
            "mt.plot.interaction(data, x=..., trace=..., response=...) averages over the rest.",
            "Lesson 7, 'Look'.",
        ],
    )(compute)


_profile("depth", "width", 3, 5)
_profile("width", "depth", 5, 3)
_profile("depth", "plank", 20, 5)
_profile("width", "plank", 20, 3)

# -- the analyses ----------------------------------------------------------------------------------


def _f(model: LinearModel | MixedModel, term: str = "width", **options: object) -> dict[str, float]:
    row = model.anova(**options).loc[term]
    return {"F": row["F"], "den_df": row["den_df"]}


def _linear_f(model: LinearModel, term: str = "width") -> dict[str, float]:
    """Return F of a term of a least squares model, with its residual df as the denominator's."""
    row = model.anova(type=1).loc[term]
    return {"F": row["F"], "den_df": model.df_resid}


@planks.question(
    "Fixed effects analysis: F of width and its denominator df, all effects of planks fixed",
    Numbers({"F": 0.02, "den_df": 0.05}),
    hints=[
        "Which effects can be fitted, each place having been read once? All but the three-way one.",
        "'Fixed' means mt.lm: width*depth, plank, plank:width and plank:depth.",
        "Lesson 7, 'Fit 1: by hand'.",
    ],
)
def fixed_width(fits: Fits) -> Iterator[Way]:
    yield right(
        _linear_f(fits.all_fixed),
        says="Mind what it claims: these twenty planks differ by width. It says nothing of others.",
    )
    yield mistake("wrong_denominator", _f(fits.strata), says="It is the mixed model's.")
    yield mistake(
        "term_missing", _linear_f(fits.blocks),
        says="Planks have a level only: plank:width and plank:depth are missing.",
    )  # fmt: skip
    yield mistake("blocks_ignored", _linear_f(fits.no_planks))
    yield mistake("blocks_ignored", _linear_f(fits.width_alone))
    yield mistake("wrong_row", _linear_f(fits.all_fixed, "depth"), says="It is the row of depth.")
    without = lm("humidity ~ width*depth + plank + plank:width", fits.data)
    yield mistake("term_missing", _linear_f(without), says="plank:depth is missing.")


@planks.question(
    "The mixed model that the design asks for, as a formula",
    FormulaText(FACTORS),
    hints=[
        "Planks differ in level, in shape across the width, and in shape along the depth.",
        "What several readings share, and what would be new with new planks, is a random effect.",
        "Lesson 7, 'What the profiles ask for'.",
    ],
)
def model_formula(fits: Fits) -> Iterator[Way]:
    def parts(text: str) -> dict[str, str]:
        return formula_parts("humidity ~ " + text, FACTORS)

    yield right(parts(f"width*depth + {STRATA}"))
    yield mistake(
        "strata_missing", parts("width*depth + (1|plank)"), analysis="planks only",
        says="Which profiles of single planks are not parallel?",
    )  # fmt: skip
    yield mistake(
        "strata_missing", parts("width*depth + (1|plank) + (1|plank:width)"),
        analysis="no plank:depth",
        says="Planks do not all change alike along the depth either.",
    )  # fmt: skip
    yield mistake(
        "strata_missing", parts("width*depth + (1|plank) + (1|plank:depth)"),
        analysis="no plank:width",
        says="Planks do not all change alike across the width either.",
    )  # fmt: skip
    yield mistake(
        "interaction_missing", parts(f"width + depth + {STRATA}"),
        says="Are the lines of the widths parallel?",
    )  # fmt: skip
    yield mistake(
        "interaction_missing", parts("width + depth + (1|plank)"), analysis="planks, additive",
        says="And planks differ in shape, not in level only.",
    )  # fmt: skip
    yield mistake(
        "term_missing", parts("width*depth + (1|plank:width) + (1|plank:depth)"),
        says="The level of a plank, (1|plank), is shared by all of its readings.",
    )  # fmt: skip
    yield mistake(
        "term_missing", parts(f"width + {STRATA}"), says="Depth is not in the fixed part."
    )
    yield mistake(
        "strata_missing", parts("width*depth + (width|plank)"),
        says="Free covariances of the widths are a way, too (lesson 7), but plank:depth is not in "
        "it; write one term for each kind of random effect.",
    )  # fmt: skip
    yield mistake("blocks_ignored", parts("width*depth"), analysis="no planks")
    yield mistake("blocks_ignored", parts("width + depth"), analysis="no planks, additive")
    yield mistake("blocks_fixed", parts("width*depth*plank"))
    yield mistake(
        "blocks_fixed", parts("width*depth + plank + plank:width + plank:depth"),
        analysis="all fixed",
    )  # fmt: skip
    yield mistake("blocks_fixed", parts("width*depth + plank"))
    yield mistake("blocks_fixed", parts("width*depth + plank + (1|plank:width) + (1|plank:depth)"))
    yield mistake(
        "term_extra", parts(f"width*depth + {STRATA} + (1|plank:width:depth)"),
        says="Each place of a plank was read once: plank:width:depth is the residual.",
    )  # fmt: skip
    yield mistake(
        "crossed_as_nested", parts("width*depth + (1|plank/width/depth)"),
        says="Depths are not nested in widths, and each place was read once.",
    )  # fmt: skip


COMPONENTS = ("plank", "plank:width", "plank:depth", "Residual")


def _variances(model: MixedModel, column: str = "variance") -> dict[str, float]:
    table = model.variance_components.set_index("group")[column]
    return {name: table[name] for name in COMPONENTS if name in table.index}


@planks.question(
    "The variance components of this model, by REML",
    ByLevel(COMPONENTS, {"variance": 0.00051}),
    hints=[
        "Four variances: three random effects and the residual.",
        "A fitted model has m.variance_components.",
        "Lesson 7, 'The variances'.",
    ],
    follows=FollowOn("model_formula"),
)
def variances(fits: Fits) -> Iterator[Way]:
    yield right(_variances(fits.strata))
    yield mistake("sd_for_variance", _variances(fits.strata, "sd"))
    yield mistake("ml_for_reml", _variances(fits.by_ml))
    yield mistake("strata_missing", _variances(fits.plank_only), analysis="planks only")
    squares = fits.all_fixed.anova(type=1)["mean_sq"]
    names = {"plank": "plank", "plank:width": "plank:width", "plank:depth": "plank:depth"}
    found = {part: squares[_row(squares, term)] for part, term in names.items()}
    yield mistake(
        "adjacent_cell", found,
        says="These are mean squares: each contains the variances of what lies below it.",
    )  # fmt: skip


def _row(table: pd.Series, term: str) -> str:
    """Return the row of a term, whichever way round its factors are written."""
    wanted = set(term.split(":"))
    return next(name for name in table.index if set(name.split(":")) == wanted)


TERMS = ("width", "depth", "width:depth")


def _tests(table: Callable[[str], Mapping[str, float]]) -> dict[str, float]:
    return {f"{t}: {part}": table(t)[part] for t in TERMS for part in ("F", "den_df")}


@planks.question(
    "Tests of the fixed effects in the mixed model: F and denominator df",
    ByLevel(TERMS, {"F": 0.02, "den_df": 0.05}),
    hints=[
        "Three tests, each against another error. Balanced data: the df are whole numbers.",
        "m.anova() has the columns F and den_df.",
        "Lesson 7, 'Fit 2: the mixed model'.",
    ],
    follows=FollowOn("model_formula"),
)
def fixed_tests(fits: Fits) -> Iterator[Way]:
    yield right(_tests(lambda term: _f(fits.strata, term)))
    yield mistake(
        "strata_missing", _tests(lambda term: _f(fits.plank_only, term)), analysis="planks only"
    )
    yield mistake(
        "blocks_fixed", _tests(lambda term: _linear_f(fits.all_fixed, term)), analysis="all fixed"
    )
    yield mistake(
        "blocks_ignored", _tests(lambda term: _linear_f(fits.no_planks, term)),
        analysis="no planks",
    )  # fmt: skip
    marginal = fits.strata.anova(type="marginal")
    yield mistake("type3_treatment", _tests(lambda term: marginal.loc[term]))
    rest = len(fits.data) - len(fits.strata.params)
    yield mistake(
        "residual_df",
        {f"{t}: den_df": rest for t in TERMS} | {f"{t}: F": _f(fits.strata, t)["F"] for t in TERMS},
    )
    nested = lmer("humidity ~ width*depth + (1|plank/width)", fits.data)
    yield mistake(
        "strata_missing", _tests(lambda term: _f(nested, term)), analysis="no plank:depth",
        says="plank:depth is missing.",
    )  # fmt: skip
    other = lmer("humidity ~ width*depth + (1|plank) + (1|plank:depth)", fits.data)
    yield mistake(
        "strata_missing", _tests(lambda term: _f(other, term)), analysis="no plank:width",
        says="plank:width is missing.",
    )  # fmt: skip
    by_ml = fits.by_ml.anova()
    yield mistake("ml_for_reml", _tests(lambda term: by_ml.loc[term]))


@planks.question(
    "Are widths 1 and 2 different? Tukey's p of this pair, and the df it is computed on",
    Numbers({"p": 0.00051, "df": 0.05}),
    hints=[
        "What is width compared with: readings, planks, or the places of a plank at one width?",
        "m.emmeans('width').pairs() gives all pairs; its caption names the adjustment.",
        "Lesson 7, 'Say it in words'.",
    ],
    follows=FollowOn("model_formula"),
)
def width_tukey(fits: Fits) -> Iterator[Way]:
    def pair(
        model: MixedModel | LinearModel, row: int = 0, adjust: str = "tukey", **options: str
    ) -> dict[str, float]:
        found = model.emmeans("width", **options).pairs(adjust=adjust).iloc[row]
        finite = {"df": found["df"]} if np.isfinite(found["df"]) else {}
        return {"p": found["p"], **finite}

    yield right(
        pair(fits.strata),
        says="The df show that plank:width was the error: 20 planks, 3 widths, 19 x 2.",
    )

    def linear(terms: str) -> dict[str, float]:
        return pair(lm(f"humidity ~ {terms}", fits.data))

    def mixed(terms: str) -> dict[str, float]:
        return pair(lmer(f"humidity ~ {terms}", fits.data))

    raw = TukeyHSD(fits.width_alone)["p"]
    yield mistake(
        "blocks_ignored", p=raw.iloc[0], df=fits.width_alone.df_resid,
        says="Where it comes near the right p, that is an accident.",
    )  # fmt: skip
    yield mistake("blocks_ignored", linear("width + depth"), analysis="no planks, additive")
    yield mistake("blocks_ignored", pair(fits.no_planks), analysis="no planks")
    yield mistake("strata_missing", pair(fits.plank_only), analysis="planks only")
    yield mistake("strata_missing", mixed("width + depth + (1|plank)"), analysis="planks, additive")
    yield mistake("strata_missing", mixed("width + (1|plank)"))
    yield mistake(
        "term_missing", mixed("width*depth + (1|plank:width)"),
        says="The level of a plank, (1|plank), cancels in differences of its widths; without it "
        "it does not.",
    )  # fmt: skip
    yield mistake("blocks_fixed", pair(fits.all_fixed), analysis="all fixed")
    yield mistake("blocks_fixed", linear("width*depth + plank + plank:width"))
    yield mistake("blocks_fixed", linear("width + plank + plank:width"))
    yield mistake("unadjusted", pair(fits.strata, adjust="none"))
    yield mistake("bonferroni", pair(fits.strata, adjust="bonferroni"))
    yield mistake("z_for_t", pair(fits.strata, ddf="none"))
    yield mistake("wrong_row", pair(fits.strata, 1), says="It is the pair 1 and 3.")
    yield mistake("wrong_row", pair(fits.strata, 2), says="It is the pair 2 and 3.")
    yield mistake("ml_for_reml", pair(fits.by_ml))
    yield mistake(
        "single_pair", _t_test(fits.plank_widths),
        says="Tukey's comparison takes all three pairs together.",
    )  # fmt: skip
    one, two = (fits.data[fits.data["width"] == level]["humidity"] for level in ("1", "2"))
    two_samples = lm("humidity ~ width", fits.data[fits.data["width"] != "3"].assign(
        width=lambda d: d["width"].cat.remove_unused_categories()))  # fmt: skip
    yield mistake(
        "unpaired", p=two_samples.pvalues.iloc[1], df=two_samples.df_resid,
        says="A two-sample t-test of the readings.",
    )  # fmt: skip
    yield mistake(
        "pseudoreplication", _t_test(pd.DataFrame({"w1": one.array, "w2": two.array})),
        says="A plank has five readings at each width, which share what it does there.",
    )  # fmt: skip
    shallow = fits.strata.emmeans("width | depth").pairs().iloc[0]
    yield mistake(
        "one_level", p=shallow["p"], df=shallow["df"],
        says="It is the difference at depth 1; the average over all depths is asked.",
    )  # fmt: skip


def _t_test(wide: pd.DataFrame) -> dict[str, float]:
    row = paired_t_test(wide, "w2", "w1").iloc[0]
    return {"p": row["p"], "df": row["df"]}


MODELS = ("all fixed", "planks only", "strata")


@planks.question(
    "The standard error of the difference of two widths in three models",
    ByLevel(MODELS, {"SE": 0.00051}),
    hints=[
        "All three estimate the same differences; they are not equally sure of them.",
        "model.emmeans('width').pairs() has a column SE; mt.lm and mt.lmer both have emmeans.",
        "Lesson 7, 'Widths or depths: your first prediction'.",
    ],
    follows=FollowOn("model_formula"),
)
def se_compared(fits: Fits) -> Iterator[Way]:
    models = (fits.all_fixed, fits.plank_only, fits.strata)
    of_difference = [model.emmeans("width").pairs()["SE"].iloc[0] for model in models]
    of_mean = [model.emmeans("width")["SE"].iloc[0] for model in models]
    yield right(
        dict(zip(MODELS, of_difference, strict=True)),
        says="Only the last says how well new planks would repeat the difference.",
    )
    yield mistake("se_of_mean", dict(zip(MODELS, of_mean, strict=True)))
    yield mistake(
        "strata_missing", dict(zip(MODELS, of_difference[:2] + of_difference[1:2], strict=True)),
        analysis="planks only", says="The third model is the second once more.",
    )  # fmt: skip
    at_one = [model.emmeans("width | depth").pairs()["SE"].iloc[0] for model in models]
    yield mistake(
        "one_level", dict(zip(MODELS, at_one, strict=True)),
        says="It is the standard error at one depth, which the coefficients width[2] and width[3] "
        "have, too.",
    )  # fmt: skip
    squared = {name: se**2 for name, se in zip(MODELS, of_difference, strict=True)}
    yield mistake("variance_for_sd", squared, says="Standard error squared.")
    yield mistake("ratio_inverted", dict(zip(MODELS, of_difference[::-1], strict=True)),
                  says="The three models stand in reverse order.")  # fmt: skip


def _summary(fits: Fits) -> str:
    """Return a model answer for these data."""
    table = fits.strata.anova()

    def test(term: str) -> str:
        row = table.loc[term]
        f = f"{row['F']:.{1 if row['F'] > 20 else 2}f}"
        return f"F({row['num_df']:.0f}, {row['den_df']:.0f}) = {f}, {p_value(row['p'])}"

    def depends(term: str) -> str:
        return "depended" if table.loc[term, "p"] < ALPHA else "was not shown to depend"

    shown, open_ = [], []
    for row in fits.strata.emmeans("width").pairs().itertuples():
        one, two = row.contrast.split(" - ")
        if row.p < ALPHA:
            (dry, wet), turn = ((one, two), -1) if row.estimate < 0 else ((two, one), 1)
            low, high = sorted((turn * row.lower, turn * row.upper))
            shown.append(
                f"width {dry} was drier than width {wet} by {abs(row.estimate):.2f} percentage "
                f"points (95% CI {low:.2f} to {high:.2f}, Tukey, {p_value(row.p)})"
            )
        else:
            open_.append(
                f"widths {one} and {two} (difference {row.estimate:.2f}, CI {row.lower:.2f} to "
                f"{row.upper:.2f}, {p_value(row.p)})"
            )
    alike = "were not the same" if table.loc["width:depth", "p"] < ALPHA else "may be the same"
    sentences = [
        "Humidity was analysed with a linear mixed model (REML): width, depth and their "
        "interaction fixed; plank, plank by width and plank by depth random, since the planks are "
        "a sample and each has its own level and its own shape.",
        f"Humidity {depends('width')} on width ({test('width')}); it {depends('depth')} on depth "
        f"({test('depth')}), and the differences of widths {alike} at all depths "
        f"({test('width:depth')}).",
    ]
    if shown:
        sentences.append(f"Averaged over the depths, {listing(shown)}.")
    if open_:
        sentences.append(
            f"Not shown to differ are {listing(open_)}, which does not mean that they are equal."
        )
    sentences.append(
        "The tests assume that all differences of widths vary equally from plank to plank, and "
        "neighbours may be more alike than that."
    )
    return " ".join(sentences)


planks.sentences(
    "conclusion",
    "A summary for a reader who dries wood: what was done, what was found, how sure",
    Sentences(
        (
            "names the model: which effects are fixed, which random, and that planks are the units "
            "(1 point)",
            "reports width with F, both df and p, and says which widths differ and by how much "
            "(1 point)",
            "says which widths are not shown to differ, but does not claim that they are equal "
            "(1 point)",
            "names one assumption or limit: equally variable differences, an average over depths "
            "in spite of the interaction, or planks of one origin (1 point)",
        ),
        least=20,
    ),
    hints=[
        "Three parts: model, results with numbers and units, limits.",
        "A p above .05 does not show that two means are equal: give the interval.",
        "Lesson 7, 'Write it down'.",
    ],
    model=_summary,
)
