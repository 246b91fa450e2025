"""Exercise 3: six samples of penicillin on 24 plates, which are a sample of plates.

Plates are random, samples fixed: what readings of a plate share, how far the prediction of a plate
is pulled to the middle, and which standard error a mean has for new plates.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import pandas as pd

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
)
from mixedteach.checks.question import Exercise, FollowOn, Way, mistake, right
from mixedteach.checks.words import count
from mixedteach.classical import LinearModel, lm
from mixedteach.datasets import load_penicillin
from mixedteach.model import MixedModel, lmer

SAMPLES = ("A", "B", "C", "D", "E", "F")
PLATE = "m"  # the plate whose effect is asked for
PLATES = 24


class Fits:
    """The models of the exercise, each fitted when it is first asked for."""

    def __init__(self, penicillin: pd.DataFrame) -> None:
        self.data = penicillin

    @cached_property
    def mixed(self) -> MixedModel:
        """The model that the design asks for."""
        return lmer("diameter ~ sample + (1|plate)", self.data)

    @cached_property
    def by_ml(self) -> MixedModel:
        """The same, estimated by ML."""
        return self.mixed.by_ml()

    @cached_property
    def no_samples(self) -> MixedModel:
        """Differences of samples are left in the residual."""
        return lmer("diameter ~ 1 + (1|plate)", self.data)

    @cached_property
    def crossed(self) -> MixedModel:
        """Samples are random, too."""
        return lmer("diameter ~ 1 + (1|plate) + (1|sample)", self.data)

    @cached_property
    def plates_fixed(self) -> LinearModel:
        """A statement about these plates."""
        return lm("diameter ~ sample + plate", self.data)

    @cached_property
    def no_plates(self) -> LinearModel:
        """All readings independent."""
        return lm("diameter ~ sample", self.data)

    @cached_property
    def as_number(self) -> MixedModel:
        """Samples as numbers 1 to 6."""
        numbers = self.data.assign(sample=self.data["sample"].cat.codes + 1.0)
        return lmer("diameter ~ sample + (1|plate)", numbers)

    @cached_property
    def plate_means(self) -> pd.Series:
        """The mean of each plate's own readings."""
        return self.data.groupby("plate", observed=True)["diameter"].mean()


