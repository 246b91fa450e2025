"""Exercise 8: what readings of one child share: correlation, lines of their own, unequal variances.

The children are those of exercise 5; the questions there are about ML, REML and matrices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np
import pandas as pd

from mixedteach.checks.kinds import ByLevel, Numbers, Parts, Picture, Sentences, line_parts
from mixedteach.checks.question import Exercise, Way, mistake, right
from mixedteach.checks.words import ALPHA, p_value
from mixedteach.classical import LinearModel, lm
from mixedteach.datasets import load_orthodont
from mixedteach.fitting.residual.correlation import AR1, CAR1, Unstructured
from mixedteach.fitting.residual.variance import UnequalVariances
from mixedteach.general import GeneralModel, gls
from mixedteach.model import MixedModel, lmer

FIXED = "distance ~ age*Sex"
PARALLEL = "distance ~ age + Sex"
INTERCEPTS = "(1|Subject)"
LINES = "(age|Subject)"
AGES = (8, 10, 12, 14)
SLOPES = "age:Sex[Female]"


class Fits:
    """The models of the exercise, all by REML, each fitted when it is first asked for."""

    def __init__(self, children: pd.DataFrame) -> None:
        self.data = children

    @cached_property
    def independent(self) -> LinearModel:
        """All readings independent."""
        return lm(FIXED, self.data)

    @cached_property
    def intercept(self) -> MixedModel:
        """Every child has a level of its own."""
        return lmer(f"{FIXED} + {INTERCEPTS}", self.data)

    @cached_property
    def line(self) -> MixedModel:
        """Every child has a line of its own."""
        return lmer(f"{FIXED} + {LINES}", self.data)

    @cached_property
    def centred(self) -> MixedModel:
        """The same, with age counted from 11."""
        return self.line_from(11)

    @cached_property
    def ar1(self) -> GeneralModel:
        """Neighbouring readings are alike; children have no level of their own."""
        return gls(FIXED, self.data, correlation=AR1("age", by="Subject"))

    @cached_property
    def intercept_ar1(self) -> GeneralModel:
        """Both: a level, and neighbours that are more (or less) alike."""
        return lmer(
            f"{FIXED} + {INTERCEPTS}", self.data, correlation=AR1("age", by="Subject")
        )  # fmt: skip

    @cached_property
    def unstructured(self) -> GeneralModel:
        """Six correlations, one for each pair of ages."""
        return gls(FIXED, self.data, correlation=Unstructured("age", by="Subject"))

    @cached_property
    def by_sex(self) -> GeneralModel:
        """A level for each child, and a residual variance for each sex."""
        return self.with_sd_by_sex(FIXED)

    @property
    def structures(self) -> dict[str, MixedModel]:
        """The structures that question 7 compares."""
        return {
            "intercept": self.intercept,
            "line": self.line,
            "AR1": self.ar1,
            "intercept and AR1": self.intercept_ar1,
            "unstructured": self.unstructured,
            "sd by Sex": self.by_sex,
        }

    def line_from(self, start: int) -> MixedModel:
        """Return the model with a line for each child, age counted from `start`."""
        data = self.data.assign(age=self.data["age"] - start)
        return lmer(f"{FIXED} + {LINES}", data)

    def with_sd_by_sex(self, fixed: str, random: str = INTERCEPTS) -> GeneralModel:
        """Return a model with a residual variance for each sex."""
        return lmer(f"{fixed} + {random}", self.data, variance=UnequalVariances("Sex"))


def simulate(orthodont: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return other children, to half a millimetre as the original.

    Girls vary less around their lines, as in the original; neighbouring residuals are a little
    alike or unlike. The girls are then tilted so that their slope differs from the boys' about as
    clearly as in the original, for a p near zero would be the same number by every method.
    """
    sex = (orthodont["Sex"] == "Female").to_numpy(float)
    child = orthodont["Subject"].cat.codes.to_numpy()
    age = orthodont["age"].to_numpy(float)
    model = Fits(orthodont).by_sex
    while True:
        between = np.sqrt(model.variance_components["variance"].iloc[0]) * rng.uniform(0.85, 1.3)
        level = rng.normal(0, between, child.max() + 1)[child]
        slope = rng.normal(0, rng.uniform(0.14, 0.28), child.max() + 1)[child]
        phi = rng.uniform(-0.35, 0.3)
        near = phi ** np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
        noise = rng.multivariate_normal(np.zeros(4), near, child.max() + 1)
        visit = np.searchsorted(AGES, age)
        sd = np.where(sex == 1, 0.9, 1.6) * rng.uniform(0.85, 1.2)
        values = model.predict(random=False).to_numpy() + level + slope * (age - 11)
        values = values + sd * noise[child, visit] + rng.normal(0, 0.3)
        other = orthodont.assign(distance=values)
        row = Fits(other).by_sex.coefficients().loc[SLOPES]
        tilt = -rng.uniform(2.1, 2.5) * row["SE"] - row["estimate"]
        other["distance"] = (2 * (values + tilt * sex * (age - 11))).round() / 2
        other.attrs.update(orthodont.attrs)
        aic = {name: m.aic for name, m in Fits(other).structures.items()}
        if min(aic, key=lambda name: aic[name]) == "sd by Sex":
            return other


