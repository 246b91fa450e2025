"""Exercise 2, with lesson 2: three machines, and six workers as blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

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
from mixedteach.checks.plain import Plain, plain
from mixedteach.checks.question import Exercise, FollowOn, Way, mistake, right
from mixedteach.checks.words import ALPHA, listing, p_value, start
from mixedteach.classical import LinearModel, lm, paired_t_test
from mixedteach.datasets import load_machines
from mixedteach.model import MixedModel, lmer

WORKERS = ("1", "2", "3", "4", "5", "6")
MACHINES = ("A", "B", "C")


class Fits:
    """The models of the exercise, each fitted when it is first asked for."""

    def __init__(self, machines: pd.DataFrame) -> None:
        self.data = machines

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row a worker and machine: the mean of three attempts."""
        return self._cells("mean")

    def _cells(self, how: str) -> pd.DataFrame:
        groups = self.data.groupby(["Worker", "Machine"], observed=True)["score"]
        return groups.agg(how).reset_index()

    @cached_property
    def blocked(self) -> LinearModel:
        """The right model: machines within workers, of the 18 means."""
        return lm("score ~ Machine + Worker", self.cells)

    @cached_property
    def no_blocks(self) -> LinearModel:
        """The 18 means without the workers."""
        return lm("score ~ Machine", self.cells)

    @cached_property
    def readings(self) -> LinearModel:
        """The 54 readings, as if the attempts were independent."""
        return lm("score ~ Machine + Worker", self.data)

    @cached_property
    def readings_alone(self) -> LinearModel:
        """The 54 readings without the workers."""
        return lm("score ~ Machine", self.data)

    @cached_property
    def readings_all(self) -> LinearModel:
        """The 54 readings, with a mean for each worker and machine: noise is within attempts."""
        return lm("score ~ Machine*Worker", self.data)

    @cached_property
    def worker_number(self) -> LinearModel:
        """The workers taken for numbers."""
        return lm(
            "score ~ Machine + Worker", self.cells.assign(Worker=self.cells["Worker"].astype(int))
        )

    @cached_property
    def machine_number(self) -> LinearModel:
        """The machines taken for the numbers 1, 2, 3."""
        codes = self.cells["Machine"].cat.codes + 1
        return lm("score ~ Machine + Worker", self.cells.assign(Machine=codes))

    @cached_property
    def mixed(self) -> MixedModel:
        """The workers as a sample, of the 18 means."""
        return lmer("score ~ Machine + (1|Worker)", self.cells)

    @cached_property
    def mixed_readings(self) -> MixedModel:
        """The workers as a sample, the 54 readings otherwise independent."""
        return lmer("score ~ Machine + (1|Worker)", self.data)

    @cached_property
    def strata(self) -> MixedModel:
        """The model of all readings that agrees with the one of the 18 means."""
        return lmer("score ~ Machine + (1|Worker) + (1|Worker:Machine)", self.data)


