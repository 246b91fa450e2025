"""Exercise 4: tablets of which HPLC was skipped where NIR had read 10.5% or more.

The reason of the loss is on record, so the mixed model on all readings is not misled; the complete
pairs are. The answers differ even in sign.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache, cached_property

import numpy as np
import pandas as pd

from mixedteach.checks.judge import APART
from mixedteach.checks.kinds import (
    ByLevel,
    Model,
    Numbers,
    Parts,
    Picture,
    Sentences,
    Word,
    line_parts,
    model_parts,
)
from mixedteach.checks.plain import plain
from mixedteach.checks.question import Exercise, FollowOn, Way, mistake, right
from mixedteach.checks.words import ALPHA, count, p_value
from mixedteach.classical import LinearModel, lm, paired_t_test
from mixedteach.datasets import load_tablets, load_tablets_missing
from mixedteach.model import MixedModel, lmer

METHODS = ("nir", "hplc")
SE_TOLERANCE = 0.00051  # three decimals
LIMIT = 10.5  # from this NIR reading on HPLC was skipped
PAIRS = 6  # tablets that keep both readings
READ_BY_BOTH = tuple(str(tablet) for tablet in range(1, 11))  # before the limit is applied
BY_TABLET = "content ~ method + (1|tablet)"


def data() -> pd.DataFrame:
    """Return the tablets of lesson 4 with another loss: no HPLC where NIR read 10.5 or more."""
    return _skipped(load_tablets_missing())


def _skipped(tablets: pd.DataFrame) -> pd.DataFrame:
    nir = tablets[tablets["method"] == "nir"]
    high = nir.loc[nir["content"] >= LIMIT, "tablet"]
    lost = tablets["tablet"].isin(high) & (tablets["method"] == "hplc")
    return tablets.assign(content=tablets["content"].mask(lost))


@cache
def _of_lessons() -> dict[str, Fits]:
    """Return the work on the data of lessons, by the function that loads them."""
    return {load.__name__: Fits(load()) for load in (load_tablets_missing, load_tablets)}


class Fits:
    """The models of the exercise, each fitted when it is first asked for."""

    def __init__(self, tablets: pd.DataFrame) -> None:
        self.data = tablets

    @cached_property
    def wide(self) -> pd.DataFrame:
        """A row a tablet, a column a method."""
        wide = self.data.pivot(index="tablet", columns="method", values="content")
        return wide.set_axis(list(METHODS), axis=1)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """The tablets with both readings."""
        return self.wide.dropna()

    @cached_property
    def complete(self) -> pd.DataFrame:
        """The readings of these tablets."""
        return self.data[self.data["tablet"].isin(self.pairs.index)]

    @cached_property
    def zeros(self) -> pd.DataFrame:
        """Missing readings as zeros."""
        return self.data.fillna({"content": 0.0})

    @cached_property
    def filled(self) -> pd.DataFrame:
        """Missing readings as means of their method."""
        means = self.data.groupby("method", observed=True)["content"].transform("mean")
        return self.data.assign(content=self.data["content"].fillna(means))

    @cached_property
    def mixed(self) -> MixedModel:
        """The model asked for, on all readings."""
        return lmer(BY_TABLET, self.data)

    @cached_property
    def by_ml(self) -> MixedModel:
        """The same, estimated by ML."""
        return self.mixed.by_ml()

    @cached_property
    def mixed_pairs(self) -> MixedModel:
        """The same on complete pairs."""
        return lmer(BY_TABLET, self.complete)

    @cached_property
    def mixed_zeros(self) -> MixedModel:
        """The same with zeros."""
        return lmer(BY_TABLET, self.zeros)

    @cached_property
    def mixed_filled(self) -> MixedModel:
        """The same with means filled in."""
        return lmer(BY_TABLET, self.filled)

    @cached_property
    def fixed(self) -> LinearModel:
        """Tablets as fixed blocks, all readings."""
        return lm("content ~ tablet + method", self.data)

    @cached_property
    def no_tablets(self) -> LinearModel:
        """Two groups of readings."""
        return lm("content ~ method", self.data)

    @cached_property
    def joint_se(self) -> float:
        """The SE of the difference in statsmodels: from the curvature in all parameters at once.

        The parameters are beta and the ratio of the variances, the residual variance being
        profiled out of REML's log-likelihood. We, lme4 and nlme take the part of beta alone.
        """
        y, X, Z, _, R, V = (part.to_numpy() for part in self.mixed.matrices())
        n, p = X.shape
        W, ZZ = np.linalg.inv(V / R[0, 0]), Z @ Z.T
        first, second = -W @ ZZ @ W, 2 * W @ ZZ @ W @ ZZ @ W  # derivatives of W by the ratio
        r = y - X @ self.mixed.params.to_numpy()
        q, q1, q2 = (r @ inner @ r for inner in (W, first, second))
        C, C1, C2 = (X.T @ inner @ X for inner in (W, first, second))
        A, B = W @ ZZ, np.linalg.solve(C, C1)
        by_ratio = (n - p) * (q2 / q - (q1 / q) ** 2) - np.trace(A @ A)
        by_ratio += np.trace(np.linalg.solve(C, C2)) - np.trace(B @ B)
        mixed = -(n - p) * X.T @ first @ r / q
        curvature = (n - p) * C / q - np.outer(mixed, mixed) / (by_ratio / 2)
        variance = float(np.linalg.inv(curvature)[1, 1])
        return variance**0.5 if variance > 0 else math.nan  # no maximum in all of them at once

    def joint_se_apart_from(self, *others: float) -> Iterator[float]:
        """Yield this SE, if it can be told from the others."""
        if all(abs(self.joint_se - other) >= APART * SE_TOLERANCE for other in others):
            yield self.joint_se


def simulate(tablets: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return other tablets, read to 0.1%, with the same loss and as many complete pairs."""
    model = Fits(tablets).mixed
    sd_tablet, sd = model.variance_components["sd"]
    codes = tablets["tablet"].cat.codes.to_numpy()
    hplc = (tablets["method"] == "hplc").to_numpy()
    planned = load_tablets_missing()["content"].notna().to_numpy()
    both = tablets["tablet"].isin(READ_BY_BOTH)
    mean, difference = model.params.iloc[0], model.params.iloc[1]
    while True:
        content = mean + rng.normal(0, sd_tablet, codes.max() + 1)[codes]
        content += hplc * (difference + rng.normal(0, 0.1))
        content += rng.normal(0, 1.2 * sd, len(tablets))
        other = tablets.assign(content=np.where(planned, content.round(1), np.nan))
        other = _skipped(other)
        if other.loc[both & hplc, "content"].count() == PAIRS:
            return other