def simulate(penicillin: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return other plates: new means of samples, new plates, new readings, to 1 mm."""
    model = Fits(penicillin).mixed
    sd = model.variance_components["sd"].to_numpy() * rng.uniform(0.9, 1.2, 2)
    plate, sample = (penicillin[name].cat.codes.to_numpy() for name in ("plate", "sample"))
    effects = [
        rng.normal(0, sd[0], plate.max() + 1)[plate],
        rng.normal(0, 0.4, sample.max() + 1)[sample],
        rng.normal(0, sd[1], len(penicillin)),
    ]
    other = penicillin.copy()
    readings = model.predict(random=False).to_numpy() + sum(effects)
    other["diameter"] = readings.round().astype(penicillin["diameter"].dtype)
    return other


penicillin = Exercise(
    "penicillin",
    lesson="03_random_tablets",
    data=load_penicillin,
    work=Fits,
    simulate=simulate,
)


def _variances(model: MixedModel) -> tuple[float, float]:
    """Return the variance of plates and that of a reading's error."""
    found = model.variance_components.set_index("group")["variance"]
    return float(found["plate"]), float(found["Residual"])


# -- look ------------------------------------------------------------------------------------------


@penicillin.question(
    "A picture of all readings: a line for each plate, the six samples along the axis",
    Picture(PLATES, len(SAMPLES), decimals=0.01),
    hints=[
        "What is joined by a line was read on the same plate. So how many lines, of how many "
        "points?",
        "The sample is what differs within a line, the plate is what makes the line.",
        "Lesson 3, 'Look: two kinds of differences': the same for tablets; mt.plot.paired(data, "
        "response, within=..., subject=...) draws such lines.",
    ],
)
def readings(fits: Fits) -> Iterator[Way]:
    data = fits.data
    wide = data.pivot(index="plate", columns="sample", values="diameter")
    yield right(
        line_parts(wide.to_numpy()),
        says="The lines lie at different heights: plates differ. They are nearly parallel.",
    )
    yield mistake(
        "axes_exchanged", line_parts(wide.T.to_numpy()),
        says="A line should be a plate, not a sample.",
    )  # fmt: skip
    yield mistake(
        "wrong_average", line_parts([wide.mean().to_numpy()]),
        says="It shows the means of the samples only, not the plates.",
    )  # fmt: skip
    yield mistake(
        "wrong_average", line_parts([wide.mean(axis=1).to_numpy()]),
        says="It shows the means of the plates only.",
    )  # fmt: skip


# -- the model -------------------------------------------------------------------------------------


@penicillin.question(
    "The mixed model that this question and this design ask for, as a formula",
    FormulaText(("sample", "plate")),
    hints=[
        "Which levels are of interest themselves? Which stand for many others like them?",
        "Levels of interest are fixed effects, one mean each. Of the others only the variance "
        "counts: they are random.",
        "Lesson 3, 'A model for a sample' and 'Fit': mt.lmer('response ~ treatment + (1|object)', "
        "data); what is fixed stands outside the bars.",
    ],
)
def model_formula(fits: Fits) -> Iterator[Way]:
    def parts(text: str) -> dict[str, str]:
        return formula_parts("diameter ~ " + text, ("sample", "plate"))

    yield right(parts("sample + (1|plate)"), says="Six means, and one variance for all plates.")
    yield mistake(
        "blocks_fixed", parts("sample + plate"), says="The objects are plates.",
        analysis="plates fixed",
    )  # fmt: skip
    yield mistake(
        "blocks_fixed", parts("sample*plate"),
        says="And with a mean for each sample on each plate nothing is left for the error.",
    )  # fmt: skip
    yield mistake(
        "blocks_ignored", parts("sample"), says="The objects are plates.", analysis="no plates"
    )
    yield mistake(
        "roles_exchanged", parts("plate + (1|sample)"),
        says="These six samples are compared; these plates stand for all plates.",
    )  # fmt: skip
    yield mistake(
        "fixed_as_random", parts("(1|plate) + (1|sample)"),
        says="With samples random the question would be how much samples differ in general.",
    )  # fmt: skip
    for text in ("(1|plate)", "plate", "1"):
        yield mistake(
            "term_missing", parts(text), says="Where are the samples?",
            analysis="no samples" if "|" in text else "",
        )  # fmt: skip
    for text in ("(1|sample)", "sample + (1|sample)"):
        yield mistake("term_missing", parts(text), says="Where are the plates?")
    yield mistake(
        "term_missing", parts("sample + (1|plate:sample)"),
        says="plate:sample is the single reading; the plates themselves are missing.",
    )  # fmt: skip
    for text in ("plate ~ sample", "sample ~ diameter + (1|plate)", "plate ~ sample + diameter"):
        yield mistake("sides_exchanged", formula_parts(text, ("sample", "plate")))
    yield mistake(
        "term_extra", parts("sample + (1|plate) + (1|sample)"),
        says="Samples are in it twice: what is fixed cannot be random as well.",
    )  # fmt: skip
    for text in ("sample + plate + (1|plate)", "sample*plate + (1|plate)", "plate + (1|plate)"):
        yield mistake(
            "term_extra", parts(text),
            says="Plates are in it twice: what is fixed cannot be random as well.",
        )  # fmt: skip
    yield mistake("blocks_fixed", parts("sample + plate + (1|sample)"), says="The plates, that is.")
    yield mistake(
        "term_extra", parts("sample + (1|plate) + (1|plate:sample)"),
        says="Each sample was read once on a plate: plate:sample is the residual.",
    )  # fmt: skip
    for bar in ("sample", "0 + sample"):
        yield mistake(
            "term_extra", parts(f"sample + ({bar}|plate)"),
            says="Each sample was read once on a plate: a level for each plate is all that can be "
            "had.",
        )  # fmt: skip
    for text in ("sample + (plate|sample)", "(plate|sample)"):
        yield mistake(
            "roles_exchanged", parts(text),
            says="At the right of the bar stands what is random: the plates.",
        )  # fmt: skip
    for text in ("(1|plate/sample)", "(1|sample/plate)", "sample + (1|sample/plate)"):
        yield mistake(
            "crossed_as_nested", parts(text), says="Sample A is the same sample on every plate."
        )


# -- what readings of a plate share ----------------------------------------------------------------


def _same_plate(plate: float, residual: float, **other: float) -> dict[str, float]:
    """Return the four numbers of two variances; some may be given otherwise."""
    return {
        "sd_plate": plate**0.5,
        "sd_residual": residual**0.5,
        "covariance": plate,
        "correlation": plate / (plate + residual),
    } | other


@penicillin.question(
    "Standard deviations of plates and of a reading's error; covariance and correlation of two "
    "readings of one plate",
    Numbers(
        {"sd_plate": 0.00051, "sd_residual": 0.00051, "covariance": 0.00051, "correlation": 0.00051}
    ),
    hints=[
        "All four come from two variances, by REML.",
        "Two readings of one plate share its u_j, and nothing else. The correlation is the shared "
        "part of a reading's variance.",
        "Lesson 3, 'One change, and what follows from it', has the formulas; "
        "m.variance_components has the columns variance and sd.",
    ],
    follows=FollowOn("model_formula"),
)
def same_plate(fits: Fits) -> Iterator[Way]:
    plate, residual = _variances(fits.mixed)
    yield right(_same_plate(plate, residual))
    total = plate + residual
    yield mistake(
        "variance_for_sd", _same_plate(plate, residual, sd_plate=plate, sd_residual=residual)
    )
    yield mistake(
        "sd_for_variance", _same_plate(plate, residual, covariance=plate**0.5),
        says="It is the covariance that has to be a variance.",
    )  # fmt: skip
    share = plate**0.5 / (plate**0.5 + residual**0.5)
    yield mistake(
        "sd_for_variance", _same_plate(plate, residual, correlation=share),
        says="The correlation is a share of variances, not of standard deviations.",
    )  # fmt: skip
    yield mistake("within_only", _same_plate(plate, residual, covariance=residual))
    yield mistake("total_variance", _same_plate(plate, residual, covariance=total))
    yield mistake(
        "ratio_inverted", _same_plate(plate, residual, correlation=residual / total),
        says="It is the share of the residual.",
    )  # fmt: skip
    yield mistake("part_to_part", _same_plate(plate, residual, correlation=plate / residual))
    yield mistake("percent", _same_plate(plate, residual, correlation=100 * plate / total))
    yield mistake(
        "wrong_row",
        _same_plate(plate, residual, sd_plate=residual**0.5, sd_residual=plate**0.5),
        says="Plates and residual are exchanged.",
    )
    found = _same_plate(plate, residual)
    exchanged = {"covariance": found["correlation"], "correlation": found["covariance"]}
    yield mistake(
        "adjacent_cell", found | exchanged, says="Covariance and correlation are exchanged."
    )
    yield mistake("ml_for_reml", _same_plate(*_variances(fits.by_ml)))
    yield mistake(
        "term_missing", _same_plate(*_variances(fits.no_samples)), analysis="no samples",
        says="Without sample in the fixed part the differences of samples count as error.",
    )  # fmt: skip
    yield mistake(
        "fixed_as_random", _same_plate(plate, residual, correlation=fits.crossed.icc["plate"]),
        says="The variance of samples is in this total.",
    )  # fmt: skip
    of_means = float(fits.plate_means.var())
    yield mistake(
        "variance_of_means", _same_plate(of_means, residual),
        says="The mean of a plate's six readings still contains a sixth of the error's variance.",
    )  # fmt: skip
    squares = fits.plates_fixed.anova()["mean_sq"]
    yield mistake(
        "adjacent_cell", _same_plate(float(squares["plate"]), residual),
        says="This is the mean square of plates, which contains six times their variance and the "
        "error's.",
    )  # fmt: skip
    yield mistake(
        "blocks_fixed", sd_residual=residual**0.5, covariance=0.0, correlation=0.0,
        analysis="plates fixed",
        says="Fixed plates share nothing random.",
    )  # fmt: skip
    yield mistake(
        "blocks_ignored", sd_residual=fits.no_plates.scale**0.5, covariance=0.0, correlation=0.0,
        analysis="no plates",
    )  # fmt: skip


# -- one plate -------------------------------------------------------------------------------------


def _kept_of_own_mean(own: Parts, own_right: Parts, right_here: Parts) -> Parts:
    """Return BLUP and share that follow from standard deviations as they were answered."""
    plate, residual = own["sd_plate"], own["sd_residual"]
    if not (plate > 0 and residual > 0):
        raise ValueError("standard deviations are larger than 0")
    kept = plate**2 / (plate**2 + residual**2 / len(SAMPLES))
    far = right_here["blup"] / right_here["kept"]  # of the plate's own mean, from the common one
    return {"blup": kept * far, "kept": kept}


@penicillin.question(
    f"The BLUP of plate {PLATE} (its deviation from the common mean), and the share that is kept "
    "of its own mean's deviation",
    Numbers({"blup": 0.00051, "kept": 0.00051}),
    hints=[
        "A plate's own mean lies too far out: part of its deviation is error.",
        "The share that is kept compares the variance of plates with that of a plate's mean, and "
        "the error of a mean depends on how many readings a plate has.",
        "Lesson 3, 'By hand: tablet 8': s2_P / (s2_P + s2 / n), n readings a plate; "
        "m.random_effects_table() has the BLUPs.",
    ],
    follows=FollowOn("same_plate", compute=_kept_of_own_mean),
)
def plate_m(fits: Fits) -> Iterator[Way]:
    def blup(model: MixedModel, plate: str = PLATE) -> float:
        return float(model.random_effects["plate"].loc[plate].iloc[0])

    def kept(model: MixedModel, n: int) -> float:
        plate, residual = _variances(model)
        return plate / (plate + residual / n)

    means, n = fits.plate_means, len(SAMPLES)
    common = float(means.mean())
    far = float(means[PLATE]) - common
    share = kept(fits.mixed, n)
    yield right(blup=blup(fits.mixed), kept=share)
    yield mistake("not_shrunk", blup=far, kept=1.0)
    yield mistake("not_shrunk", blup=far, kept=share, says="You have the share; use it.")
    yield mistake(
        "not_shrunk", blup=float(means[PLATE]), kept=share,
        says="And it is the level, where the deviation is asked.",
    )  # fmt: skip
    yield mistake("level_for_deviation", blup=common + blup(fits.mixed), kept=share)
    once = kept(fits.mixed, 1)
    yield mistake("shrunk_too_much", blup=once * far, kept=once)
    yield mistake("shrunk_too_much", blup=blup(fits.mixed), kept=once, says="It is the ICC.")
    many = kept(fits.mixed, PLATES)
    yield mistake(
        "wrong_n", blup=many * far, kept=many,
        says="A plate has as many readings as there are samples.",
    )  # fmt: skip
    yield mistake("ratio_inverted", blup=blup(fits.mixed), kept=1 - share,
                  says="It is the share that is lost.")  # fmt: skip
    yield mistake("percent", blup=blup(fits.mixed), kept=100 * share)
    yield mistake(
        "adjacent_cell", blup=share, kept=blup(fits.mixed), says="blup and kept are exchanged."
    )
    sd_plate, sd_residual = (v**0.5 for v in _variances(fits.mixed))
    by_sd = sd_plate / (sd_plate + sd_residual / n)
    yield mistake(
        "sd_for_variance", blup=by_sd * far, kept=by_sd, says="The formula takes variances."
    )
    # No "ml_for_reml": in balanced data ML makes both variances smaller by the same factor.
    yield mistake(
        "term_missing", blup=blup(fits.no_samples), kept=kept(fits.no_samples, n),
        says="Without sample in the fixed part the differences of samples count as error.",
    )  # fmt: skip
    levels = list(fits.data["plate"].cat.categories)
    yield mistake(
        "blocks_fixed", blup=float(means[PLATE] - means[levels[0]]), kept=1.0,
        says=f"It is the difference of plates {PLATE} and {levels[0]}.",
    )  # fmt: skip
    place = levels.index(PLATE)
    for other in (levels[place - 1], levels[place + 1]):
        yield mistake(
            "wrong_row", blup=blup(fits.mixed, other), kept=share, says=f"It is plate {other}."
        )


# -- the samples -----------------------------------------------------------------------------------


def _means(table: pd.DataFrame, **other: float) -> dict[str, float]:
    """Return mean, SE and df of each sample, from a table of means; some given otherwise."""
    return {
        f"{row['sample']}: {part}": other.get(part, row[column])
        for _, row in table.iterrows()
        for part, column in (("mean", "emmean"), ("SE", "SE"), ("df", "df"))
    }


@penicillin.question(
    "The mean of each sample, its SE for plates of this kind in general, and Satterthwaite's df",
    ByLevel(SAMPLES, {"mean": 0.0051, "SE": 0.00051, "df": 0.051}),
    hints=[
        "With new plates two things would be new: the plates and the errors of reading.",
        "So the SE must contain both variances: plates are random in the model it comes from.",
        "Lesson 3, 'Why 0.115 and not 0.127?': m.emmeans('sample') has the columns emmean, SE and "
        "df.",
    ],
    follows=FollowOn("model_formula"),
)
def sample_means(fits: Fits) -> Iterator[Way]:
    table = fits.mixed.emmeans("sample")
    plate, residual = _variances(fits.mixed)
    yield right(_means(table), says="The SE contains the luck of which plates were taken.")
    yield mistake(
        "blocks_fixed", _means(fits.plates_fixed.emmeans("sample")), analysis="plates fixed",
        says="The objects are plates.",
    )  # fmt: skip
    yield mistake("blocks_ignored", _means(fits.no_plates.emmeans("sample")), analysis="no plates",
                  says="The SE is right here, each sample having one reading a plate; its df are "
                  "not: the readings of a plate are no independent ones.")  # fmt: skip
    yield mistake(
        "other_df", _means(fits.mixed.emmeans("sample", ddf="containment")),
        says="Containment only counts the plates.",
    )  # fmt: skip
    yield mistake("n_for_df", _means(table, df=PLATES), says="That is how many plates there are.")
    yield mistake("ml_for_reml", _means(fits.by_ml.emmeans("sample")))
    pair = fits.mixed.emmeans("sample").pairs().iloc[0]
    yield mistake("se_of_difference", _means(table, SE=pair["SE"], df=pair["df"]))
    coefficients = fits.mixed.coefficients().iloc[1:]
    treatment = _means(table.iloc[:1])
    for level, (_, row) in zip(SAMPLES[1:], coefficients.iterrows(), strict=True):
        treatment |= {
            f"{level}: mean": row["estimate"], f"{level}: SE": row["SE"], f"{level}: df": row["df"]
        }  # fmt: skip
    yield mistake("difference_for_mean", treatment)
    yield mistake("sd_for_se", _means(table, SE=(plate + residual) ** 0.5))
    alone = fits.data.groupby("sample", observed=True)["diameter"].agg(["mean", "std", "count"])
    own = {}
    for level, row in alone.iterrows():
        own |= {
            f"{level}: mean": row["mean"],
            f"{level}: SE": row["std"] / row["count"] ** 0.5,
            f"{level}: df": row["count"] - 1,
        }
    yield mistake("one_group_alone", own)
    yield mistake("between_only", _means(table, SE=(plate / PLATES) ** 0.5),
                  says="The errors of reading belong into the SE, too.")  # fmt: skip


@penicillin.question(
    "Do the samples differ? F, and the df of its numerator and its denominator",
    Numbers({"F": 0.051, "num_df": 0.05, "den_df": 0.05}),
    hints=[
        "Every plate compares all six samples; what is the noise in such a comparison?",
        "What plates differ by cancels. The noise is what is left after samples and plates, and "
        "its df are those of the denominator.",
        "Lesson 3, 'By hand: variances from the ANOVA table': F is a ratio of mean squares; for "
        "the mixed model m.anova() has the columns F, num_df and den_df.",
    ],
    follows=FollowOn("model_formula"),
)
def f_sample(fits: Fits) -> Iterator[Way]:
    def row(table: pd.DataFrame, term: str = "sample", **other: float) -> dict[str, float]:
        found = table.loc[term]
        return {"F": found["F"], "num_df": found["num_df"], "den_df": found["den_df"]} | other

    table = fits.mixed.anova()
    classical = fits.plates_fixed.anova()
    rest = fits.plates_fixed.df_resid
    yield right(
        row(table),
        says="Plates fixed or random, the F is the same: samples are compared within plates, and "
        "nothing is missing.",
    )
    ignored = fits.no_plates
    yield mistake(
        "blocks_ignored", row(ignored.anova(), den_df=ignored.df_resid), analysis="no plates"
    )
    yield mistake("wrong_row", row(classical, "plate", den_df=rest), says="It is the F of plates.")
    yield mistake("residual_df", row(table, den_df=ignored.df_resid))
    samples = len(SAMPLES)
    yield mistake("num_df_for_den", row(table, den_df=samples - 1))
    yield mistake(
        "n_for_df", row(table, num_df=samples), says="That is how many samples there are."
    )
    yield mistake(
        "adjacent_cell", row(table, num_df=rest, den_df=samples - 1),
        says="The df of numerator and denominator are exchanged.",
    )  # fmt: skip
    yield mistake(
        "wrong_count", row(table, den_df=PLATES - 1), says="For den_df the plates were counted."
    )
    yield mistake("chi2_for_f", F=table.loc["sample", "F"] * 5, num_df=5)
    yield mistake("covariate_for_factor", row(fits.as_number.anova()))
    yield mistake("ml_for_reml", row(fits.by_ml.anova()))
    for column in ("mean_sq", "sum_sq"):
        yield mistake(
            "adjacent_cell", row(table, F=classical.loc["sample", column]),
            says=f"It is the column {column}.",
        )  # fmt: skip


@penicillin.question(
    "Six samples, each to be read on 24 plates: which design makes the SE of a difference of two "
    "samples smaller?",
    Word(
        {
            "same plates": ("same", "same 24 plates", "the same plates", "shared plates", "shared"),
            "own plates": ("own", "144 plates", "different plates", "other plates"),
            "no difference": ("none", "equal", "the same", "no"),
        }
    ),
    hints=[
        "Write down the difference of two readings, of one plate and of two. What cancels?",
        "The variance of the difference is 2 sigma^2 in one design, and in the other?",
        "Lesson 3, 'Play: which standard error does not care?': move the variance of the tablets "
        "there; with m.variance_components you can work out the SE of both designs.",
    ],
)
def design(fits: Fits) -> Iterator[Way]:
    plate, residual = _variances(fits.mixed)
    same, own = ((2 * v / PLATES) ** 0.5 for v in (residual, plate + residual))
    yield right("same plates", says=f"SE {same:.3f} against {own:.3f}: on one plate u_j cancels.")
    yield mistake(
        "wrong_choice", "own plates",
        says="More plates, but each difference would contain the difference of two plates.",
    )  # fmt: skip
    yield mistake(
        "wrong_choice", "no difference",
        says="The SE of a mean would stay the same; that of a difference does not.",
    )  # fmt: skip


def _summary(fits: Fits) -> str:
    """Return a model answer for these data."""
    plate, residual = _variances(fits.mixed)
    return (
        f"Plates of this kind differ with a standard deviation of {plate**0.5:.2f} mm, readings on "
        f"one plate with {residual**0.5:.2f} mm: {plate / (plate + residual):.0%} of the variance "
        "of a reading comes from the plate (mixed model, REML, sample fixed, plate random; "
        f"{PLATES} plates, {count(len(SAMPLES))} samples). A plate shifts all its readings alike, "
        "so samples should be compared on the same plate, where the shift cancels; the diameter of "
        "one sample on one plate says little, unless a known sample stands beside it."
    )


penicillin.sentences(
    "conclusion",
    "Two to four sentences: how far plates and readings vary, and what one plate is good for",
    Sentences(
        (
            "gives both standard deviations (or variances) with their unit, and says which is "
            "which (1 point)",
            "says what follows for use: compare samples on the same plate, or read a sample on "
            "several plates, because a plate shifts all its readings alike (1 point)",
        ),
        least=12,
    ),
    hints=[
        "Say what the two numbers mean to somebody who will use such plates.",
        "What of a single plate's reading is the sample, what the plate, what error?",
        "Lesson 3, 'Say it in words': a report of this kind; m.variance_components has the "
        "numbers.",
    ],
    model=_summary,
)
