"""Exercise 5: growth curves of 27 children, fitted by ML and by REML, partly by hand."""

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
    mean_lines,
)
from mixedteach.checks.question import Exercise, Way, mistake, right
from mixedteach.checks.words import ALPHA, p_value
from mixedteach.classical import LinearModel, lm
from mixedteach.comparison import compare
from mixedteach.datasets import load_orthodont
from mixedteach.model import MixedModel, lmer

INTERCEPTS = "(1|Subject)"
LINES = "(age|Subject)"
GIRLS = (0.0, 1.0, 0.0, 1.0)  # age + age:Sex[Female]


class Fits:
    """The models of the exercise, each fitted when it is first asked for."""

    def __init__(self, orthodont: pd.DataFrame) -> None:
        self.data = orthodont

    @cached_property
    def parallel(self) -> MixedModel:
        """One slope for boys and girls."""
        return lmer(f"distance ~ age + Sex + {INTERCEPTS}", self.data)

    @cached_property
    def both(self) -> MixedModel:
        """Two slopes, one for each sex: the model of most questions."""
        return lmer(f"distance ~ age*Sex + {INTERCEPTS}", self.data)

    @cached_property
    def lines(self) -> MixedModel:
        """Every child has a slope of its own as well."""
        return lmer(f"distance ~ age*Sex + {LINES}", self.data)

    @cached_property
    def by_ml(self) -> MixedModel:
        """The model with two slopes, estimated by ML."""
        return self.both.by_ml()

    @cached_property
    def no_children(self) -> LinearModel:
        """All readings independent."""
        return lm("distance ~ age*Sex", self.data)