tablets = Exercise(
    "tablets", lesson="04_missing_measurements", data=data, work=Fits, simulate=simulate
)


# -- look ------------------------------------------------------------------------------------------


@tablets.question(
    "A picture of the readings: NIR left, HPLC right, a line for each tablet that has both",
    Picture(PAIRS, 2, decimals=0.001),
    hints=[
        "Only complete tablets have a line; the others are single points, or left out.",
        "The method is what differs within a line, the tablet is what makes the line.",
        "Lesson 4, 'The readings': mt.plot.paired(data, response, within=..., subject=...) passes "
        "over missing readings.",
    ],
)
def readings(fits: Fits) -> Iterator[Way]:
    yield right(
        line_parts(fits.pairs.to_numpy()),
        says="No line starts high at the left: those HPLC readings are the ones that were skipped.",
    )
    yield mistake(
        "axes_exchanged",
        line_parts(fits.wide.T.to_numpy()),
        says="A line should be a tablet, not a method.",
    )
    yield mistake(
        "reference_turned",
        line_parts(fits.pairs[["hplc", "nir"]].to_numpy()),
        says="NIR belongs at the left.",
    )
    yield mistake("missing_as_zero", line_parts(fits.wide.fillna(0.0).to_numpy()))
    yield mistake("gaps_filled", line_parts(fits.wide.fillna(fits.wide.mean()).to_numpy()))
    yield mistake("means_only", line_parts([fits.wide.mean()]))


# -- pairs only ------------------------------------------------------------------------------------


def _difference(model: LinearModel | MixedModel, **options: str) -> dict[str, float]:
    """Return the difference of the methods with its SE and df, by a model."""
    row = model.coefficients(**options).loc["method[hplc]"]
    return {"estimate": row["estimate"], "SE": row["SE"], "df": row["df"]}


def _paired(wide: pd.DataFrame) -> dict[str, float]:
    row = paired_t_test(wide, "hplc", "nir").iloc[0]
    return {"estimate": row["estimate"], "SE": row["SE"], "df": row["df"]}