growth = Exercise(
    "growth",
    lesson="08_covariance_structures",
    data=load_orthodont,
    work=Fits,
    simulate=simulate,
)

# -- what two readings of one child share ----------------------------------------------------------


def _variances(m: MixedModel) -> tuple[float, float]:
    between, within = m.variance_components["variance"].iloc[[0, -1]]
    return float(between), float(within)


def _raw(data: pd.DataFrame) -> pd.DataFrame:
    """Return the correlations of the readings themselves, age with age."""
    return data.pivot(index="Subject", columns="age", values="distance").corr()


@growth.question(
    "What distance ~ age*Sex + (1|Subject) implies, by REML: the standard deviation of one reading "
    "around the mean of its age and sex, and the correlation of two readings of one child",
    Numbers({"sd": 0.0051, "correlation": 0.0011}),
    hints=[
        "What do two readings of one child share, and what has each for itself?",
        "A reading has both variances. The covariance of two readings is the variance between "
        "children; divide it by the variance of a reading.",
        "Lesson 8, 'What the data show, and what each structure says' (compound symmetry); "
        "m.variance_components has the variances, m.icc the share.",
    ],
)
def one_child(fits: Fits) -> Iterator[Way]:
    def parts(m: MixedModel) -> Parts:
        between, within = _variances(m)
        return {"sd": np.sqrt(between + within), "correlation": between / (between + within)}

    between, within = _variances(fits.intercept)
    found = parts(fits.intercept)
    yield right(
        found,
        says="The correlation is the same for 8 and 10 years as for 8 and 14: compound symmetry.",
    )
    yield mistake("ml_for_reml", parts(fits.intercept.by_ml()))
    yield mistake("variance_for_sd", found | {"sd": between + within})
    yield mistake("within_only", found | {"sd": np.sqrt(within)}, says="(As a standard deviation.)")
    yield mistake(
        "between_only", found | {"sd": np.sqrt(between)}, says="(As a standard deviation.)"
    )
    sds = np.sqrt([between, within])
    yield mistake(
        "sd_for_variance", found | {"sd": sds.sum()},
        says="Variances add up, standard deviations do not.",
    )  # fmt: skip
    yield mistake("raw_sd", found | {"sd": fits.data["distance"].std()})
    yield mistake("part_to_part", found | {"correlation": between / within})
    yield mistake(
        "within_only", found | {"correlation": within / (between + within)},
        says="(As a share of the whole.)",
    )  # fmt: skip
    yield mistake("covariance_for_correlation", found | {"correlation": between})
    yield mistake(
        "sd_for_variance", found | {"correlation": sds[0] / sds.sum()},
        says="Standard deviations do not add up.",
    )  # fmt: skip
    yield mistake(
        "sd_for_variance", found | {"correlation": np.sqrt(found["correlation"])},
        says="A correlation of two readings is the share itself, not its root.",
    )  # fmt: skip
    for fixed, lost in (("age", "Sex is missing."), ("Sex", "Age is missing.")):
        fit = lmer(f"distance ~ {fixed} + {INTERCEPTS}", fits.data)
        yield mistake("term_missing", parts(fit), says=lost)


# -- intercepts and slopes -------------------------------------------------------------------------

_ROWS, _COLUMNS = ("estimates", "children"), ("age", "centred")


def _of_estimates(m: MixedModel | LinearModel, part: str = "corr") -> float:
    cov = m.cov_params().to_numpy()
    return cov[0, 1] / (np.sqrt(cov[0, 0] * cov[1, 1]) if part == "corr" else 1.0)


def _of_children(m: MixedModel, part: str = "corr") -> float:
    (first, second), covariance = (
        m.variance_components["variance"].iloc[:2],
        (m.variance_components["variance"].iloc[2]),
    )
    return covariance / (np.sqrt(first * second) if part == "corr" else 1.0)