def simulate(machines: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return other attempts by other workers: new means, new effects, to 0.1 points."""
    model = Fits(machines).strata
    sd = np.sqrt(model.variance_components["variance"].to_numpy())
    worker, machine = (machines[name].cat.codes.to_numpy() for name in ("Worker", "Machine"))
    new = (
        model.predict(random=False).to_numpy()
        + rng.normal(0, 1, 3)[machine]
        + rng.normal(0, sd[0], 6)[worker]
        + rng.normal(0, sd[1], (6, 3))[worker, machine]
        + rng.normal(0, sd[2], len(machines))
    )
    return machines.assign(score=new.round(1))


machines = Exercise(
    "machines", lesson="02_blocked_anova", data=load_machines, work=Fits, simulate=simulate
)

# -- reading off -----------------------------------------------------------------------------------


@machines.question(
    "The mean score of each worker with each machine.",
    ByLevel((WORKERS, MACHINES), {"mean": 0.0101}),
    hints=[
        "Each worker used each machine three times: three rows become one number.",
        "Put the rows of one worker and one machine into a group, and take the mean of each group.",
        "Lesson 2, 'One test for three machines': data.groupby([..., ...], "
        "observed=True)['score'].mean(), where the list has both factors.",
    ],
)
def cell_means(fits: Fits) -> Iterator[Way]:
    def each(cells: pd.DataFrame) -> Parts:
        return {
            f"{worker}, {machine}": value
            for worker, machine, value in cells.itertuples(index=False, name=None)
        }

    yield right(each(fits.cells))
    yield mistake("one_reading", each(fits._cells("first")), says="It is the first of three.")
    yield mistake("one_reading", each(fits._cells("last")), says="It is the last of three.")
    yield mistake("median_for_mean", each(fits._cells("median")))
    yield mistake("sum_for_mean", each(fits._cells("sum")))
    yield mistake("sd_for_mean", each(fits._cells("std")))


@machines.question(
    "The workers' profiles: mean scores along the machines, a line for each worker.",
    Picture(6, 3, 0.0501),
    hints=[
        "Which factor goes along the axis, which one makes the lines?",
        "Each worker is a line, and the machines are its points: a point is a mean of task 1.",
        "Lesson 2, 'Three treatments: no single difference left', has the same means in another "
        "picture; mt.plot.interaction(data, x=..., trace=..., response=...) draws the lines, and "
        "trace is what makes them.",
    ],
)
def profile(fits: Fits) -> Iterator[Way]:
    table = fits.cells.pivot(index="Worker", columns="Machine", values="score").to_numpy()
    attempts = fits.data.groupby(["Worker", "Machine"], observed=True).cumcount()
    single = fits.data.assign(attempt=attempts).pivot(
        index=["Worker", "attempt"], columns="Machine", values="score"
    )
    yield right(line_parts(table))
    yield mistake(
        "axes_exchanged",
        line_parts(table.T),
        says="Along the axis belong the machines, and each worker is a line.",
    )
    yield mistake("raw_lines", line_parts(single.to_numpy()))
    yield mistake("means_only", line_parts([table.mean(axis=0)]))


# -- the analysis ----------------------------------------------------------------------------------


@machines.question(
    "The linear model of the 18 means, machines compared within workers.",
    Model(variances=0),
    hints=[
        "Which table has a row for each independent piece of information: the one with 54 rows?",
        "Average first; then one term for the treatment and one for the block.",
        "Lesson 2, 'One test for three machines': mt.lm('response ~ treatment + block', means), "
        "where means comes from groupby(...)[...].mean().reset_index().",
    ],
)
def model(fits: Fits) -> Iterator[Way]:
    def parts(fitted: LinearModel | MixedModel) -> Parts:
        return model_parts(plain(fitted))

    yield right(parts(fits.blocked))
    yield mistake(
        "pseudoreplication",
        parts(fits.readings),
        analysis="readings",
        says="Average the three attempts of a worker with a machine first.",
    )
    yield mistake(
        "blocks_ignored", parts(fits.no_blocks), analysis="no workers",
        says="The workers are not in the model.",
    )  # fmt: skip
    yield mistake(
        "blocks_ignored",
        parts(fits.readings_alone),
        analysis="readings, no workers",
        says="The workers are not in the model, and the attempts were not averaged.",
    )
    yield mistake(
        "pseudoreplication",
        parts(fits.readings_all),
        analysis="attempts",
        says="With Machine:Worker in the model, the noise is that of repeated attempts; machines "
        "must be compared with how differently workers respond to them.",
    )
    yield mistake(
        "covariate_for_factor",
        parts(fits.worker_number),
        analysis="worker as a number",
        says="Worker 6 is not six times worker 1.",
    )
    yield mistake(
        "covariate_for_factor", parts(fits.machine_number), analysis="machine as a number",
        says="It is Machine.",
    )  # fmt: skip
    yield mistake("blocks_random", parts(fits.mixed), says="Fixed blocks are asked: use mt.lm.")
    yield mistake(
        "blocks_random", parts(fits.strata), says="And the 18 means are asked: use mt.lm."
    )
    yield mistake(
        "pseudoreplication",
        parts(fits.mixed_readings),
        says="(1|Worker) alone takes the attempts for independent.",
    )
    yield mistake(
        "term_missing", parts(lm("score ~ Worker", fits.cells)), says="Machine is missing."
    )


_TERMS = ("Machine", "Worker", "Residual")


@dataclass(frozen=True)
class AnovaTable(ByLevel):
    """Rows of an analysis of variance, as R, statsmodels or this library name rows and columns."""

    def names(self) -> list[str]:
        """Return all cells but the F of the residual, which has none."""
        return [name for name in super().names() if name != "Residual: F"]

    def read(self, answer: Plain) -> Parts:
        """Return the cells found; ``df`` of a term is ``num_df``."""
        if answer["kind"] == "table":
            columns = ["num_df" if c in ("df", "Df", "DF") else c for c in answer["columns"]]
            answer = {**answer, "columns": columns, "index": [*map(_term, answer["index"])]}
        if answer["kind"] == "dict":
            answer = {**answer, "keys": [*map(_term, answer["keys"])]}
        found = super().read(answer)
        return {name: value for name, value in found.items() if name in self.names()}


def _term(label: object) -> object:
    """Return how this exercise calls a row: ``C(Worker)`` and ``Residuals`` are other names."""
    if not isinstance(label, str):
        return label
    bare = label.strip().removeprefix("C(").removesuffix(")")
    return "Residual" if bare in ("Residuals", "Error", "Within") else bare


def _table(fitted: LinearModel, terms: Iterable[str] = _TERMS, squares: str = "mean_sq") -> Parts:
    table = fitted.anova()
    cells = {}
    for term in terms:
        cells[f"{term}: num_df"] = table.loc[term, "num_df"]
        cells[f"{term}: mean_sq"] = table.loc[term, squares]
        if term != "Residual":
            cells[f"{term}: F"] = table.loc[term, "F"]
    return cells


@machines.question(
    "Its analysis of variance: df, mean square and F of Machine and Worker, df and mean square of "
    "Residual.",
    AnovaTable(_TERMS, {"num_df": 0.051, "mean_sq": 0.0501, "F": 0.0501}),
    hints=[
        "Count first: of the 18 means one df goes to the overall level, and each factor takes one "
        "less than it has levels. How many remain?",
        "A mean square is a sum of squares over its df. F compares it with the mean square of the "
        "residual.",
        "Lesson 2, 'The ANOVA table': model.anova() prints the whole table; hand it in as it is.",
    ],
    follows=FollowOn("model"),
)
def anova(fits: Fits) -> Iterator[Way]:
    yield right(_table(fits.blocked))
    yield mistake(
        "pseudoreplication",
        _table(fits.readings),
        analysis="readings",
        says="The 54 readings are not independent: each worker used each machine three times.",
    )
    rest = fits.readings.ssr / 45  # one df for each machine and each worker, none for the mean
    counted = _table(fits.readings)
    for term in ("Machine", "Worker"):
        counted[f"{term}: F"] = counted[f"{term}: mean_sq"] / rest
    counted |= {"Residual: num_df": 45, "Residual: mean_sq": rest}
    yield mistake(
        "pseudoreplication",
        counted,
        says="54 - 3 - 6 = 45; besides, it counts the overall level twice.",
    )
    yield mistake(
        "pseudoreplication",
        _table(fits.readings_all),
        analysis="attempts",
        says="The residual holds only how an attempt differs from the next. Machines must be "
        "compared with how differently workers respond to them.",
    )
    yield mistake(
        "blocks_ignored",
        _table(fits.no_blocks, ("Machine", "Residual")),
        analysis="no workers",
        says="What workers differ by went into the residual.",
    )
    yield mistake(
        "blocks_ignored",
        _table(fits.readings_alone, ("Machine", "Residual")),
        analysis="readings, no workers",
        says="Neither the workers are in the model, nor were the attempts averaged.",
    )
    yield mistake(
        "covariate_for_factor",
        _table(fits.worker_number),
        analysis="worker as a number",
        says="Six workers have 5 df; a line through their numbers has 1.",
    )
    yield mistake(
        "covariate_for_factor",
        _table(fits.machine_number),
        analysis="machine as a number",
        says="Three machines have 2 df; a line through 1, 2, 3 has 1.",
    )
    found = _table(fits.blocked)
    yield mistake(
        "n_for_df",
        {"Machine: num_df": 3, "Worker: num_df": 6},
        says="One of each is not free, once the overall level is known.",
    )
    turned = {
        f"{a}: {part}": found[f"{b}: {part}"]
        for a, b in (("Machine", "Worker"), ("Worker", "Machine"))
        for part in ("num_df", "mean_sq", "F")
    }
    yield mistake("wrong_row", found | turned, says="Machine and Worker are exchanged.")
    yield mistake(
        "adjacent_cell",
        _table(fits.blocked, squares="sum_sq"),
        says="These are sums of squares; divided by their df they are mean squares.",
    )
    roots = {k: v**0.5 if "mean_sq" in k else v for k, v in found.items()}
    yield mistake("sd_for_variance", roots, says="A mean square is a variance.")


@machines.question(
    "All differences of two machines, with p by Tukey's method.",
    ByLevel(MACHINES, {"estimate": 0.0101, "p": 0.000051}, pairs=True),
    hints=[
        "Three machines make three pairs. Which of your models knows the workers?",
        "Compare within workers, by the model of the 18 means; p must allow for three comparisons.",
        "Lesson 2, 'Marginal means': model.emmeans(factor).pairs() adjusts by Tukey's method, as "
        "its caption says.",
    ],
    follows=FollowOn("model"),
)
def tukey(fits: Fits) -> Iterator[Way]:
    def pairs(
        fitted: LinearModel, adjust: str = "tukey", ddf: str | None = None, sign: int = 1
    ) -> Parts:
        table = fitted.emmeans("Machine", ddf=ddf).pairs(adjust=adjust)
        cells = {}
        for row in table.itertuples():
            cells[f"{row.contrast}: estimate"] = sign * row.estimate
            cells[f"{row.contrast}: p"] = row.p
        return cells

    # Left out: all readings with Machine:Worker, whose p are all zero, as those of the additive
    # model are nearly; and Holm's p, the largest of which is the unadjusted one.
    yield right(pairs(fits.blocked))
    yield mistake(
        "sign_turned",
        pairs(fits.blocked, sign=-1),
        says='"A - B" is the mean of A minus that of B.',
    )
    yield mistake("unadjusted", pairs(fits.blocked, "none"))
    yield mistake("bonferroni", pairs(fits.blocked, "bonferroni"))
    yield mistake("z_for_t", pairs(fits.blocked, ddf="none"))
    yield mistake(
        "pseudoreplication",
        pairs(fits.readings),
        analysis="readings",
        says="The 54 readings are not independent: each worker used each machine three times.",
    )
    yield mistake(
        "blocks_ignored", pairs(fits.no_blocks), analysis="no workers",
        says="Workers are not in this model.",
    )  # fmt: skip
    yield mistake(
        "blocks_ignored",
        pairs(fits.readings_alone),
        analysis="readings, no workers",
        says="Neither the workers are in the model, nor were the attempts averaged.",
    )
    wide = fits.cells.pivot(index="Worker", columns="Machine", values="score")
    single = {}
    for a, b in (("A", "B"), ("A", "C"), ("B", "C")):
        test = paired_t_test(wide, a, b).iloc[0]
        single |= {f"{a} - {b}: estimate": test["estimate"], f"{a} - {b}: p": test["p"]}
    yield mistake(
        "single_pair", single, says="(Three paired t-tests, each with a variance of its own.)"
    )


# -- deciding --------------------------------------------------------------------------------------


@machines.question(
    "Standard errors: of the mean of machine B, for these six workers and for new ones, and of a "
    "difference of two machines.",
    Numbers({"same_workers": 0.0051, "new_workers": 0.0051, "difference": 0.0051}),
    hints=[
        "Three questions: what if the same six try again, what if six others do, and how do two "
        "machines compare?",
        "The same workers bring new noise only. New workers bring new levels as well, so in that "
        "model workers are random. In a difference the levels cancel.",
        "Lesson 2, 'Three standard errors of one mean': m.emmeans('Machine') and its .pairs() "
        "have a column SE; m is your model or, for new workers, mt.lmer('score ~ Machine + "
        "(1|Worker)', means) of the 18 means.",
    ],
    follows=FollowOn("model"),
)
def errors(fits: Fits) -> Iterator[Way]:
    def se(fitted: LinearModel | MixedModel) -> tuple[float, float]:
        means = fitted.emmeans("Machine")
        return means["SE"].iloc[1], means.pairs()["SE"].iloc[0]

    same, difference = se(fits.blocked)
    new, _ = se(fits.mixed)
    found = {"same_workers": same, "new_workers": new, "difference": difference}
    yield right(found)
    yield mistake(
        "pseudoreplication",
        same_workers=se(fits.readings)[0],
        new_workers=se(fits.mixed_readings)[0],
        difference=se(fits.readings)[1],
        analysis="readings",
        says="All three are too small: 54 attempts are no 54 workers.",
    )
    yield mistake(
        "pseudoreplication",
        same_workers=se(fits.readings_all)[0],
        difference=se(fits.readings_all)[1],
        analysis="attempts",
        says="This holds what an attempt differs from the next only.",
    )
    alone, alone_difference = se(fits.no_blocks)
    yield mistake(
        "blocks_ignored",
        same_workers=alone,
        difference=alone_difference,
        analysis="no workers",
        says="What workers differ by stands in the noise here, even in that of a difference.",
    )
    yield mistake(
        "adjacent_cell",
        {**found, "same_workers": new, "new_workers": same},
        says="The two are exchanged: which one contains the differences between workers?",
    )
    yield mistake(
        "within_only",
        {**found, "new_workers": same},
        says="New workers would differ from these by their level, too.",
    )
    yield mistake(
        "se_of_mean", {**found, "difference": same}, says="(For the same workers, in difference.)"
    )
    yield mistake(
        "se_of_mean", {**found, "difference": new}, says="(For new workers, in difference.)"
    )
    yield mistake(
        "se_of_difference", {**found, "same_workers": difference}, says="(In same_workers.)"
    )
    yield mistake(
        "adjacent_cell",
        {**found, "same_workers": difference, "difference": same},
        says="same_workers and difference are exchanged.",
    )
    yield mistake("variance_for_sd", {name: value**2 for name, value in found.items()})
    total = fits.mixed.variance_components["variance"].sum()
    yield mistake(
        "sd_for_se",
        same_workers=fits.blocked.sigma,
        new_workers=total**0.5,
        difference=(2 * fits.blocked.scale) ** 0.5,
        says="Each mean is one of six workers' means.",
    )
    b = fits.cells[fits.cells["Machine"] == "B"]["score"]
    yield mistake(
        "one_level_only",
        {**found, "new_workers": b.sem()},
        says="It is an honest answer, but takes machine B's six means alone. The mixed model's is "
        "asked, which estimates one variance from all machines.",
    )
    between = fits.mixed.variance_components["variance"].iloc[0]
    yield mistake("between_only", {**found, "new_workers": (between / 6) ** 0.5})
    by_ml = lmer("score ~ Machine + (1|Worker)", fits.cells, reml=False)
    yield mistake(
        "ml_for_reml", same_workers=same, new_workers=se(by_ml)[0], difference=se(by_ml)[1]
    )


@machines.question(
    'Which of the three belongs to the sentence "Workers of this trade reach on average ... points '
    'with machine B, standard error ..."?',
    Word(
        {
            "new_workers": ("new workers", "new"),
            "same_workers": ("same workers", "same"),
            "difference": (),
        }
    ),
    hints=[
        "Of whom does the sentence speak?",
        "A standard error is a promise about repetitions. Who would take part in the next one?",
        "Lesson 2, 'Three standard errors of one mean', says of whom each of them speaks; "
        "m.emmeans('Machine') of the two models shows by how much they differ.",
    ],
)
def claim(fits: Fits) -> Iterator[Way]:
    yield right("new_workers", says="Six workers stand for all of their trade.")
    yield mistake(
        "wrong_choice",
        "same_workers",
        says="That one is for the six who were there; the sentence speaks of all of their trade.",
    )
    yield mistake("wrong_choice", "difference", says="The sentence compares no two machines.")


def _summary(fits: Fits) -> str:
    """Return a model answer for these data."""
    test = fits.blocked.anova().loc["Machine"]
    means = fits.blocked.emmeans("Machine").set_index("Machine")["emmean"]
    shown, open_ = [], []
    for row in fits.blocked.emmeans("Machine").pairs().itertuples():
        low, high = row.contrast.split(" - ")[:: 1 if row.estimate < 0 else -1]
        p = p_value(row.p, 3 if row.p >= 0.001 else 4)
        said = f"{high} scored {abs(row.estimate):.1f} points more than {low} ({p})"
        (shown if row.p < ALPHA else open_).append(said)
    sentences = [
        "Six workers tried each machine three times; their mean scores were analysed with workers "
        f"as blocks. The machines {'differed' if test['p'] < ALPHA else 'were not shown to differ'}"
        f" (F = {test['F']:.1f} on 2 and {fits.blocked.df_resid:.0f} df, {p_value(test['p'], 4)})."
    ]
    if shown:
        sentences.append(f"By Tukey's comparisons {listing(shown)}.")
    if open_:
        sentences.append(
            f"{start(listing(open_))}, but six workers are not enough to be sure of that; it does "
            "not mean that these machines are equal."
        )
    best = means.astype(float).idxmax()
    rest = fits.blocked.resid.abs().to_numpy().argmax()
    cell = fits.cells.iloc[int(rest)]
    sentences.append(
        f"{best} has the highest mean. What the table does not show: worker {cell['Worker']} "
        f"departs most from the others, with machine {cell['Machine']}; one would want to know why."
    )
    return " ".join(sentences)


machines.sentences(
    "conclusion",
    "Which machine should be bought? A report of three to six sentences.",
    Sentences(
        (
            "the test of all machines, with F, both df and p",
            "which pairs differ, by how much, with Tukey's p; no pair is called equal",
            "workers were the blocks, and their number, not that of the attempts, is the evidence",
            "what the tables do not show: workers unlike the others, or how few there were",
        ),
        least=12,
    ),
    hints=[
        "The test, then the pairs, then your advice, then what might speak against it.",
        "Look at your picture of task 2 again: are all lines alike?",
        "Lesson 2, 'Say it in words': a report of this kind; the numbers are in model.anova() and "
        "model.emmeans('Machine').pairs().",
    ],
    model=_summary,
)