@tablets.question(
    "The difference HPLC - NIR from complete pairs (or with tablets fixed: the same), SE and df",
    Numbers({"estimate": 0.00051, "SE": SE_TOLERANCE, "df": 0.05}),
    hints=[
        "How many tablets have both readings? One difference each.",
        "The paired t-test of these differences; or fixed tablets, where a tablet with one "
        "reading says nothing about the difference.",
        "Lesson 4, 'What did the ten unpaired readings do?': mt.paired_t_test(wide.dropna(), ..., "
        "...), or mt.lm('response ~ block + treatment', data).coefficients().",
    ],
)
def pairs_only(fits: Fits) -> Iterator[Way]:
    answer = _paired(fits.pairs)
    n = len(fits.pairs)
    yield right(
        answer,
        says="With tablets fixed an incomplete tablet says nothing about the difference.",
    )
    yield mistake("sign_turned", answer | {"estimate": -answer["estimate"]},
                  says="HPLC minus NIR is asked.")  # fmt: skip
    yield mistake("unpaired", _difference(fits.no_tablets), says="It takes all readings.")
    yield mistake("unpaired", _difference(lm("content ~ method", fits.complete)))
    yield mistake("blocks_random", _difference(fits.mixed))
    yield mistake("missing_as_zero", _paired(fits.wide.fillna(0.0)))
    yield mistake("gaps_filled", _paired(fits.wide.fillna(fits.wide.mean())))
    yield mistake("sd_for_se", answer | {"SE": answer["SE"] * n**0.5})
    yield mistake("se_of_mean", answer | {"SE": answer["SE"] / 2**0.5})
    yield mistake("residual_df", answer | {"df": 2 * n - 2})
    yield mistake("n_for_df", answer | {"df": n})
    yield mistake("wrong_count", answer | {"df": len(fits.wide) - 1},
                  says="Twenty tablets, but how many differences?")  # fmt: skip
    yield mistake(
        "lesson_data", _paired(_of_lessons()["load_tablets_missing"].pairs),
        says="(mt.load_tablets_missing() and mt.load_tablets() have the same complete pairs.)",
    )  # fmt: skip


# -- all readings ----------------------------------------------------------------------------------


@tablets.question(
    "A mixed model of all readings: method fixed, tablet random, by REML",
    Model(variances=1),
    hints=[
        "Take the long table as it is: a model leaves out missing readings, not whole tablets.",
        "These tablets stand for others, so their levels are random; the methods are compared, so "
        "they are fixed.",
        "Lesson 4, 'Fit: tablets as a sample': mt.lmer('y ~ x + (1|g)', data). Look at the number "
        "of observations in its summary.",
    ],
)
def mixed_model(fits: Fits) -> Iterator[Way]:
    def parts(model: LinearModel | MixedModel) -> dict[str, float]:
        return model_parts(plain(model))

    yield right(parts(fits.mixed))
    yield mistake("complete_cases", parts(fits.mixed_pairs), analysis="pairs")
    yield mistake("missing_as_zero", parts(fits.mixed_zeros), analysis="zeros")
    yield mistake("gaps_filled", parts(fits.mixed_filled), analysis="filled")
    yield mistake("ml_for_reml", parts(fits.by_ml), analysis="ML")
    yield mistake("blocks_ignored", parts(fits.no_tablets), analysis="no tablets")
    yield mistake("blocks_fixed", parts(fits.fixed), analysis="tablets fixed")
    for load, lesson in _of_lessons().items():
        yield mistake("lesson_data", parts(lesson.mixed), says=f"(It comes from mt.{load}().)")
    no_method = lmer("content ~ 1 + (1|tablet)", fits.data)
    yield mistake("term_missing", parts(no_method), says="Where is the method?")