def _four(line: MixedModel, centred: MixedModel, part: str = "corr") -> Parts:
    pairs = {"age": line, "centred": centred}
    return {
        **{f"estimates, {name}": _of_estimates(m, part) for name, m in pairs.items()},
        **{f"children, {name}": _of_children(m, part) for name, m in pairs.items()},
    }


@growth.question(
    "In distance ~ age*Sex + (age|Subject) by REML, with age and with age - 11: the correlation of "
    "the estimates of intercept and slope (boys), and that of the children's own ones",
    ByLevel((_ROWS, _COLUMNS), {"corr": 0.0011}),
    hints=[
        "Two different things: how two estimates would go together in new studies, and how "
        "intercept and slope go together from child to child.",
        "Draw a line through a cloud of points far from zero, and turn it: what happens to its "
        "height at zero? And if zero lies in the middle of the points?",
        "Lesson 8, 'Why do intercept and slope go together?' and 'Move the zero': "
        "m.cov_params() has covariances of estimates, m.variance_components (column corr) those "
        "of the children.",
    ],
)
def centring(fits: Fits) -> Iterator[Way]:
    line, centred = fits.line, fits.centred
    found = _four(line, centred)
    yield right(
        found,
        says="At age 0, far from the data, a steeper line starts lower. That says something about "
        "where zero is, not about children; the fit is the same.",
    )
    yield mistake(
        "estimates_for_effects",
        {f"{row}, {c}": found[f"{other}, {c}"]
         for row, other in zip(_ROWS, _ROWS[::-1], strict=True) for c in _COLUMNS},
        says="The two rows are exchanged.",
    )  # fmt: skip
    yield mistake(
        "estimates_for_effects",
        found | {f"children, {c}": found[f"estimates, {c}"] for c in _COLUMNS},
        says="Both rows are of estimates.",
    )
    yield mistake(
        "estimates_for_effects",
        found | {f"estimates, {c}": found[f"children, {c}"] for c in _COLUMNS},
        says="Both rows are of children.",
    )
    yield mistake(
        "adjacent_cell",
        {f"{row}, {c}": found[f"{row}, {other}"]
         for row in _ROWS for c, other in zip(_COLUMNS, _COLUMNS[::-1], strict=True)},
        says="age and age - 11 are exchanged.",
    )  # fmt: skip
    covariances = _four(line, centred, "covariance")
    yield mistake("covariance_for_correlation", covariances)
    for row in _ROWS:
        part = {name: value for name, value in covariances.items() if name.startswith(row)}
        yield mistake("covariance_for_correlation", found | part, says=f"(In the row {row}.)")
    yield mistake("ml_for_reml", _four(line.by_ml(), centred.by_ml()))
    shifted = {"age": fits.data, "centred": fits.data.assign(age=fits.data["age"] - 11)}
    plain = {f"estimates, {c}": _of_estimates(lm(FIXED, d)) for c, d in shifted.items()}
    yield mistake("blocks_ignored", found | plain, says="The estimates are those of mt.lm.")
    only = {f"estimates, {c}": _of_estimates(lmer(f"{FIXED} + {INTERCEPTS}", d))
            for c, d in shifted.items()}  # fmt: skip
    yield mistake("slope_missing", found | only, says="The estimates are those of (1|Subject).")
    at_8 = fits.line_from(8)
    yield mistake("wrong_centre", _four(line, at_8), says="Zero is at age 8 here.")
    predicted = {
        f"children, {c}": m.random_effects["Subject"].corr().iloc[0, 1]
        for c, m in (("age", line), ("centred", centred))
    }
    yield mistake("predictions_for_effects", found | predicted)
    own = fits.data.groupby("Subject", observed=True)[["age", "distance"]].apply(
        lambda d: pd.Series(np.polyfit(d["age"], d["distance"], 1)[::-1])
    )
    lines = {"age": own, "centred": own.assign(**{"0": own[0] + 11 * own[1]})[["0", 1]]}
    yield mistake(
        "not_shrunk",
        found | {f"children, {c}": o.corr().iloc[0, 1] for c, o in lines.items()},
        says="The lines fitted to each child alone also differ by their errors, which are "
        "correlated.",
    )


# -- tests of the structure ------------------------------------------------------------------------


def _chi2(lrt: float, df: float) -> float:
    from scipy import stats

    return float(stats.chi2.sf(lrt, df))


def _line_test(small: float, large: float, df: int = 2) -> Parts:
    lrt = 2 * (large - small)
    mixture = (_chi2(lrt, df) + (_chi2(lrt, df - 1) if df > 1 else 0.0)) / 2
    return {"LRT": lrt, "df": df, "p": _chi2(lrt, df), "p_mixture": mixture}


