"""Exercise 1, with lesson 1: reaction times before a week of short nights, and at its end."""

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
from mixedteach.checks.words import count, p_value
from mixedteach.classical import LinearModel, lm
from mixedteach.datasets import load_sleepstudy
from mixedteach.inference.distributions import t_pvalue, t_quantile

DAYS = {2: "day 2", 9: "day 9"}
LIMIT = 60.0  # ms: the increase that question 5 asks about


def load_sleep() -> pd.DataFrame:
    """Return the readings of day 2, the baseline, and of day 9: 18 people, 36 rows."""
    return _two_days(load_sleepstudy(), DAYS)


def _two_days(study: pd.DataFrame, days: dict[int, str]) -> pd.DataFrame:
    rows = study[study["Days"].isin(list(days))].reset_index(drop=True)
    day = pd.Categorical(rows["Days"].map(days), list(days.values()))
    sleep = pd.DataFrame({"Subject": rows["Subject"], "day": day, "Reaction": rows["Reaction"]})
    sleep.attrs = {**study.attrs, "units": {"Subject": "", "day": "", "Reaction": "ms"}}
    return sleep


def simulate(sleep: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return two readings of 18 other people, with variances and a correlation like these.

    The mean change is put one to two standard errors above 60 ms: further away, every p of
    question 5 would be nearly zero, right or wrong.
    """
    wide = Fits(sleep).wide
    drawn = rng.multivariate_normal(wide.mean().to_numpy(), wide.cov().to_numpy(), len(wide))
    change = drawn[:, 1] - drawn[:, 0]
    aim = LIMIT + rng.uniform(1, 2.2) * change.std(ddof=1) / len(wide) ** 0.5
    drawn[:, 1] += aim - change.mean()
    new = pd.DataFrame(drawn.round(4), index=wide.index, columns=wide.columns)
    values = [new.loc[who, day] for who, day in zip(sleep["Subject"], sleep["day"], strict=True)]
    return sleep.assign(Reaction=values)


class Fits:
    """What the answers are computed from."""

    def __init__(self, sleep: pd.DataFrame) -> None:
        self.data = sleep

    @cached_property
    def wide(self) -> pd.DataFrame:
        """One row a person, one column a day."""
        return self.data.pivot(index="Subject", columns="day", values="Reaction")

    @cached_property
    def before(self) -> pd.Series:
        """The readings of the first day."""
        return self.wide.iloc[:, 0]

    @cached_property
    def after(self) -> pd.Series:
        """The readings of the second day."""
        return self.wide.iloc[:, 1]

    @cached_property
    def change(self) -> pd.Series:
        """The difference of each person."""
        return self.after - self.before

    @property
    def pairs(self) -> int:
        """How many people there are."""
        return len(self.wide)

    @cached_property
    def two_sample(self) -> LinearModel:
        """All readings independent."""
        return lm("Reaction ~ day", self.data)

    @property
    def welch_df(self) -> float:
        """The df of two samples with variances of their own (Welch 1947)."""
        a, b = self.before.var() / self.pairs, self.after.var() / self.pairs
        return float((a + b) ** 2 / ((a**2 + b**2) / (self.pairs - 1)))

    @cached_property
    def per_day(self) -> LinearModel:
        """The day as a number."""
        number = self.data["day"].astype(str).str.extract(r"(\d+)")[0].astype(float)
        return lm("Reaction ~ number", self.data.assign(number=number))

    @cached_property
    def study(self) -> pd.DataFrame | None:
        """All ten days, if these are the readings of the real study; a student may take them."""
        study = load_sleepstudy()
        own = _two_days(study, DAYS)["Reaction"].equals(self.data["Reaction"])
        return study if own else None

    @cached_property
    def from_day_0(self) -> Fits | None:
        """The same with day 0 as the baseline."""
        if self.study is None:
            return None
        return Fits(_two_days(self.study, {0: "day 0", 9: "day 9"}))


_SUBJECTS = tuple(load_sleepstudy()["Subject"].cat.categories)

sleep = Exercise(
    "sleep", lesson="01_paired_t_test", data=load_sleep, work=Fits, simulate=simulate
)  # fmt: skip


@sleep.question(
    "The change of each person, day 9 minus day 2.",
    ByLevel(_SUBJECTS, {"difference": 0.0101}),
    hints=[
        "The table is long: the two readings of a person stand in two rows. Which shape has them "
        "side by side?",
        "Give each person a row and each day a column; then one column minus the other is a "
        "number for each person.",
        "Lesson 1, 'The same, long: one row a reading', and 'Fit: one difference a tablet': "
        "data.pivot(index=..., columns=..., values=...) makes the wide table; subtract its "
        "columns.",
    ],
)
def changes(fits: Fits) -> Iterator[Way]:
    def each(values: pd.Series) -> Parts:
        return {str(who): value for who, value in values.items()}

    yield right(each(fits.change))
    yield mistake("sign_turned", each(-fits.change), says="Day 9 minus day 2 is asked.")
    yield mistake(
        "percent", each(100 * fits.change / fits.before), says="The change in ms is asked."
    )
    yield mistake("ratio_for_difference", each(fits.after / fits.before))
    yield mistake("adjacent_cell", each(fits.after), says="These are the readings of day 9.")
    yield mistake("adjacent_cell", each(fits.before), says="These are the readings of day 2.")
    yield mistake(
        "deviation_for_level",
        each(fits.change - fits.change.mean()),
        says="Here the mean change was subtracted, too.",
    )
    if fits.from_day_0 is not None:
        yield mistake(
            "other_levels",
            each(fits.from_day_0.change),
            says="Day 0 was the first day of training; the baseline is day 2.",
        )


@sleep.question(
    "A picture with a line for each person, from day 2 to day 9.",
    Picture(18, 2, 0.0501),
    hints=[
        "Lesson 1 draws its readings before any model. What is joined by a line there?",
        "The two readings of one person are joined: the day differs within a pair, the person "
        "makes the pair.",
        "Lesson 1, 'Look': mt.plot.paired(data, response, within=..., subject=...).",
    ],
)
def lines(fits: Fits) -> Iterator[Way]:
    yield right(line_parts(fits.wide.to_numpy()))
    yield mistake(
        "axes_exchanged",
        line_parts(fits.wide.to_numpy().T),
        says="There is a line for each day here; a line for each person is asked.",
    )
    yield mistake(
        "reference_turned",
        line_parts(fits.wide.to_numpy()[:, ::-1]),
        says="Day 2 belongs on the left.",
    )
    yield mistake("means_only", line_parts([fits.wide.mean()]))
    means = [fits.change.mean()] * 2
    yield mistake("differences_drawn", line_parts([fits.change.sort_values(), means, [0, 0]]))
    if fits.study is not None:
        days = fits.study.pivot(index="Subject", columns="Days", values="Reaction")
        yield mistake(
            "other_levels", line_parts(days.to_numpy()), says="Only days 2 and 9 are asked."
        )


@sleep.question(
    "The mean difference, day 9 minus day 2, its standard error, and the df of its t-test.",
    Numbers({"estimate": 0.0501, "SE": 0.0201, "df": 0.051}),
    hints=[
        "How many independent pieces of information are there about the change: as many as "
        "readings, or fewer?",
        "d_j = mu + e_j: the model holds differences only. SE = sd(d) / sqrt(number of d), and "
        "the mean takes one df.",
        "Lesson 1, 'The paired t-test in one line': mt.paired_t_test(data, response, within=..., "
        "subject=...) has the columns estimate, SE and df.",
    ],
)
def difference(fits: Fits) -> Iterator[Way]:
    d, n = fits.change, fits.pairs
    mean, se, df = d.mean(), d.sem(), n - 1
    two = fits.two_sample
    yield right(estimate=mean, SE=se, df=df)
    yield mistake(
        "unpaired",
        estimate=mean,
        SE=two.bse.iloc[1],
        df=two.df_resid,
        says="It takes the spread between people for noise.",
    )
    yield mistake(
        "unpaired",
        estimate=mean,
        SE=two.bse.iloc[1],
        df=fits.welch_df,
        says="(Welch's test: separate groups with variances of their own.)",
    )
    yield mistake("sign_turned", estimate=-mean, SE=se, df=df, says="Day 9 minus day 2 is asked.")
    yield mistake("sd_for_se", estimate=mean, SE=d.std(), df=df)
    yield mistake(
        "sd_by_n",
        estimate=mean,
        SE=d.std(ddof=0) / n**0.5,
        df=df,
        says="NumPy's std does so by default; that of pandas does not.",
    )
    yield mistake(
        "variance_for_sd",
        estimate=mean,
        SE=d.var() / n,
        df=df,
        says="SE is the root of variance / n.",
    )
    yield mistake(
        "se_of_mean", estimate=mean, SE=fits.after.sem(), df=df, says="It is that of day 9."
    )
    yield mistake(
        "se_of_mean", estimate=mean, SE=fits.before.sem(), df=df, says="It is that of day 2."
    )
    yield mistake(
        "pseudoreplication",
        estimate=mean,
        SE=d.std() / (2 * n) ** 0.5,
        df=2 * n - 1,
        says="Two readings of a person make one difference.",
    )
    yield mistake("residual_df", estimate=mean, SE=se, df=two.df_resid)
    yield mistake("n_for_df", estimate=mean, SE=se, df=n)
    yield mistake(
        "pseudoreplication", estimate=mean, SE=se, df=2 * n - 1, says="These df count all readings."
    )
    slope = {"estimate": fits.per_day.params.iloc[1], "SE": fits.per_day.bse.iloc[1]}
    yield mistake(
        "covariate_for_factor", {**slope, "df": two.df_resid}, says="This is the change per day."
    )
    yield mistake(
        "covariate_for_factor",
        estimate=mean / 7,
        SE=se / 7,
        df=df,
        says="This is the change per day: seven days lie between the two.",
    )
    if fits.study is not None and fits.from_day_0 is not None:
        other = fits.from_day_0.change
        yield mistake(
            "other_levels",
            estimate=other.mean(),
            SE=other.sem(),
            df=df,
            says="Day 0 was the first day of training; the baseline is day 2.",
        )
        straight = lm("Reaction ~ Days", fits.study)
        yield mistake(
            "covariate_for_factor",
            estimate=straight.params.iloc[1],
            SE=straight.bse.iloc[1],
            df=straight.df_resid,
            says="This is the change per day, from all ten days taken for independent readings.",
        )


def _usable(own: Parts) -> tuple[float, float, float]:
    """Return estimate, SE and df as they were answered, if anything follows from them."""
    mean, se, df = own["estimate"], own["SE"], own["df"]
    if not (se > 0 and df > 0):
        raise ValueError("SE and df are larger than 0")
    return mean, se, df


def _interval_around(own: Parts, own_right: Parts, right_here: Parts) -> Parts:
    """Return the interval that follows from the difference as it was answered."""
    mean, se, df = _usable(own)
    width = float(t_quantile(0.975, df)) * se
    return {"lower": mean - width, "upper": mean + width}


def _test_of_limit(own: Parts, own_right: Parts, right_here: Parts) -> Parts:
    """Return the test against 60 ms that follows from the difference as it was answered."""
    mean, se, df = _usable(own)
    return {"p": float(t_pvalue((mean - LIMIT) / se, df)), "df": df}


@sleep.question(
    "The 95% confidence interval of the mean difference, day 9 minus day 2.",
    Numbers({"lower": 0.0501, "upper": 0.0501}),
    hints=[
        "Which standard error, and which quantile of t?",
        "mean ± t * SE, where t belongs to the df of question 3.",
        "Lesson 1, 'The paired t-test in one line': mt.paired_t_test prints the limits as lower "
        "and upper; 'Mean, standard error, t' has them by hand.",
    ],
    follows=FollowOn("difference", compute=_interval_around),
)
def interval(fits: Fits) -> Iterator[Way]:
    d, n = fits.change, fits.pairs
    mean, se = d.mean(), d.sem()

    def around(se: float, times: float, centre: float = mean) -> Parts:
        return {"lower": centre - times * se, "upper": centre + times * se}

    def t(df: float) -> float:
        return float(t_quantile(0.975, df))

    # Left out: mean -+ 2 SE, and t on 18 df: other data than these would not tell them apart.
    two = float(fits.two_sample.bse.iloc[1])
    yield right(around(se, t(n - 1)))
    yield mistake("unpaired", around(two, t(fits.two_sample.df_resid)))
    yield mistake(
        "unpaired",
        around(two, t(fits.welch_df)),
        says="(Welch's test: separate groups with variances of their own.)",
    )
    yield mistake("sign_turned", around(se, t(n - 1), -mean), says="Day 9 minus day 2 is asked.")
    yield mistake(
        "z_for_t",
        around(se, t(np.inf)),
        says="(The interval by 1.96 standard errors is too short.)",
    )
    yield mistake("residual_df", around(se, t(fits.two_sample.df_resid)))
    yield mistake(
        "sd_for_se",
        around(d.std(), t(n - 1)),
        says="So wide a band holds the change of one person; the mean is asked.",
    )
    limits = around(se, t(n - 1))
    yield mistake(
        "adjacent_cell",
        lower=limits["upper"],
        upper=limits["lower"],
        says="lower and upper are exchanged.",
    )
    yield mistake("plus_minus_se", around(se, 1))
    yield mistake(
        "rounded_early",
        around(round(se), t(n - 1), round(mean)),
        says="(Mean and standard error were rounded to whole ms.)",
    )
    yield mistake("interval_90", around(se, float(t_quantile(0.95, n - 1))))
    yield mistake(
        "se_of_mean", around(fits.after.sem(), t(n - 1)), says="It is that of the mean of day 9."
    )
    yield mistake(
        "pseudoreplication",
        around(d.std() / (2 * n) ** 0.5, t(2 * n - 1)),
        says="Two readings of a person make one difference.",
    )
    yield mistake(
        "covariate_for_factor",
        around(se / 7, t(n - 1), mean / 7),
        says="This is the change per day.",
    )
    if fits.from_day_0 is not None:
        other = fits.from_day_0.change
        yield mistake(
            "other_levels",
            around(other.sem(), t(n - 1), other.mean()),
            says="Day 0 was the first day of training; the baseline is day 2.",
        )


@sleep.question(
    "Would a true mean increase of 60 ms agree with the data? The two-sided p, and its df.",
    Numbers({"p": 0.00051, "df": 0.051}),
    hints=[
        "The test of question 3 asks whether mu is 0. What must change so that it asks for 60?",
        "t = (mean - 60) / SE. To check: 60 lies inside the interval of question 4 exactly if "
        "this p is above .05.",
        "Lesson 1, 'The paired t-test in one line': make every reading of day 9 smaller by 60; "
        "mt.paired_t_test, which tests against zero, then tests against 60.",
    ],
    follows=FollowOn("difference", compute=_test_of_limit),
)
def sixty_ms(fits: Fits) -> Iterator[Way]:
    d, n = fits.change, fits.pairs
    se, two = d.sem(), float(fits.two_sample.bse.iloc[1])

    def test(se: float, df: float, limit: float = LIMIT) -> Parts:
        return {"p": float(t_pvalue((d.mean() - limit) / se, df)), "df": df}

    # The turned sign (-mean against 60) and 60 added have a p as small as that of mu = 0.
    yield right(test(se, n - 1))
    yield mistake("unpaired", test(two, fits.two_sample.df_resid))
    yield mistake(
        "unpaired",
        test(two, fits.welch_df),
        says="(Welch's test: separate groups with variances of their own.)",
    )
    yield mistake("z_for_t", p=test(se, np.inf)["p"])
    yield mistake("one_sided", p=test(se, n - 1)["p"] / 2, df=n - 1)
    yield mistake("residual_df", test(se, fits.two_sample.df_resid))
    yield mistake("sd_for_se", test(d.std(), n - 1))
    yield mistake(
        "pseudoreplication",
        test(d.std() / (2 * n) ** 0.5, 2 * n - 1),
        says="Two readings of a person make one difference.",
    )
    yield mistake("n_for_df", df=n)
    yield mistake(
        "tests_zero",
        test(se, n - 1, 0.0),
        says="(Or 60 was added where it must be subtracted: that p is nearly zero as well.)",
    )


_FACTORS = ("day", "Subject")


@sleep.question(
    "The formula for mt.lm that makes the paired t-test of the long table.",
    FormulaText(_FACTORS),
    hints=[
        "'Reaction ~ day' is the two-sample test: try it, and look at its df.",
        "The paired test lets each person have a level of his or her own. Name what makes a pair, "
        "too.",
        "Lesson 1, 'What the two-sample test forgets', and lesson 2, 'The paired t-test again': "
        "mt.lm('response ~ treatment + block', data); the row of day then has the SE and df of "
        "question 3.",
    ],
)
def formula(fits: Fits) -> Iterator[Way]:
    def parts(text: str) -> Parts:
        return formula_parts(text, _FACTORS)

    yield right(parts("Reaction ~ day + Subject"))
    yield mistake(
        "unpaired",
        parts("Reaction ~ day"),
        says="The formula does not know which readings belong to one person.",
    )
    for text in ("day ~ Reaction", "day ~ Reaction + Subject"):
        yield mistake("sides_exchanged", parts(text))
    yield mistake(
        "term_extra",
        parts("Reaction ~ day*Subject"),
        says="day:Subject gives every reading a mean of its own; no df are left for the noise.",
    )
    for text in ("Subject", "(1|Subject)", "1"):
        yield mistake("term_missing", parts(f"Reaction ~ {text}"), says="The day is missing.")
    for text in ("day:Subject", "day + day:Subject"):
        yield mistake(
            "term_missing",
            parts(f"Reaction ~ {text}"),
            says="A person has a level of his or her own; day:Subject is something else.",
        )
    yield mistake(
        "term_extra",
        parts("Reaction ~ day + Subject + (1|Subject)"),
        says="Subject is in it twice: what is fixed cannot be random as well.",
    )
    yield mistake(
        "blocks_random",
        parts("Reaction ~ day + (1|Subject)"),
        says="This is a mixed model for mt.lmer. Its test of day is the same here (lesson 3), but "
        "mt.lm has no random effects.",
    )
    yield mistake(
        "blocks_random",
        parts("Reaction ~ day + (day|Subject)"),
        says="And two readings a person do not suffice for a change of his or her own.",
    )


_BOTH = {
    "A": ("day fixed, Subject random", "A day fixed, Subject random"),
    "B": ("day random, Subject fixed", "B day random, Subject fixed"),
    "C": ("both fixed", "C both fixed"),
    "D": ("both random", "D both random"),
}


@sleep.question(
    "Which factors are fixed, which random? A: day fixed, Subject random; B: day random, Subject "
    "fixed; C: both fixed; D: both random",
    Word(_BOTH),
    hints=[
        "Ask of each factor: if the experiment were repeated, would its levels be the same?",
        "Of which people does the study want to say something: of these, or of people?",
        "Lesson 1, 'Fixed and random factors': levels chosen for their own sake are fixed, those "
        "that stand for many others are random.",
    ],
)
def factors(fits: Fits) -> Iterator[Way]:
    yield right("A")
    yield mistake(
        "wrong_choice",
        "B",
        says="A repetition would take other people, but the same two days.",
    )
    yield mistake(
        "wrong_choice",
        "C",
        says="Then the statement would hold for these 18 people only.",
    )
    yield mistake(
        "wrong_choice",
        "D",
        says="The two days were chosen: baseline and end. They are no sample of days.",
    )


def _summary(fits: Fits) -> str:
    """Return a model answer for these data."""
    d = fits.change
    mean, se, df = d.mean(), d.sem(), fits.pairs - 1
    reach = float(t_quantile(0.975, df)) * se
    p = float(t_pvalue(mean / se, df))
    faster = int((d < 0).sum())
    most = "all" if not faster else "most"
    but = f", {count(faster)} faster" if faster else ""
    return (
        f"After seven short nights people reacted {mean:.0f} ms more slowly than at the baseline, "
        f"on average (95% confidence interval from {mean - reach:.0f} to {mean + reach:.0f} ms; "
        f"paired t-test, t = {mean / se:.2f} on {df} df, {p_value(p)}). That is the mean of "
        f"{fits.pairs} people: {most} became slower{but}. There was no group that slept normally, "
        "so that time and practice may have their part in it."
    )


sleep.sentences(
    "conclusion",
    "What did the short nights do? Two or three sentences for somebody who knows no statistics.",
    Sentences(
        (
            "direction and size of the mean change, in ms",
            "how certain it is: the interval, not the p-value alone",
            "the right test, with its df",
            "what the design cannot tell: without a group that slept, time and practice may have "
            "their part in the change",
        ),
        least=12,
    ),
    hints=[
        "Say what was found, then how precisely, then what remains open.",
        "Nobody slept normally for comparison. What else changes from day 2 to day 9?",
        "Lesson 1, 'Say it in words': a report of this kind; mt.paired_t_test has all of its "
        "numbers.",
    ],
    model=_summary,
)