@tablets.question(
    "The difference HPLC - NIR by the mixed model on all readings, with SE and Satterthwaite's df",
    Numbers({"estimate": 0.00051, "SE": SE_TOLERANCE, "df": 0.051}),
    hints=[
        "Which row of the table of fixed effects compares the two methods?",
        "NIR is the reference level, so one coefficient is the difference.",
        "Lesson 4, 'The whole fit': m.coefficients() has estimate, SE and df; Satterthwaite's df "
        "are its default.",
    ],
    follows=FollowOn("mixed_model"),
)
def difference(fits: Fits) -> Iterator[Way]:
    answer = _difference(fits.mixed)
    yield right(answer)
    yield mistake("sign_turned", answer | {"estimate": -answer["estimate"]},
                  says="HPLC minus NIR is asked.")  # fmt: skip
    yield mistake("complete_cases", _difference(fits.mixed_pairs), analysis="pairs")
    yield mistake(
        "blocks_fixed", _difference(fits.fixed), says="The objects are tablets.",
        analysis="tablets fixed",
    )  # fmt: skip
    yield mistake(
        "unpaired", _difference(fits.no_tablets), says="It compares different tablets.",
        analysis="no tablets",
    )  # fmt: skip
    yield mistake("missing_as_zero", _difference(fits.mixed_zeros), analysis="zeros")
    yield mistake("gaps_filled", _difference(fits.mixed_filled), analysis="filled")
    yield mistake("ml_for_reml", _difference(fits.by_ml), analysis="ML")
    yield mistake(
        "other_df", _difference(fits.mixed, ddf="containment"), says="Containment only counts."
    )
    yield mistake(
        "other_df", _difference(fits.mixed, ddf="kenward-roger"),
        says="Kenward-Roger's SE and df come in a later question.",
    )  # fmt: skip
    yield mistake("residual_df", answer | {"df": fits.no_tablets.df_resid})
    adjusted = _difference(fits.mixed, ddf="kenward-roger")["SE"]
    mean = fits.mixed.emmeans("method").iloc[0]
    for joint in fits.joint_se_apart_from(answer["SE"], adjusted, mean["SE"]):
        yield mistake(
            "se_of_all_parameters", estimate=answer["estimate"], SE=joint,
            says="Take m.coefficients(), or mt.from_statsmodels(fit).coefficients().",
        )  # fmt: skip
    for load, lesson in _of_lessons().items():
        yield mistake(
            "lesson_data", _difference(lesson.mixed), says=f"(It comes from mt.{load}().)"
        )
    yield mistake("se_of_mean", answer | {"SE": mean["SE"], "df": mean["df"]})


@tablets.question(
    "The LS mean of each method by the mixed model, with its SE and Satterthwaite's df",
    ByLevel(METHODS, {"mean": 0.0051, "SE": SE_TOLERANCE, "df": 0.051}),
    hints=[
        "What the model expects of all tablets, also of those that a method never read.",
        "Not the means of the readings that are there, but the intercept (NIR), and the intercept "
        "with what HPLC adds to it.",
        "Lesson 4, 'LS means, fixed against mixed': m.emmeans('method') has the columns emmean, "
        "SE and df.",
    ],
    follows=FollowOn("mixed_model"),
)
def method_means(fits: Fits) -> Iterator[Way]:
    parts = {"mean": "emmean", "SE": "SE", "df": "df"}

    def of(model: LinearModel | MixedModel, **options: str) -> dict[str, float]:
        rows = model.emmeans("method", **options).iterrows()
        return {f"{r['method']}: {part}": r[name] for _, r in rows for part, name in parts.items()}

    answer = of(fits.mixed)
    yield right(
        answer,
        says="HPLC read the weaker tablets; the model allows for that, the plain mean does not.",
    )
    yield mistake("plain_means", of(fits.no_tablets), analysis="no tablets")
    own = fits.wide.agg(["mean", "std", "count"])
    yield mistake(
        "plain_means",
        {f"{name}: mean": own.loc["mean", name] for name in METHODS}
        | {f"{n}: SE": own.loc["std", n] / own.loc["count", n] ** 0.5 for n in METHODS}
        | {f"{name}: df": own.loc["count", name] - 1 for name in METHODS},
    )
    yield mistake(
        "blocks_fixed", of(fits.fixed), says="The objects are tablets.", analysis="tablets fixed"
    )
    yield mistake("complete_cases", of(fits.mixed_pairs), analysis="pairs")
    yield mistake("missing_as_zero", of(fits.mixed_zeros), analysis="zeros")
    yield mistake("gaps_filled", of(fits.mixed_filled), analysis="filled")
    yield mistake("ml_for_reml", of(fits.by_ml), analysis="ML")
    yield mistake("other_df", of(fits.mixed, ddf="containment"), says="Containment only counts.")
    residual = {f"{name}: df": fits.no_tablets.df_resid for name in METHODS}
    yield mistake("residual_df", answer | residual)
    for load, lesson in _of_lessons().items():
        yield mistake("lesson_data", of(lesson.mixed), says=f"(It comes from mt.{load}().)")
    # Kenward-Roger is left out: for a mean it lies too close to Satterthwaite to be told apart.
    row = fits.mixed.coefficients().loc["method[hplc]"]
    turned = {"hplc: mean": row["estimate"], "hplc: SE": row["SE"], "hplc: df": row["df"]}
    yield mistake("difference_for_mean", answer | turned)
    of_difference = {f"{m}: {part}": row[part] for m in METHODS for part in ("SE", "df")}
    yield mistake("se_of_difference", answer | of_difference)
    exchanged = {
        f"{a}: {part}": answer[f"{b}: {part}"]
        for a, b in (METHODS, METHODS[::-1])
        for part in parts
    }
    yield mistake("wrong_row", exchanged, says="The methods are exchanged.")