@growth.question(
    "Do children differ in their slopes? The likelihood ratio test of (age|Subject) against "
    "(1|Subject), both with age*Sex and by REML: LRT, df, the p of chi-squared with these df, and "
    "p_mixture, that of the mean of chi-squared with 1 and with 2 df",
    Numbers({"LRT": 0.0051, "df": 0.05, "p": 0.00051, "p_mixture": 0.00051}),
    hints=[
        "Both models have the same fixed effects, so REML likelihoods may be compared. What does "
        "the larger one estimate in addition?",
        "A slope brings a variance and a covariance. If there is no slope, its variance is at the "
        "end of its range: half of the time the test has 1 df only, hence the mean of two p.",
        "Lesson 8, 'Read the table': mt.compare(small, large), or m.ranova() of the larger; "
        "scipy.stats.chi2.sf(LRT, df) is the p of a chi-squared.",
    ],
)  # fmt: skip
def line_test(fits: Fits) -> Iterator[Way]:
    small, large = fits.intercept, fits.line
    found = _line_test(small.llf, large.llf)
    lrt, p = found["LRT"], found["p"]
    yield right(found, says="The plain p is on the large side; the mean of the two is not.")
    yield mistake("ml_for_reml", _line_test(small.by_ml().llf, large.by_ml().llf))
    yield mistake("boundary_ignored", found | {"p_mixture": p})
    yield mistake(
        "halved_p", found | {"p_mixture": p / 2},
        says="Here a covariance is tested as well: take the mean of the p with 1 and with 2 df.",
    )  # fmt: skip
    yield mistake("adjacent_cell", found | {"p": found["p_mixture"], "p_mixture": p},
                  says="p and p_mixture are exchanged.")  # fmt: skip
    yield mistake(
        "wrong_count", _line_test(small.llf, large.llf, 1),
        says="Beside its variance the slope has a covariance with the intercept.",
    )  # fmt: skip
    yield mistake("wrong_count", found | {"df": 1})
    diagonal = lmer(f"{FIXED} + (age||Subject)", fits.data)
    yield mistake("uncorrelated", _line_test(small.llf, diagonal.llf, 1))
    yield mistake("loglik_for_lr", found | {"LRT": lrt / 2})
    yield mistake("loglik_for_lr", _line_test(small.llf / 2, large.llf / 2))
    yield mistake("sign_turned", found | {"LRT": -lrt}, says="The larger model gains.")
    for of, count in (("smaller", 6), ("larger", 8)):
        yield mistake(
            "parameters_for_df", found | {"df": count}, says=f"It is that of the {of} model."
        )
    parallel = lmer(f"{PARALLEL} + {INTERCEPTS}", fits.data)
    yield mistake(
        "reml_compared", _line_test(parallel.llf, large.llf, 3),
        says="The smaller model lacks age:Sex.",
    )  # fmt: skip
    yield mistake(
        "interaction_missing",
        _line_test(parallel.llf, lmer(f"{PARALLEL} + {LINES}", fits.data).llf),
        says="Both models lack age:Sex.",
    )
    alone = gls(FIXED, fits.data)
    yield mistake(
        "term_missing", _line_test(alone.llf, large.llf, 3),
        says="The smaller model has no random intercept: this tests two things at once.",
    )  # fmt: skip


def _phi(m: GeneralModel, level: float = 0.95) -> Parts:
    row = m.conf_int("residual", level).loc["phi"]
    return {"phi": row["estimate"], "lower": row["lower"], "upper": row["upper"]}