def simulate(orthodont: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return other children: new lines, new readings, to half a millimetre as the original.

    The girls are then tilted so that their slope differs from the boys' about as clearly as in the
    original: a p near zero would be the same number, to three decimals, by every method.
    """
    model = Fits(orthodont).lines
    first, second, covariance = model.variance_components["variance"].iloc[:3]
    spread = np.array([[first, covariance], [covariance, second]]) * rng.uniform(1.0, 1.4)
    child = orthodont["Subject"].cat.codes.to_numpy()
    age = orthodont["age"].to_numpy(float)
    own = rng.multivariate_normal([0, 0], spread, child.max() + 1)[child]
    rest = rng.normal(0, model.sigma * rng.uniform(0.9, 1.1), len(age))
    shift = rng.normal(0, 0.3) + rng.normal(0, 0.04) * (age - 11)
    values = model.predict(random=False).to_numpy() + own[:, 0] + own[:, 1] * age + rest + shift
    other = orthodont.assign(distance=values)
    slopes = Fits(other).both.coefficients().loc["age:Sex[Female]"]
    tilt = -rng.uniform(2.15, 2.5) * slopes["SE"] - slopes["estimate"]
    girl = (orthodont["Sex"] == "Female").to_numpy(float)
    other["distance"] = (2 * (values + tilt * girl * (age - 11))).round() / 2
    other.attrs.update(orthodont.attrs)
    return other


orthodont = Exercise(
    "orthodont",
    lesson="05_likelihood_and_reml",
    data=load_orthodont,
    work=Fits,
    simulate=simulate,
)

# -- look ------------------------------------------------------------------------------------------


@orthodont.question(
    "The mean distance by age, one line for the boys and one for the girls",
    Picture(2, 4, decimals=0.02),
    hints=[
        "Age is along the axis; the means are over children of one sex.",
        "So there are two lines, and each has a point for every age.",
        "Lesson 6, 'Nitrogen and variety', has a picture of this kind: mt.plot.interaction(data, "
        "x=..., trace=..., response=...).",
    ],
)
def profiles(fits: Fits) -> Iterator[Way]:
    data = fits.data
    yield right(mean_lines(data, "distance", "age", "Sex"))
    yield mistake("axes_exchanged", mean_lines(data, "distance", "Sex", "age"))
    yield mistake(
        "raw_lines",
        mean_lines(data, "distance", "age", "Subject"),
        says="These are the lines of all children.",
    )
    yield mistake(
        "wrong_average", mean_lines(data.assign(all="all"), "distance", "age", "all"),
        says="It averages over boys and girls; each sex should have a line.",
    )  # fmt: skip


# -- the variances ---------------------------------------------------------------------------------

_ROWS = ("Subject", "Residual")


def _four(reml: MixedModel, ml: MixedModel, column: str = "variance") -> Parts:
    """Return the table of variances: first and last row of either fit."""
    pairs = {"REML": reml.variance_components[column], "ML": ml.variance_components[column]}
    return {
        f"{row}, {way}": values.iloc[0 if row == "Subject" else -1]
        for row in _ROWS
        for way, values in pairs.items()
    }


@orthodont.question(
    "Both variances of distance ~ age*Sex + (1|Subject), by REML and by ML",
    ByLevel((_ROWS, ("REML", "ML")), {"variance": 0.0051}),
    hints=[
        "Four numbers, two fits. Which of the two is what mt.lmer does if you say nothing?",
        "The same formula and the same readings; only the likelihood differs.",
        "Lesson 5, 'ML against REML': mt.lmer(..., reml=False) fits by ML; m.variance_components "
        "has the column variance.",
    ],
)
def variances(fits: Fits) -> Iterator[Way]:
    both, ml = fits.both, fits.by_ml
    found = _four(both, ml)
    yield right(
        found,
        says="ML takes the fixed effects for known, so its variances are too small. The variance "
        "between children loses more: there are fewer children than readings.",
    )
    yield mistake("ml_for_reml", _four(ml, ml), says="Both columns are by ML.")
    yield mistake("reml_for_ml", _four(both, both), says="Both columns are by REML.")
    yield mistake("adjacent_cell", _four(ml, both), says="ML and REML are exchanged.")
    other = dict(zip(_ROWS, reversed(_ROWS), strict=True))
    turned = {f"{row}, {way}": found[f"{other[row]}, {way}"]
              for row in _ROWS for way in ("REML", "ML")}  # fmt: skip
    yield mistake("wrong_row", turned, says="The two variances are exchanged.")
    yield mistake("sd_for_variance", _four(both, ml, "sd"))
    share = fits.no_children.df_resid / len(fits.data)  # of 108 readings, 104 are left
    scaled = {f"{row}, ML": found[f"{row}, REML"] * share for row in _ROWS}
    yield mistake(
        "blocks_ignored", found | scaled,
        says="ML was taken as REML times (n - p)/n. With random effects each variance has a "
        "share of its own: fit the model by ML.",
    )  # fmt: skip
    yield mistake("interaction_missing", _four(fits.parallel, fits.parallel.by_ml()))
    age = lmer(f"distance ~ age + {INTERCEPTS}", fits.data)
    yield mistake("term_missing", _four(age, age.by_ml()), says="Sex is missing.")
    yield mistake(
        "term_extra", _four(fits.lines, fits.lines.by_ml()),
        says="(age|Subject) has random slopes; random intercepts alone are asked here.",
    )  # fmt: skip
    means = lmer(f"distance ~ C(age)*Sex + {INTERCEPTS}", fits.data)
    yield mistake("factor_for_covariate", _four(means, means.by_ml()), says="It is age.")


# -- the matrices ----------------------------------------------------------------------------------


def _theta(m: MixedModel) -> float:
    return float(m.theta[0])


def _matrices(m: MixedModel) -> Parts:
    parts = m.matrices()
    return {
        "X": parts.X.shape[1],
        "Z": parts.Z.shape[1],
        "variance": parts.V.iloc[0, 0],
        "covariance": parts.V.iloc[0, 1],
        "theta": _theta(m),
    }


@orthodont.question(
    "The columns of X and of Z; from V the variance of a reading and the covariance of two readings"
    " of one child; theta; all of distance ~ age*Sex + (1|Subject) by REML",
    Numbers({"X": 0.05, "Z": 0.05, "variance": 0.0051, "covariance": 0.0051, "theta": 0.00051}),
    hints=[
        "Each column of X belongs to a fixed effect, each of Z to a random one. What do two "
        "readings of one child share, and what else varies in one reading?",
        "V = ZGZ' + R: the variance between children stands wherever both readings are one "
        "child's, the residual variance on the diagonal only. theta is a ratio of standard "
        "deviations.",
        "Lesson 5, 'V: what two readings share' and 'For the curious: the search, watched': "
        "m.matrices() has X, Z and V, whose first two rows are readings of one child; m.theta is "
        "theta.",
    ],
)
def matrices(fits: Fits) -> Iterator[Way]:
    found = _matrices(fits.both)
    between, within = fits.both.variance_components["variance"]
    yield right(found)
    parallel = _matrices(fits.parallel)
    yield mistake("interaction_missing", parallel)
    yield mistake("ml_for_reml", _matrices(fits.by_ml))
    yield mistake(
        "term_extra", _matrices(fits.lines),
        says="(age|Subject) has random slopes; random intercepts alone are asked here.",
    )  # fmt: skip
    yield mistake(
        "blocks_ignored", found | {"variance": fits.no_children.scale, "covariance": 0},
        says="This is the residual variance of mt.lm.",
    )  # fmt: skip
    # counting columns
    yield mistake("term_missing", found | {"X": 3}, says="Count the intercept as well.")
    yield mistake("all_levels", found | {"X": 6}, says="Sex has two levels, and so has age:Sex.")
    yield mistake("reference_dropped", found | {"Z": found["Z"] - 1})
    yield mistake(
        "adjacent_cell", found | {"X": found["Z"], "Z": found["X"]}, says="X and Z are exchanged."
    )
    readings = len(fits.data)
    yield mistake(
        "pseudoreplication", found | {"Z": readings}, says="Z has a column a child, not a reading."
    )
    yield mistake("rows_for_columns", found | {"X": readings, "Z": readings})
    # entries of V
    yield mistake(
        "within_only", found | {"variance": within},
        says="A reading varies because of the child, too.",
    )  # fmt: skip
    yield mistake(
        "between_only", found | {"variance": between}, says="Each reading also varies for itself."
    )
    yield mistake(
        "within_only", found | {"covariance": within},
        says="Residuals are independent: two readings share the child's effect only.",
    )  # fmt: skip
    yield mistake(
        "adjacent_cell", found | {"variance": between, "covariance": between + within},
        says="Variance and covariance are exchanged.",
    )  # fmt: skip
    yield mistake("correlation_for_covariance", found | {"covariance": fits.both.icc.iloc[0]})
    sds = np.sqrt([between, within])
    yield mistake(
        "sd_for_variance", found | {"variance": np.sqrt(between + within), "covariance": sds[0]}
    )
    yield mistake(
        "sd_for_variance", found | {"variance": sds.sum()},
        says="Variances add up, standard deviations do not.",
    )  # fmt: skip
    # theta
    theta = found["theta"]
    yield mistake(
        "variance_for_sd", found | {"theta": theta**2},
        says="It is the ratio of the variances; theta is that of the standard deviations.",
    )  # fmt: skip
    yield mistake("ratio_inverted", found | {"theta": 1 / theta})
    yield mistake("icc_for_ratio", found | {"theta": fits.both.icc.iloc[0]})
    yield mistake(
        "ml_for_reml", found | {"theta": _theta(fits.by_ml)}, says="It is the theta of ML."
    )


# -- fixed effects by hand -------------------------------------------------------------------------


def _estimable(m: MixedModel | LinearModel, weights: tuple[float, ...] = GIRLS) -> Parts:
    row = m.estimable({"": weights}).iloc[0]
    return {"estimate": row["estimate"], "SE": row["SE"]}


@orthodont.question(
    "The slope of the girls and its standard error, by generalised least squares with V by REML, "
    "from distance ~ age*Sex + (1|Subject)",
    Numbers({"estimate": 0.00051, "SE": 0.000051}),
    hints=[
        "Boys are the reference. Which two coefficients add up to the slope of the girls?",
        "An estimate is L @ beta, its variance L @ cov @ L, where L holds a 0 or a 1 for each "
        "coefficient and cov is the inverse of X'V^-1 X.",
        "Lesson 5, 'The fixed effects by hand': np.linalg.inv(X.T @ np.linalg.inv(V) @ X) is cov; "
        "m.estimable({'girls': L}) shows whether you got it right.",
    ],
)
def girls_slope(fits: Fits) -> Iterator[Way]:
    both = fits.both
    found = _estimable(both)
    yield right(
        found,
        says="Ordinary least squares finds the same slope in these balanced data, but not its SE.",
    )
    yield mistake("blocks_ignored", _estimable(fits.no_children), says="V was taken as s^2 I.")
    yield mistake("ml_for_reml", _estimable(fits.by_ml), says="V is the one of ML.")
    yield mistake(
        "term_extra", _estimable(fits.lines),
        says="V is the one of (age|Subject), with random slopes; that of (1|Subject) is asked.",
    )  # fmt: skip
    boys, difference = (_estimable(both, tuple(np.eye(4)[i])) for i in (1, 3))
    yield mistake(
        "wrong_row", boys, says="The coefficient of age is the slope of the boys, the reference."
    )
    yield mistake(
        "difference_for_level", difference, says="By this the girls' slope differs from the boys'."
    )
    yield mistake("interaction_missing", _estimable(fits.parallel, (0.0, 1.0, 0.0)))
    yield mistake("variance_for_sd", found | {"SE": found["SE"] ** 2})
    squares = boys["SE"] ** 2 + difference["SE"] ** 2
    yield mistake("covariance_forgotten", found | {"SE": np.sqrt(squares)})
    # counting the covariance once gives the second of these, too
    yield mistake("wrong_row", found | {"SE": boys["SE"]}, says="This SE is that of the boys.")
    yield mistake(
        "wrong_row", found | {"SE": difference["SE"]}, says="This SE is that of the difference."
    )
    yield mistake("se_added", found | {"SE": boys["SE"] + difference["SE"]})
    girls = fits.data[fits.data["Sex"] == "Female"]
    alone = lmer("distance ~ age + (1|Subject)", girls)
    yield mistake("part_of_data", _estimable(alone, (0.0, 1.0)), says="It is the girls alone.")
    plain = lm("distance ~ age", girls)
    yield mistake(
        "part_of_data", _estimable(plain, (0.0, 1.0)),
        says="It is a regression on the girls' readings, and takes them for independent, too.",
    )  # fmt: skip


# -- likelihoods -----------------------------------------------------------------------------------


@orthodont.question(
    "Do the slopes of boys and girls differ? The likelihood ratio test of distance ~ age*Sex + "
    "(1|Subject) against age + Sex: log-likelihood of the larger model, LRT, df, p",
    Numbers({"loglik": 0.0051, "LRT": 0.0011, "df": 0.05, "p": 0.00051}),
    hints=[
        "The two models have different fixed effects. Which likelihood may be compared?",
        "LRT is twice the gain in log-likelihood; its df are the coefficients that the smaller "
        "model lacks.",
        "Lesson 5, 'The classic mistake: comparing REML likelihoods', and 'What to do instead': "
        "mt.compare(small, large) fits again and makes the table; m.llf is the log-likelihood of "
        "a fit.",
    ],
)
def likelihood_ratio(fits: Fits) -> Iterator[Way]:
    from scipy import stats

    def test(small: float, large: float, df: int = 1) -> Parts:
        lrt = 2 * (large - small)
        return {"loglik": large, "LRT": lrt, "df": df, "p": stats.chi2.sf(lrt, df)}

    by_ml, parallel = fits.by_ml.llf, fits.parallel.by_ml().llf
    found = test(parallel, by_ml)
    yield right(found)
    yield mistake(
        "reml_compared", test(fits.parallel.llf, fits.both.llf),
        says="Here even the conclusion may change. Fit both by ML, or use mt.compare.",
    )  # fmt: skip
    yield mistake("reml_for_ml", found | {"loglik": fits.both.llf})
    yield mistake("deviance_for_loglik", found | {"loglik": -2 * by_ml})
    yield mistake("wrong_row", found | {"loglik": parallel}, says="It is the smaller model's.")
    half = found["LRT"] / 2
    yield mistake("loglik_for_lr", found | {"LRT": half, "p": stats.chi2.sf(half, 1)})
    yield mistake("loglik_for_lr", found | {"LRT": half})
    yield mistake("sign_turned", found | {"LRT": -found["LRT"]}, says="A larger model gains.")
    yield mistake("halved_p", found | {"p": found["p"] / 2}, says="A fixed effect has two sides.")
    for of, model in (("smaller", fits.parallel), ("larger", fits.both)):
        count = len(model.params) + 2
        yield mistake(
            "parameters_for_df", found | {"df": count}, says=f"It is that of the {of} model."
        )
    f = fits.both.anova().loc["age:Sex"]
    yield mistake("f_for_lr", found | {"LRT": f["F"], "p": f["p"]})
    plain = lm("distance ~ age + Sex", fits.data)
    yield mistake("blocks_ignored", test(plain.llf, fits.no_children.llf))
    lines = compare(lmer(f"distance ~ age + Sex + {LINES}", fits.data), fits.lines)
    yield mistake(
        "term_extra", test(*lines["loglik"]), says="Both models have random slopes (age|Subject)."
    )
    age = lmer(f"distance ~ age + {INTERCEPTS}", fits.data, reml=False)
    yield mistake(
        "term_missing", test(age.llf, by_ml, 2),
        says="The smaller model lacks Sex, too: this tests two things at once.",
    )  # fmt: skip


@orthodont.question(
    "By which likelihood may models with and without a slope for each child be compared, if their "
    "fixed effects are the same?",
    Word({
        "ML": ("ML only", "maximum likelihood"),
        "REML": ("REML only", "restricted maximum likelihood"),
        "both": ("either", "ML or REML", "REML or ML", "ML and REML", "REML and ML"),
        "neither": ("none",),
    }),
    hints=[
        "Why was REML forbidden in the question before? Is that so here?",
        "REML looks at contrasts in which the fixed effects cancel. What contrasts do two models "
        "with the same X have?",
        "Lesson 5, 'Is the random effect of tablets needed? May you compare REML likelihoods?', "
        "answers this for ten tablets; mt.compare(small, large) takes such models, too.",
    ],
)  # fmt: skip
def compare_slopes_by(fits: Fits) -> Iterator[Way]:
    yield right(
        "both", says="The same X gives the same contrasts; REML is then the better of the two."
    )
    yield mistake("reml_refused", "ML", says="What do these two models differ in?")
    yield mistake("wrong_choice", "REML", says="ML compares any two nested models of one y.")
    yield mistake("wrong_choice", "neither", says="The smaller model is nested in the larger one.")


# -- decide ----------------------------------------------------------------------------------------


@orthodont.question(
    "The formula of a model in which each child has a line of its own, and boys and girls may grow "
    "at different rates",
    FormulaText(),
    hints=[
        "A line has an intercept and a slope; those of a child deviate from those of its sex.",
        "Fixed: a mean line for boys and one for girls, different in both. Random: an intercept "
        "and a slope for each child, which may go together.",
        "Lesson 1, 'Why mixed models?' (reason 6), and the glossary, 'random intercept, random "
        "slope': (x|g) in mt.lmer gives each group g a random intercept and a random slope of x; "
        "a*b holds a, b and their interaction.",
    ],
)
def growth_formula(fits: Fits) -> Iterator[Way]:
    def parts(text: str) -> Parts:
        return formula_parts(f"distance ~ {text}")

    yield right(parts(f"age*Sex + {LINES}"))
    yield mistake("slope_missing", parts(f"age*Sex + {INTERCEPTS}"))
    for text in ("age*Sex", "age + Sex", "age"):
        yield mistake("blocks_ignored", parts(text))
    yield mistake(
        "interaction_missing", parts(f"age + Sex + {LINES}"),
        says="Boys and girls have the same mean slope in it.",
    )  # fmt: skip
    yield mistake(
        "interaction_missing", parts(f"age + Sex + {INTERCEPTS}"),
        says="Besides, children differ in their slopes: a random intercept is not enough.",
    )  # fmt: skip
    yield mistake(
        "interaction_missing", parts("age + Sex + (age||Subject)"),
        says="Besides, a child's intercept and slope are taken for uncorrelated.",
    )  # fmt: skip
    for bars in (LINES, INTERCEPTS, "(age||Subject)"):
        yield mistake("term_missing", parts(f"age + {bars}"), says="Sex is missing.")
    for fixed in ("Sex", "1"):
        for bars in (LINES, INTERCEPTS):
            yield mistake(
                "term_missing", parts(f"{fixed} + {bars}"), says="The mean lines need age."
            )
    for fixed in ("age:Sex", "age + age:Sex"):
        yield mistake(
            "term_missing", parts(f"{fixed} + {LINES}"),
            says="Without Sex itself the mean lines meet at age 0.",
        )  # fmt: skip
    yield mistake(
        "term_missing", parts("age*Sex + (0 + age|Subject)"),
        says="Children differ in their level, too; (age|Subject) has the intercept by itself.",
    )  # fmt: skip
    yield mistake("term_missing", parts("age + Sex + (0 + age|Subject)"),
                  says="A random intercept, and the interaction, are missing.")  # fmt: skip
    yield mistake(
        "uncorrelated", parts("age*Sex + (age||Subject)"),
        says="At age 0, far outside the data, they cannot be taken for unrelated.",
    )  # fmt: skip
    for text in ("age*Sex + Subject", "age*Sex + age*Subject", "age*Sex*Subject",
                 "age*Subject", "age + Sex + Subject", "age + Subject"):  # fmt: skip
        yield mistake("blocks_fixed", parts(text))
    for bars in (
        "(age|Sex/Subject)",
        "(1|Sex/Subject)",
        f"{LINES} + (1|Sex)",
        f"{INTERCEPTS} + (1|Sex)",
    ):
        yield mistake(
            "term_extra", parts(f"age*Sex + {bars}"),
            says="Sex is a fixed effect: boys and girls are not drawn from many sexes.",
        )  # fmt: skip
    yield mistake(
        "term_extra", parts(f"age*Sex + {LINES} + {INTERCEPTS}"),
        says="(age|Subject) has the intercept by itself: (1|Subject) is in it twice.",
    )  # fmt: skip
    for bars in ("(age*Sex|Subject)", "(Sex|Subject)", "(age + Sex|Subject)"):
        yield mistake(
            "term_extra", parts(f"age*Sex + {bars}"),
            says="A child is a boy or a girl: Sex does not differ within a child.",
        )  # fmt: skip
    for bars in ("(Subject|age)", "(1|age)"):
        yield mistake(
            "roles_exchanged", parts(f"age*Sex + {bars}"),
            says="At the right of the bar stands what is random: the children.",
        )  # fmt: skip
    for bars in (LINES, INTERCEPTS, "(C(age)|Subject)"):
        yield mistake(
            "factor_for_covariate", parts(f"C(age)*Sex + {bars}"),
            says="A line needs age as a number.",
        )  # fmt: skip


def _summary(fits: Fits) -> str:
    """Return a model answer for these data."""
    table = fits.lines.coefficients()
    boys, tilt = table.loc["age", "estimate"], table.loc["age:Sex[Female]"]
    low, high = sorted((-tilt["lower"], -tilt["upper"]))
    test = compare(fits.parallel.by_ml(), fits.by_ml).iloc[-1]
    more = "is more than chance explains" if tilt["p"] < ALPHA else "may be chance"
    return (
        f"Between 8 and 14 years the distance grew by {boys:.2f} mm a year in the boys and by "
        f"{boys + tilt['estimate']:.2f} mm a year in the girls, on average. The difference of the "
        f"mean slopes, {-tilt['estimate']:.2f} mm a year, {more} (95% CI {low:.2f} to {high:.2f}, "
        "with a line for each child, by REML); the lines of single boys and girls overlap. The "
        f"models with one slope and with two were compared by ML (LRT = {test['LRT']:.2f}, 1 df, "
        f"{p_value(test['p'])}, random intercepts), because their fixed effects differ. The "
        "estimates are by REML: ML takes the fixed effects for known, so that its variances and "
        "its standard errors are too small."
    )


orthodont.sentences(
    "conclusion",
    "For an orthodontist: how boys and girls grow, how sure that is, and which likelihood was "
    "used for what",
    Sentences(
        (
            "gives both slopes, or a slope and the difference, in mm a year (1 point)",
            "says whether the mean slopes differ more than chance explains, with a test or an "
            "interval, and does not claim it of every boy and girl (1 point)",
            "names the method: models with different fixed effects compared by ML, variances and "
            "standard errors by REML, because ML's variances are too small (1 point)",
        ),
        least=12,
    ),
    hints=[
        "Three things: the two slopes with their unit, the test, the likelihoods.",
        "Why are ML's variances too small? What does ML take for known?",
        "Lesson 5, 'Why ML finds too little variance' and 'Say it in words': a report of this "
        "kind; m.coefficients() and mt.compare have its numbers.",
    ],
    model=_summary,
)