_KENWARD_ROGER = Numbers({"SE": SE_TOLERANCE, "df": 0.051, "p": 0.00051})


def _plain_se(answer: Parts, plain_df: Parts, estimate: float) -> Iterator[Parts]:
    """Yield Kenward and Roger's df with the plain SE, where these can be told apart.

    The p comes from the same table as the df, or is computed anew from this SE.
    """
    from scipy import stats

    kind, mixture = _KENWARD_ROGER, answer | {"SE": plain_df["SE"]}
    if kind.away("SE", mixture["SE"], answer["SE"]) < APART:
        return
    if kind.away("df", answer["df"], plain_df["df"]) >= APART:
        yield mixture
        t = abs(estimate) / plain_df["SE"]
        anew = mixture | {"p": 2 * stats.t.sf(t, answer["df"])}
        if kind.away("p", anew["p"], answer["p"]) >= APART:
            yield anew


@tablets.question(
    "The same difference by Kenward-Roger: its SE, df and p",
    _KENWARD_ROGER,
    hints=[
        "The variances were estimated from few readings; this method allows for it.",
        "It changes the SE and the df, and so p: take all three from one table.",
        "Lesson 4, 'Four kinds of df': coefficients, emmeans and estimable all take "
        "ddf='kenward-roger'.",
    ],
    follows=FollowOn("mixed_model"),
)
def kenward_roger(fits: Fits) -> Iterator[Way]:
    def of(model: LinearModel | MixedModel, ddf: str | None = "kenward-roger") -> dict[str, float]:
        row = model.coefficients(**({"ddf": ddf} if ddf else {})).loc["method[hplc]"]
        found = {"SE": row["SE"], "df": row["df"], "p": row["p"]}
        return {part: value for part, value in found.items() if np.isfinite(value)}

    answer = of(fits.mixed)
    yield right(answer, says="Six pairs say little about a variance, so the plain SE is too small.")
    plain_df = of(fits.mixed, "satterthwaite")
    yield mistake("other_df", plain_df, says="This is Satterthwaite's, with the plain SE.")
    for found in _plain_se(answer, plain_df, fits.mixed.params.iloc[1]):
        yield mistake("se_not_adjusted", found)
    yield mistake("other_df", of(fits.mixed, "containment"), says="This is containment.")
    yield mistake("z_for_t", of(fits.mixed, "none"))
    yield mistake("one_sided", answer | {"p": answer["p"] / 2})
    yield mistake("complete_cases", of(fits.mixed_pairs), analysis="pairs")
    yield mistake(
        "blocks_fixed", of(fits.fixed, None), says="The objects are tablets.",
        analysis="tablets fixed",
    )  # fmt: skip
    yield mistake(
        "unpaired", of(fits.no_tablets, None), says="It compares different tablets.",
        analysis="no tablets",
    )  # fmt: skip
    yield mistake("missing_as_zero", of(fits.mixed_zeros), analysis="zeros")
    yield mistake("gaps_filled", of(fits.mixed_filled), analysis="filled")
    for load, lesson in _of_lessons().items():
        yield mistake("lesson_data", of(lesson.mixed), says=f"(It comes from mt.{load}().)")
    for joint in fits.joint_se_apart_from(answer["SE"], plain_df["SE"]):
        z = fits.mixed.params.iloc[1] / joint
        yield mistake(
            "se_of_all_parameters", SE=joint, p=math.erfc(abs(z) / 2**0.5),
            says="And its p is that of a z test. mt.from_statsmodels(fit) takes such a fit over.",
        )  # fmt: skip
    first = fits.mixed.coefficients(ddf="kenward-roger").iloc[0]
    yield mistake(
        "wrong_row", SE=first["SE"], df=first["df"], p=first["p"],
        says="It is the row of the intercept, the mean of NIR.",
    )  # fmt: skip
    # No "ml_for_reml": Kenward-Roger's method needs a REML fit, and says so.