@growth.question(
    "The correlation phi of neighbouring visits in distance ~ age*Sex + (1|Subject) with AR(1) "
    "residuals, by REML, and its 95% Wald interval",
    # nlme's limits are a little wider, for it differentiates coarsely: they are right, too
    Numbers({"phi": 0.0011, "lower": 0.0131, "upper": 0.0131}),
    hints=[
        "The random intercept stays. phi says what neighbouring residuals share beyond it.",
        "correlation=mt.AR1(time, by=group) is an argument of mt.lmer; it counts visits, and "
        "phi may be negative.",
        "Lesson 8, 'Fit 2: correlation in the residuals': m.residual_parameters shows phi with its "
        "Wald interval (m.conf_int('profile') has another). In R, intervals() of nlme.",
    ],
)
def autocorrelation(fits: Fits) -> Iterator[Way]:
    m = fits.intercept_ar1
    found = _phi(m)
    yield right(found, says="Look whether 0 lies within: is there anything left for phi to do?")
    yield mistake(
        "sign_turned",
        {"phi": -found["phi"], "lower": -found["upper"], "upper": -found["lower"]},
        says="Residuals may also be unlike their neighbours.",
    )
    yield mistake("ml_for_reml", _phi(m.by_ml()))
    yield mistake(
        "term_missing", _phi(fits.ar1),
        says="Without the random intercept, phi stands for all that readings of a child share.",
    )  # fmt: skip
    by_years = lmer(
        f"{FIXED} + {INTERCEPTS}", fits.data, correlation=CAR1("age", by="Subject")
    ).residual_parameters.loc["phi", "estimate"]
    yield mistake(
        "other_structure", found | {"phi": by_years},
        says="CAR(1) counts years, and knows no negative phi.",
    )  # fmt: skip
    yield mistake("plus_minus_se", _phi(m, level=0.6827))
    parallel = lmer(
        f"{PARALLEL} + {INTERCEPTS}", fits.data, correlation=AR1("age", by="Subject")
    )  # fmt: skip
    yield mistake("interaction_missing", _phi(parallel))
    both = lmer(
        f"{FIXED} + {INTERCEPTS}", fits.data, correlation=AR1("age", by="Subject"),
        variance=UnequalVariances("Sex"),
    )  # fmt: skip
    yield mistake("term_extra", _phi(both), says="Its residual variances differ by Sex, too.")


def _ratio(m: GeneralModel) -> float:
    return float(m.residual_sd["Female"] / m.residual_sd["Male"])


@growth.question(
    "Residual standard deviation of girls divided by that of boys, in distance ~ age*Sex + "
    "(1|Subject) with unequal variances by Sex, by REML; LRT and df against equal variances",
    Numbers({"ratio": 0.00051, "LRT": 0.0051, "df": 0.05}),
    hints=[
        "One model has a residual variance for each sex, the other one for both.",
        "variance=mt.UnequalVariances('Sex') is an argument of mt.lmer. How many parameters does "
        "it add to the one sigma?",
        "Lesson 8, 'Fit 3: unequal variances': m.residual_sd has the two standard deviations, "
        "mt.compare(equal, unequal) the test. In R, varIdent(form = ~1|Sex); look which sex "
        "it takes as 1.",
    ],
)
def sd_ratio(fits: Fits) -> Iterator[Way]:
    m, equal = fits.by_sex, fits.intercept

    def parts(of: GeneralModel, smaller: float) -> Parts:
        return {"ratio": _ratio(of), "LRT": 2 * (of.llf - smaller), "df": 1}

    found = parts(m, equal.llf)
    yield right(
        found,
        says="No variance is at the end of its range here: equal variances mean a ratio of 1, so "
        "chi-squared with 1 df is right.",
    )
    yield mistake("ratio_inverted", found | {"ratio": 1 / found["ratio"]})
    yield mistake(
        "variance_for_sd", found | {"ratio": found["ratio"] ** 2},
        says="It is the ratio of the variances.",
    )  # fmt: skip
    for who, level in (("girls", "Female"), ("boys", "Male")):
        yield mistake(
            "adjacent_cell", found | {"ratio": m.residual_sd[level]},
            says=f"This is the standard deviation of the {who}.",
        )  # fmt: skip
    yield mistake("ml_for_reml", parts(m.by_ml(), equal.by_ml().llf))
    yield mistake("loglik_for_lr", found | {"LRT": found["LRT"] / 2})
    yield mistake("sign_turned", found | {"LRT": -found["LRT"]}, says="The larger model gains.")
    yield mistake(
        "wrong_count", found | {"df": 2},
        says="There are two variances, but one is in the smaller model, too.",
    )  # fmt: skip
    for of, count in (("smaller", 6), ("larger", 7)):
        yield mistake(
            "parameters_for_df", found | {"df": count}, says=f"It is that of the {of} model."
        )
    alone = gls(FIXED, fits.data, variance=UnequalVariances("Sex"))
    yield mistake(
        "blocks_ignored", parts(alone, gls(FIXED, fits.data).llf),
        says="The random intercept is missing.",
    )  # fmt: skip
    parallel = lmer(f"{PARALLEL} + {INTERCEPTS}", fits.data)
    yield mistake("interaction_missing", parts(fits.with_sd_by_sex(PARALLEL), parallel.llf))
    yield mistake(
        "reml_compared",
        parts(m, parallel.llf),
        says="The model with equal variances lacks age:Sex.",
    )
    yield mistake(
        "term_extra", parts(fits.with_sd_by_sex(FIXED, LINES), fits.line.llf),
        says="Both models have random slopes here.",
    )  # fmt: skip
    sds = fits.data.groupby("Sex", observed=True)["distance"].std()
    yield mistake(
        "raw_sd", found | {"ratio": sds["Female"] / sds["Male"]},
        says="How children vary among each other, and with age, is in it, too.",
    )  # fmt: skip