# -- what it means ---------------------------------------------------------------------------------


@tablets.question(
    "HPLC was skipped where NIR had read 10.5% or more: which analysis of the difference is not "
    "misled by that?",
    Word(
        {
            "mixed model": ("mixed", "mixed model on all readings", "all readings", "lmer"),
            "pairs": ("pairs only", "complete pairs", "paired test", "paired t-test",
                      "complete cases"),
            "both": ("both of them", "no matter"),
            "neither": ("none", "none of them"),
        }
    ),
    hints=[
        "Why is each reading missing, and is the reason in the table?",
        "NIR reads 10.5 partly because the tablet is strong, partly by luck. Who still sees it?",
        "Lesson 4, 'Does it matter why a reading is missing?' and '200 experiments of each kind': "
        "find the kind of loss that is yours there; mt.lmer used all readings, mt.paired_t_test "
        "the pairs.",
    ],
)  # fmt: skip
def trust(fits: Fits) -> Iterator[Way]:
    yield right(
        "mixed model",
        says="The reason is on record (missing at random), and the model has the readings that "
        "were the reason: right, if its variances are right.",
    )
    yield mistake(
        "wrong_choice", "pairs",
        says="These pairs were selected by one of their two readings: in those that are left NIR "
        "had less luck than usual.",
    )  # fmt: skip
    yield mistake(
        "wrong_choice", "both",
        says="One of them has thrown away the readings that were the reason of the loss.",
    )  # fmt: skip
    yield mistake(
        "wrong_choice", "neither",
        says="The reason is not the lost reading itself: it is in the table.",
    )  # fmt: skip


def _summary(fits: Fits) -> str:
    """Return a model answer for these data."""
    row = fits.mixed.coefficients(ddf="kenward-roger").loc["method[hplc]"]
    lost, rows = int(fits.data["content"].isna().sum()), len(fits.data)
    planned = int(load_tablets_missing()["content"].isna().sum())
    pairs = float((fits.pairs["hplc"] - fits.pairs["nir"]).mean())
    if row["p"] < ALPHA:
        side = "more" if row["estimate"] > 0 else "less"
        shown = f"HPLC reads {side} than NIR, on average"
    else:
        far = max(row["lower"], row["upper"], key=abs)
        side = "more" if far > 0 else "less"
        shown = (
            "no difference is seen, but the interval allows that HPLC reads "
            f"{abs(far):.2f} percentage points {side}"
        )
    return (
        f"Twenty tablets were to be read by NIR and HPLC; {lost} of {rows} readings are missing, "
        f"{count(planned)} by plan and {count(lost - planned)} because HPLC was skipped where NIR "
        f"had read 10.5% or more. A mixed model of the {rows - lost} readings (REML; method fixed, "
        f"tablet random) gave a difference HPLC - NIR of {row['estimate']:.3f} percentage points "
        f"(SE {row['SE']:.3f}, 95% interval {row['lower']:.2f} to {row['upper']:.2f}, "
        f"t = {row['t']:.2f} on {row['df']:.1f} df, {p_value(row['p'], 2)}, Kenward-Roger): "
        f"{shown}. The {count(len(fits.pairs))} complete pairs alone give {pairs:+.3f}; they were "
        "selected by a low NIR reading, which was partly luck, so that HPLC tends to look higher "
        "there than it is."
    )


tablets.sentences(
    "conclusion",
    "Two to five sentences: what was read and lost, the difference by the analysis you trust, and "
    "what can (not) be said",
    Sentences(
        (
            "says how many readings there are, how many are missing and why, and names the model, "
            "with the difference, its unit, SE or interval, and the kind of df (1 point)",
            "says whether a difference is seen ('not seen' is not 'there is none'), and why the "
            "complete pairs give another answer (1 point)",
        ),
        least=12,
    ),
    hints=[
        "Somebody who was not there should learn what is missing, and why.",
        "A large p does not show that two methods are equal: what does the interval allow?",
        "Lesson 4, 'Say it in words': a report of this kind; m.coefficients(ddf='kenward-roger') "
        "has its numbers.",
    ],
    model=_summary,
)