# -- structures compared ---------------------------------------------------------------------------


def _covariances(m: MixedModel) -> np.ndarray:
    """Return V of the first child's four readings, in the order of age."""
    return np.asarray(m.matrices().V)[:4, :4]


def _correlations(m: MixedModel) -> np.ndarray:
    V = _covariances(m)
    sd = np.sqrt(np.diag(V))
    return V / np.outer(sd, sd)


SHOWN = ("intercept", "line", "AR1", "unstructured")


@growth.question(
    "The correlation of the reading at 8 years with those at 10, 12 and 14 under four structures: "
    "random intercept, random line, AR(1) alone, unstructured",
    Picture(4, 3, decimals=0.0021),
    hints=[
        "Age is along the axis: 10, 12, 14. Each structure is one line of three points.",
        "A structure is a matrix V of one child's readings; a correlation is an entry of it over "
        "both standard deviations. The first row is what is asked.",
        "Lesson 8, 'The same in two pictures' and 'What the fan says of two readings': "
        "m.matrices().V holds V, the first four rows and columns are one child's.",
    ],
)
def correlations(fits: Fits) -> Iterator[Way]:
    of = {name: _correlations(fits.structures[name]) for name in SHOWN}
    first = {name: matrix[0, 1:] for name, matrix in of.items()}
    yield right(
        line_parts(first.values()),
        says="A random intercept knows no distance; AR(1) alone forgets quickly.",
    )
    yield mistake(
        "covariance_for_correlation",
        line_parts(_covariances(fits.structures[name])[0, 1:] for name in SHOWN),
    )
    yield mistake(
        "axes_exchanged", line_parts(np.transpose(list(first.values()))),
        says="Age should be along the axis, and a line for each structure.",
    )  # fmt: skip
    yield mistake(
        "wrong_row", line_parts(matrix[3, :3] for matrix in of.values()),
        says="These are correlations with the reading at 14 years.",
    )  # fmt: skip
    yield mistake(
        "wrong_row", line_parts(np.diag(matrix, 1) for matrix in of.values()),
        says="These are correlations of neighbours: 8 with 10, 10 with 12, 12 with 14.",
    )  # fmt: skip
    yield mistake(
        "ml_for_reml",
        line_parts(_correlations(fits.structures[name].by_ml())[0, 1:] for name in SHOWN),
    )
    phi = first["AR1"][0]
    yield mistake(
        "wrong_lag", line_parts((first | {"AR1": phi ** np.array([2, 4, 6])}).values()),
    )  # fmt: skip
    both = _correlations(fits.intercept_ar1)[0, 1:]
    yield mistake(
        "term_extra", line_parts((first | {"AR1": both}).values()),
        says="AR(1) has a random intercept beside it here; alone it is asked.",
    )  # fmt: skip
    yield mistake(
        "raw_correlation",
        line_parts((first | {"unstructured": _raw(fits.data).to_numpy()[0, 1:]}).values()),
        says="In place of the unstructured ones.",
    )


def _criteria(models: Mapping[str, MixedModel], name: str) -> Parts:
    return {structure: float(getattr(m, name)) for structure, m in models.items()}


STRUCTURES = ("intercept", "line", "AR1", "intercept and AR1", "unstructured", "sd by Sex")


@growth.question(
    "AIC of six structures, all with the fixed effects age*Sex and by REML",
    ByLevel(STRUCTURES, {"AIC": 0.0051}),
    hints=[
        "Six fits of the same readings, with the same fixed effects. Two have no random effect: "
        "mt.gls.",
        "AIC is -2 log-likelihood plus two for each parameter: it may be compared by REML only "
        "while the fixed effects are the same.",
        "Lesson 8, 'Read the table' and 'Choosing honestly': correlation= and variance= are "
        "arguments of mt.lmer and mt.gls; a fit has m.aic.",
    ],
)
def aic(fits: Fits) -> Iterator[Way]:
    models = fits.structures
    found = _criteria(models, "aic")
    yield right(
        found,
        says="The smallest AIC is the one to choose; a difference below 2 is none to speak of. "
        "(The list was fixed before; who tries a hundred structures will find a good AIC.)",
    )
    by_ml = {name: m.by_ml() for name, m in models.items()}
    yield mistake("ml_for_reml", _criteria(by_ml, "aic"), says="These AIC are by ML.")
    yield mistake("bic_for_aic", _criteria(models, "bic"))
    rest = len(fits.data) - 4
    nlme = {name: -2 * m.llf + m.npar * np.log(rest) for name, m in models.items()}
    yield mistake("bic_for_aic", nlme, says="(As nlme counts it.)")
    loglik = _criteria(models, "llf")
    yield mistake("loglik_for_aic", loglik)
    yield mistake("deviance_for_aic", {name: -2 * value for name, value in loglik.items()})
    covariance = {name: -2 * m.llf + 2 * (m.npar - 4) for name, m in models.items()}
    yield mistake(
        "other_count", covariance,
        says="Only variances and correlations were counted; that gives the same differences, but "
        "not the AIC that m.aic and nlme print.",
    )  # fmt: skip
    extra = lmer(
        f"{FIXED} + {LINES}", fits.data, variance=UnequalVariances("Sex")
    )  # fmt: skip
    yield mistake(
        "term_extra", found | {"sd by Sex": extra.aic},
        says="'sd by Sex' has a random intercept, not a random line.",
    )  # fmt: skip
    alone = gls(FIXED, fits.data, variance=UnequalVariances("Sex"))
    yield mistake(
        "term_missing", found | {"sd by Sex": alone.aic},
        says="'sd by Sex' has a random intercept, too.",
    )  # fmt: skip
    parallel = {
        "intercept": lmer(f"{PARALLEL} + {INTERCEPTS}", fits.data),
        "line": lmer(f"{PARALLEL} + {LINES}", fits.data),
        "AR1": gls(PARALLEL, fits.data, correlation=AR1("age", by="Subject")),
        "intercept and AR1": lmer(
            f"{PARALLEL} + {INTERCEPTS}", fits.data, correlation=AR1("age", by="Subject")
        ),
        "unstructured": gls(PARALLEL, fits.data, correlation=Unstructured("age", by="Subject")),
        "sd by Sex": fits.with_sd_by_sex(PARALLEL),
    }
    yield mistake("interaction_missing", _criteria(parallel, "aic"))
    yield mistake(
        "adjacent_cell",
        found | {"AR1": found["intercept and AR1"], "intercept and AR1": found["AR1"]},
        says="'AR1' has no random effect, 'intercept and AR1' has one.",
    )


# -- decide ----------------------------------------------------------------------------------------


@growth.question(
    "Do the slopes of boys and girls differ? SE of age:Sex if all readings were independent, and "
    "with the structure of the smallest AIC; with the latter the likelihood ratio test of age:Sex",
    Numbers({"SE_independent": 0.00011, "SE_chosen": 0.00011, "LRT": 0.0051, "p": 0.00011}),
    hints=[
        "Standard errors are by REML. The test compares models with different fixed effects: by "
        "which likelihood?",
        "Leave age:Sex out, keep the structure. Independent readings: mt.lm.",
        "Lesson 8, 'Does it matter? That depends on the question', and lesson 5, 'The classic "
        "mistake: comparing REML likelihoods': mt.compare(small, large) fits again by ML where it "
        "must.",
    ],
)
def slopes_differ(fits: Fits) -> Iterator[Way]:
    structures = fits.structures
    name = min(structures, key=lambda key: structures[key].aic)
    chosen = structures[name]
    assert name == "sd by Sex"  # the mistakes below are made with this one
    without = fits.with_sd_by_sex(PARALLEL)

    def se(m: MixedModel | LinearModel, term: str = SLOPES) -> float:
        return float(m.coefficients().loc[term, "SE"])

    def test(small: float, large: float) -> Parts:
        lrt = 2 * (large - small)
        return {"LRT": lrt, "p": _chi2(lrt, 1)}

    errors = {"SE_independent": se(fits.independent), "SE_chosen": se(chosen)}
    by_ml = chosen.by_ml()
    found = errors | test(without.by_ml().llf, by_ml.llf)
    yield right(
        found,
        says="Within a child its level cancels in a slope: whoever ignores the children takes the "
        "slopes for less certain than they are.",
    )
    yield mistake("reml_compared", errors | test(without.llf, chosen.llf))
    yield mistake(
        "adjacent_cell",
        found | {"SE_independent": found["SE_chosen"], "SE_chosen": found["SE_independent"]},
        says="The two standard errors are exchanged.",
    )
    yield mistake(
        "ml_for_reml", found | {"SE_chosen": se(by_ml)}, says="Report standard errors by REML."
    )
    equal, small = fits.intercept, lmer(f"{PARALLEL} + {INTERCEPTS}", fits.data)
    yield mistake(
        "other_structure",
        errors | {"SE_chosen": se(equal)} | test(small.by_ml().llf, equal.by_ml().llf),
        says="It has equal variances for boys and girls.",
    )
    slopes, parallel = fits.line, lmer(f"{PARALLEL} + {LINES}", fits.data)
    yield mistake(
        "other_structure",
        errors | {"SE_chosen": se(slopes)} | test(parallel.by_ml().llf, slopes.by_ml().llf),
        says="It is the one with a line for each child.",
    )
    plain = lm(PARALLEL, fits.data)
    yield mistake(
        "blocks_ignored", errors | test(plain.llf, fits.independent.llf),
        says="The test is that of mt.lm.",
    )  # fmt: skip
    row = chosen.coefficients().loc[SLOPES]
    yield mistake("f_for_lr", found | {"LRT": row["t"] ** 2, "p": row["p"]})
    half = found["LRT"] / 2
    yield mistake("loglik_for_lr", found | {"LRT": half, "p": _chi2(half, 1)})
    yield mistake("loglik_for_lr", found | {"LRT": half})
    yield mistake("halved_p", found | {"p": found["p"] / 2}, says="A fixed effect has two sides.")
    yield mistake("sign_turned", found | {"LRT": -found["LRT"]}, says="The larger model gains.")
    yield mistake(
        "variance_for_sd", found | {key: value**2 for key, value in errors.items()},
        says="(Squares of the standard errors.)",
    )  # fmt: skip
    for term, of in (("age", "the boys' slope"), ("Sex[Female]", "the difference at age 0")):
        yield mistake(
            "wrong_row",
            found | {"SE_independent": se(fits.independent, term), "SE_chosen": se(chosen, term)},
            says=f"These standard errors are those of {of}.",
        )


def _summary(fits: Fits) -> str:
    """Return a model answer for these data."""
    m, phi = fits.by_sex, _phi(fits.intercept_ar1)
    row = m.coefficients().loc[SLOPES]
    lrt = 2 * (m.by_ml().llf - fits.with_sd_by_sex(PARALLEL).by_ml().llf)
    shown = phi["lower"] > 0 or phi["upper"] < 0
    found = (
        f"phi = {phi['phi']:.2f}, 95% CI {phi['lower']:.2f} to {phi['upper']:.2f}, beside a random "
        "intercept"
    )
    neighbours = (
        f"An autocorrelation of neighbouring visits was found ({found}), but its AIC is larger."
        if shown
        else f"An autocorrelation of neighbouring visits was not shown ({found}); the interval "
        "leaves room for a moderate one."
    )
    low, high = sorted((-row["lower"], -row["upper"]))
    sure = "" if row["p"] < ALPHA else ", which may be chance"
    return (
        "Six covariance structures, listed in advance, were fitted by REML with the same fixed "
        "effects (age, sex and their interaction) and compared by AIC. We used the one with the "
        "smallest: a random intercept for each child and a residual variance for each sex. Girls "
        f"kept nearer to their lines than boys (residual SD {m.residual_sd['Female']:.2f} against "
        f"{m.residual_sd['Male']:.2f} mm). {neighbours} The girls' distance grew by "
        f"{-row['estimate']:.2f} mm a year less than the boys' (SE {row['SE']:.2f}, 95% CI "
        f"{low:.2f} to {high:.2f}; LRT by ML = {lrt:.2f}, 1 df, {p_value(_chi2(lrt, 1))}){sure}."
    )


growth.sentences(
    "conclusion",
    "For the methods and results of a paper: which structure, why, and what it means for the "
    "difference of the slopes",
    Sentences(
        (
            "names the structure (random intercept, residual variance by Sex) and how it was "
            "chosen: from a list fixed before, by AIC under REML with the same fixed effects "
            "(1 point)",
            "says what it means in words: girls keep nearer to their lines (residual sd), "
            "and whether a further correlation (phi) was shown; not shown is not shown to be zero "
            "(1 point)",
            "gives the difference of the slopes with its unit and an SE or interval, tested by ML "
            "or with t and df (1 point)",
        ),
        least=15,
    ),
    hints=[
        "Three sentences: the structure and why; what it says of boys and girls; the slopes.",
        "An interval for phi that contains 0 does not show that phi is 0.",
        "Lesson 8, 'Say it in words'; m.coefficients() and m.residual_sd have the numbers.",
    ],
    model=_summary,
)
