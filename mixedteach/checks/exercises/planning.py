"""Exercise 9: planning a comparison of machines, with the spread that a pilot of 6 workers shows.

Powers are exact wherever theory is: the non-central t of a paired and of a two-sample comparison,
the F of mean squares for a random effect. What students may simulate is judged with the tolerance
of a simulation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from mixedteach.checks.kinds import ByLevel, Numbers, Parts, Picture, Sentences, line_parts
from mixedteach.checks.question import Exercise, FollowOn, Way, mistake, right
from mixedteach.checks.words import count
from mixedteach.datasets import load_machines
from mixedteach.model import MixedModel, lmer
from mixedteach.power.exact import Blocks, of_variance

MODEL = "score ~ Machine + (1|Worker) + (1|Worker:Machine)"
GAIN = 4.0  # points: the difference that would pay
GOAL = 0.8
RUNS = 3  # each worker on each machine, in the pilot
WORKER, RUN = 200, 5  # euros
MOST_RUNS = 6
SMALL = 0.8  # points: the sd between workers in question 6
TEAM, REPLICATES = 16, 2000  # question 7


class Spread(NamedTuple):
    """Variances: between workers, of worker by machine, between runs."""

    worker: float
    pair: float
    run: float

    def difference(self, runs: float = RUNS) -> float:
        """Return the sd of the difference of two machines for one worker."""
        return math.sqrt(2 * (self.pair + self.run / runs))

    def single(self, runs: float = RUNS) -> float:
        """Return the sd of a worker's mean with one machine."""
        return math.sqrt(self.worker + self.pair + self.run / runs)


class Fits:
    """The models of the pilot, each fitted when it is first asked for."""

    def __init__(self, machines: pd.DataFrame) -> None:
        self.data = machines

    @cached_property
    def strata(self) -> MixedModel:
        """The model that the design asks for."""
        return lmer(MODEL, self.data)

    @cached_property
    def worker_only(self) -> MixedModel:
        """Workers have a level each, and nothing else."""
        return lmer("score ~ Machine + (1|Worker)", self.data)

    @cached_property
    def spread(self) -> Spread:
        """The variances by REML."""
        return Spread(*self.strata.variance_components["variance"])

    @cached_property
    def spread_ml(self) -> Spread:
        """The variances by ML."""
        return Spread(*self.strata.by_ml().variance_components["variance"])

    @cached_property
    def found(self) -> float:
        """The difference of machines A and B that the pilot found."""
        return abs(float(self.strata.params["Machine[B]"]))


def simulate(machines: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return another pilot: new workers and new runs, which vary more or less than the original."""
    model = Fits(machines).strata
    sd = np.sqrt(model.variance_components["variance"].to_numpy())
    sd = sd * rng.uniform([0.8, 0.75, 0.75], [1.25, 1.2, 1.3])
    worker, machine = (machines[name].cat.codes.to_numpy() for name in ("Worker", "Machine"))
    while True:
        new = (
            model.predict(random=False).to_numpy()
            + rng.normal(0, 1, 3)[machine]
            + rng.normal(0, sd[0], 6)[worker]
            + rng.normal(0, sd[1], (6, 3))[worker, machine]
            + rng.normal(0, sd[2], len(machines))
        )
        other = machines.assign(score=new.round(1))
        spread = Fits(other).spread
        designs = _designs(lambda n, k, of=spread: paired(n, of.difference(k)))
        costs = sorted(_cost(*design) for design in designs)
        # one design is the cheapest, and no power is near 0 or 1
        if costs[0] < costs[1] and 10 <= designs[0][0] <= 30:
            return other


planning = Exercise("planning", lesson="09_power", data=load_machines, work=Fits, simulate=simulate)

# -- powers by formula -----------------------------------------------------------------------------


def t_power(delta: float, df: float, critical: float | None = None, sides: int = 2) -> float:
    """Return the power of a t test with non-centrality delta: P(|T'| > critical)."""
    if critical is None:
        critical = float(special.stdtrit(df, 1 - 0.05 / sides))
    if sides == 1:
        return 1 - float(special.nctdtr(df, delta, critical))
    return 1 - float(special.ncfdtr(1, df, delta**2, critical**2))  # t'^2 is F'


def z_power(delta: float) -> float:
    """Return the power of a two-sided z test."""
    critical = special.ndtri(0.975)
    return float(special.ndtr(delta - critical) + special.ndtr(-delta - critical))


def paired(n: float, sd: float, gain: float = GAIN, sides: int = 2) -> float:
    """Return the power of a paired t test with n workers."""
    return t_power(gain * math.sqrt(n) / sd, n - 1, sides=sides)


def two_groups(n: float, sd: float, gain: float = GAIN, sides: int = 2) -> float:
    """Return the power of a two-sample t test with n workers in each group."""
    return t_power(gain * math.sqrt(n / 2) / sd, 2 * n - 2, sides=sides)


def smallest(power: Callable[[int], float], start: int = 2) -> int:
    """Return the smallest n whose power reaches the goal."""
    n = start
    while power(n) < GOAL:
        n += 1
    return n


def _sd_of(earlier: Parts, name: str) -> float:
    """Return a student's own standard deviation, if a plan can be made with it."""
    sd = float(earlier[name]) if name in earlier else math.nan
    if not 0.2 <= sd <= 60:
        raise ValueError("no plan follows from this standard deviation")
    return sd


def _pairs_from(earlier: Parts, right: Parts, here: Parts) -> Parts:
    """Return the workers that follow from the student's own sd of a difference."""
    sd = _sd_of(earlier, "difference")
    return _needed(lambda n: paired(n, sd))


def _groups_from(earlier: Parts, right: Parts, here: Parts) -> Parts:
    """Return the workers that follow from the student's own sd of a single mean."""
    sd = _sd_of(earlier, "single")
    n = smallest(lambda n: two_groups(n, sd))
    return {"per_machine": n, "total": 2 * n, "power": two_groups(n, sd)}


def _solved(power: Callable[[float], float], n: int) -> float | None:
    """Return the fraction of a worker at which the goal is met, unless it is nearly n."""
    from scipy.optimize import brentq

    exact = float(brentq(lambda m: power(m) - GOAL, n - 1, n))
    return exact if n - exact > 0.6 else None


def _needed(power: Callable[[int], float], name: str = "workers") -> Parts:
    n = smallest(power)
    return {name: n, "power": power(n)}


# -- what the pilot says ---------------------------------------------------------------------------


@planning.question(
    "From the pilot's variances by REML: the standard deviation, over workers, of the difference "
    "of two machines, and of a worker's mean with one machine; means of three runs",
    Numbers({"difference": 0.0011, "single": 0.0011}),
    hints=[
        "A worker's mean with a machine has three parts that vary: the worker, what the worker "
        "does with this machine in particular, and the mean of three runs. Which of them cancel "
        "in a difference?",
        "Variances add up, in a difference, too; a mean of three runs has a third of a run's.",
        "Lesson 9, 'What the plan assumes' and 'Why readings stop helping'; "
        "m.variance_components has the variances.",
    ],
)
def sds(fits: Fits) -> Iterator[Way]:
    s = fits.spread

    def parts(of: Spread, runs: float = RUNS) -> Parts:
        return {"difference": of.difference(runs), "single": of.single(runs)}

    found = parts(s)
    yield right(
        found,
        says="Workers cancel in a difference; what one does with a certain machine does not.",
    )
    yield mistake("ml_for_reml", parts(fits.spread_ml))
    yield mistake("one_reading", parts(s, 1))
    yield mistake("wrong_n", parts(s, RUNS**2), says="The variance of a mean of n is a nth of it.")
    yield mistake(
        "variance_for_sd", {name: value**2 for name, value in found.items()}
    )  # fmt: skip
    between, within = fits.worker_only.variance_components["variance"]
    yield mistake(
        "strata_missing", parts(Spread(between, 0.0, within)),
        says="(1|Worker:Machine) is not in the model.",
    )  # fmt: skip
    yield mistake(
        "within_only", found | {"difference": math.sqrt(2 * s.run / RUNS)},
        says="(For means of three, as the sd of a difference.) What a worker does with one "
        "machine in particular does not cancel.",
    )  # fmt: skip
    yield mistake("sd_of_one", found | {"difference": s.difference() / math.sqrt(2)})
    yield mistake(
        "unpaired", found | {"difference": math.sqrt(2) * s.single()},
        says="The workers' own levels cancel in a difference.",
    )  # fmt: skip
    yield mistake(
        "se_for_sd",
        {"difference": s.difference() / math.sqrt(6), "single": s.single() / math.sqrt(6)},
    )
    roots = sum(map(math.sqrt, (s.worker, s.pair, s.run / RUNS)))
    yield mistake(
        "sd_for_variance", found | {"single": roots},
        says="Variances add up, standard deviations do not.",
    )  # fmt: skip
    yield mistake("between_only", found | {"single": math.sqrt(s.worker)},
                  says="(As a standard deviation.)")  # fmt: skip
    yield mistake(
        "between_forgotten", found | {"single": math.sqrt(s.pair + s.run / RUNS)},
    )  # fmt: skip
    means = fits.data.groupby(["Worker", "Machine"], observed=True)["score"].mean().unstack()
    yield mistake(
        "part_of_data", found | {"difference": (means["B"] - means["A"]).std()},
        says="It is the spread of the differences of A and B; machine C tells about it, too.",
    )  # fmt: skip


# -- how many workers ------------------------------------------------------------------------------


@planning.question(
    "Each worker tries both machines, three runs each: how many workers find a difference of 4 "
    "points with a power of at least 0.8 (paired t test, two-sided, alpha .05), and the power then",
    Numbers({"workers": 0.05, "power": 0.00051}, whole=True),
    hints=[
        "What is the sd of the differences, what the difference to be found, what the df?",
        "power = P(|t'| > critical t), t' with n - 1 df and non-centrality 4 sqrt(n) / sd. Try one "
        "n after the other.",
        "Lesson 9, 'Fit 2: by formula': mt.power_curve(plan, 'Machine', along={'Worker': "
        "[...]}) on a plan by mt.planned with (1|Worker) only, whose 'Residual' is the sd of the "
        "differences over sqrt(2). Or statsmodels' TTestPower.",
    ],
    follows=FollowOn("sds", compute=_pairs_from),
)
def pairs_needed(fits: Fits) -> Iterator[Way]:
    s = fits.spread
    sd = s.difference()
    found = _needed(lambda n: paired(n, sd))
    n = round(found["workers"])
    yield right(found)
    yield mistake("rounded_down", {"workers": n - 1, "power": paired(n - 1, sd)})
    yield mistake("beta_for_power", found | {"power": 1 - found["power"]})
    if exact := _solved(lambda n: paired(n, sd), n):
        yield mistake("not_whole", {"workers": exact, "power": GOAL})
    by_z = _needed(lambda n: z_power(GAIN * math.sqrt(n) / sd))
    yield mistake("z_for_t", by_z)
    if by_z["workers"] < n:  # else it is the power that is right
        yield mistake("z_for_t", by_z | {"power": paired(by_z["workers"], sd)})
    yield mistake("one_sided", _needed(lambda n: paired(n, sd, sides=1)))
    yield mistake(
        "wrong_effect", _needed(lambda n: paired(n, sd, GAIN / 2)),
        says="The difference was halved: 4 points lie between the machines, not on each side.",
    )  # fmt: skip
    yield mistake("observed_effect", _needed(lambda n: paired(n, sd, fits.found)))
    yield mistake("sd_of_one", _needed(lambda n: paired(n, sd / math.sqrt(2))))
    yield mistake("se_for_sd", _needed(lambda n: paired(n, sd / math.sqrt(6))))
    yield mistake("variance_for_sd", _needed(lambda n: paired(n, sd**2)))
    yield mistake(
        "within_only", _needed(lambda n: paired(n, math.sqrt(2 * s.run / RUNS))),
        says="Workers also differ in what they do with one machine in particular.",
    )  # fmt: skip

    def by_runs(n: int) -> float:
        return paired(RUNS * n, s.difference(1))

    yield mistake(
        "pseudoreplication", _needed(by_runs),
        says="Three runs were counted as three workers.",
    )  # fmt: skip
    separate = _needed(lambda n: two_groups(n, s.single()))
    yield mistake("unpaired", separate, says="(Workers for each machine.)")
    yield mistake("unpaired", separate | {"workers": 2 * separate["workers"]}, says="(In all.)")
    # half of them wrongly: two groups' formula with the sd of differences
    yield mistake(
        "wrong_count", _needed(lambda n: two_groups(n, sd)),
        says="The formula of two separate groups was used with the sd of differences.",
    )  # fmt: skip


@planning.question(
    "The same, if every worker tries one machine only: workers for each machine, in all, and the "
    "power then (two-sample t test)",
    Numbers({"per_machine": 0.05, "total": 0.05, "power": 0.00051}, whole=True),
    hints=[
        "Now the workers' own levels do not cancel. Which of your two sd is it?",
        "t' has 2 n - 2 df, n workers for each machine, and the non-centrality 4 sqrt(n / 2) / sd.",
        "Lesson 9, 'The same in R and in statsmodels'. In statsmodels: "
        "TTestIndPower, whose nobs1 are those of one group.",
    ],
    follows=FollowOn("sds", compute=_groups_from),
)
def groups_needed(fits: Fits) -> Iterator[Way]:
    s = fits.spread
    sd = s.single()

    def parts(power: Callable[[int], float]) -> Parts:
        n = smallest(power)
        return {"per_machine": n, "total": 2 * n, "power": power(n)}

    found = parts(lambda n: two_groups(n, sd))
    n = round(found["per_machine"])
    yield right(found, says="So much is it worth to let everybody try both machines.")
    yield mistake(
        "rounded_down",
        {"per_machine": n - 1, "total": 2 * n - 2, "power": two_groups(n - 1, sd)},
    )
    yield mistake("total_for_group", found | {"per_machine": 2 * n, "total": 4 * n})
    yield mistake("total_for_group", found | {"per_machine": n / 2, "total": n},
                  says="The number for one machine was taken for that in all.")  # fmt: skip
    yield mistake("total_for_group", found | {"per_machine": 2 * n, "total": n},
                  says="The two numbers are exchanged.")  # fmt: skip
    yield mistake("beta_for_power", found | {"power": 1 - found["power"]})
    if exact := _solved(lambda n: two_groups(n, sd), n):
        yield mistake("not_whole", {"per_machine": exact, "total": 2 * exact, "power": GOAL})
    by_z = parts(lambda n: z_power(GAIN * math.sqrt(n / 2) / sd))
    yield mistake("z_for_t", by_z)
    if by_z["per_machine"] < n:
        yield mistake("z_for_t", by_z | {"power": two_groups(by_z["per_machine"], sd)})
    yield mistake("one_sided", parts(lambda n: two_groups(n, sd, sides=1)))
    yield mistake("wrong_effect", parts(lambda n: two_groups(n, sd, GAIN / 2)),
                  says="The difference was halved.")  # fmt: skip
    yield mistake("observed_effect", parts(lambda n: two_groups(n, sd, fits.found)))
    yield mistake(
        "between_forgotten", parts(lambda n: two_groups(n, s.difference() / math.sqrt(2)))
    )
    yield mistake(
        "sd_of_difference", parts(lambda n: two_groups(n, s.difference())),
    )  # fmt: skip
    yield mistake("variance_for_sd", parts(lambda n: two_groups(n, sd**2)))
    yield mistake(
        "pseudoreplication", parts(lambda n: two_groups(RUNS * n, s.single(1))),
        says="Three runs were counted as three workers.",
    )  # fmt: skip
    pairs = smallest(lambda n: paired(n, s.difference()))
    yield mistake(
        "paired_for_unpaired",
        {"per_machine": pairs, "total": 2 * pairs, "power": paired(pairs, s.difference())},
    )
    yield mistake(
        "paired_for_unpaired",
        {"per_machine": pairs / 2, "total": pairs, "power": paired(pairs, s.difference())},
        says="(Divided by two.)",
    )


# -- a picture of it -------------------------------------------------------------------------------

WORKERS = (4, 8, 12, 16, 20, 24)


@planning.question(
    "Power against the number of workers in all (4, 8, ..., 24): both machines each with one run, "
    "both with twelve runs, and separate groups (half of the workers each) with three",
    Picture(3, 6, decimals=0.0021),
    hints=[
        "Workers are along the axis; three designs, three lines of six points.",
        "Only the sd changes with the number of runs. In separate groups n is half of the workers.",
        "Lesson 9, 'Both ways in one picture' and 'Fit 3: planks or readings?': a table "
        "with the columns workers, design and power, for mt.plot.interaction.",
    ],
)
def curves(fits: Fits) -> Iterator[Way]:
    s = fits.spread

    def lines(gain: float = GAIN, sides: int = 2, half: int = 2) -> list[list[float]]:
        both = [[paired(n, s.difference(runs), gain, sides) for n in WORKERS] for runs in (1, 12)]
        apart = [two_groups(n / half, s.single(), gain, sides) for n in WORKERS]
        return [*both, apart]

    found = lines()
    yield right(
        line_parts(found),
        says="Twelve times the runs gain next to nothing; more workers do.",
    )
    yield mistake(
        "total_for_group", line_parts(lines(half=1)),
        says="In the separate groups the workers are counted for each machine, not in all.",
    )  # fmt: skip
    yield mistake("one_sided", line_parts(lines(sides=1)))
    yield mistake("wrong_effect", line_parts(lines(GAIN / 2)), says="The difference was halved.")
    yield mistake("observed_effect", line_parts(lines(fits.found)))
    counted = [[paired(runs * n, s.difference(1)) for n in WORKERS] for runs in (1, 12)]
    yield mistake(
        "pseudoreplication", line_parts([*counted, found[2]]),
        says="Runs are counted as workers.",
    )  # fmt: skip
    alone = [[paired(n, math.sqrt(2 * s.run / runs)) for n in WORKERS] for runs in (1, 12)]
    yield mistake(
        "within_only", line_parts([*alone, found[2]]),
        says="Workers also differ in what they do with one machine in particular.",
    )  # fmt: skip
    forgotten = [two_groups(n / 2, s.difference() / math.sqrt(2)) for n in WORKERS]
    yield mistake("between_forgotten", line_parts([*found[:2], forgotten]))
    yield mistake("beta_for_power", line_parts([[1 - p for p in line] for line in found]))
    yield mistake(
        "axes_exchanged", line_parts(np.transpose(found)),
        says="Workers should be along the axis, and a line for each design.",
    )  # fmt: skip


# -- what it costs ---------------------------------------------------------------------------------


def _cost(n: int, runs: int) -> int:
    return n * (WORKER + 2 * runs * RUN)


def _designs(power: Callable[[int, int], float]) -> list[tuple[int, int]]:
    """Return the smallest number of workers for each number of runs."""
    return [
        (smallest(lambda n, runs=runs: power(n, runs)), runs) for runs in range(1, MOST_RUNS + 1)
    ]


def _cheapest(power: Callable[[int, int], float]) -> Parts:
    n, runs = min(_designs(power), key=lambda design: _cost(*design))
    return {"workers": n, "runs": runs, "cost": _cost(n, runs), "power": power(n, runs)}


@planning.question(
    "A worker costs 200 euros, a run 5; everybody tries both machines with 1 to 6 runs each: the "
    "cheapest design with a power of at least 0.8 for 4 points, its cost in euros, its power",
    Numbers({"workers": 0.05, "runs": 0.05, "cost": 0.51, "power": 0.00051}, whole=True),
    hints=[
        "For each number of runs there is a smallest number of workers. Six designs: what does "
        "each cost?",
        "n workers cost n (200 + 2 runs x 5). More runs make the sd of a difference smaller, "
        "but only a part of it.",
        "Lesson 9, 'What does it cost?' and 'A rule of thumb'.",
    ],
)
def cheapest(fits: Fits) -> Iterator[Way]:
    s = fits.spread

    def power(n: int, runs: int) -> float:
        return paired(n, s.difference(runs))

    found = _cheapest(power)
    n, runs = round(found["workers"]), round(found["runs"])
    yield right(
        found, says="More runs make the runs' share of the variance smaller, and nothing else."
    )

    def design(n: int, runs: int) -> Parts:
        return {"workers": n, "runs": runs, "cost": _cost(n, runs), "power": power(n, runs)}

    yield mistake("rounded_down", design(n - 1, runs))
    yield mistake("wrong_cost", found | {"cost": n * (WORKER + runs * RUN)},
                  says="The runs on the other machine cost as much again.")  # fmt: skip
    yield mistake("wrong_cost", found | {"cost": n * WORKER + 2 * runs * RUN},
                  says="Every worker makes these runs.")  # fmt: skip
    for other in range(1, MOST_RUNS + 1):
        if other != runs:
            needed = smallest(lambda n, other=other: power(n, other))
            yield mistake("dearer_design", design(needed, other))
    yield mistake(
        "pseudoreplication", _cheapest(lambda n, runs: paired(runs * n, s.difference(1))),
        says="Runs are counted as workers: then workers seem to be replaceable.",
    )  # fmt: skip
    yield mistake(
        "within_only", _cheapest(lambda n, runs: paired(n, math.sqrt(2 * s.run / runs))),
        says="Workers also differ in what they do with one machine in particular.",
    )  # fmt: skip
    yield mistake("one_sided", _cheapest(lambda n, runs: paired(n, s.difference(runs), sides=1)))
    yield mistake(
        "z_for_t", _cheapest(lambda n, runs: z_power(GAIN * math.sqrt(n) / s.difference(runs)))
    )
    yield mistake(
        "sd_of_one", _cheapest(lambda n, runs: paired(n, s.difference(runs) / math.sqrt(2)))
    )
    yield mistake("beta_for_power", found | {"power": 1 - found["power"]})


# -- the power of a random effect ------------------------------------------------------------------

SPLITS = {"3 x 12": (3, 12), "6 x 6": (6, 6), "12 x 3": (12, 3), "18 x 2": (18, 2)}


@planning.question(
    "Do workers differ on one machine? 36 runs, as 3 workers x 12, 6 x 6, 12 x 3 or 18 x 2: the "
    "power of the likelihood ratio test of (1|Worker) by REML, if the sd between workers is 0.8 "
    "points and that of runs as in the pilot",
    ByLevel(tuple(SPLITS), {"power": 0.0021}),
    hints=[
        "No fixed effect but the mean: score ~ 1 + (1|Worker). What is what varies in a run?",
        "mt.power_of(plan, '(1|Worker)') has a formula for this and needs no simulation.",
        "Lesson 9, 'More than means: the power for a variance': mt.planned(..., "
        "mt.crossed(Worker=6, run=6), fixed={'Intercept': 60}, "
        "sd={'Worker': 0.8, 'Residual': ...}).",
    ],
)
def split(fits: Fits) -> Iterator[Way]:
    run = fits.spread.run

    def blocks(g: int, k: int, between: float = SMALL**2, within: float = run) -> Blocks:
        return Blocks(g, k, 1, k * between / within, reml=True)

    def each(power: Callable[[int, int], float]) -> Parts:
        return {name: power(*design) for name, design in SPLITS.items()}

    def f_test(g: int, k: int) -> float:
        of = blocks(g, k)
        critical = special.fdtri(g - 1, of.within, 0.95)
        return float(special.fdtrc(g - 1, of.within, critical / (1 + of.ratio)))

    def fixed(g: int, k: int) -> float:
        of = blocks(g, k)
        critical = special.fdtri(g - 1, of.within, 0.95)
        return 1 - float(special.ncfdtr(g - 1, of.within, (g - 1) * of.ratio, critical))

    found = each(lambda g, k: of_variance(blocks(g, k), 0.05))
    yield right(
        found,
        says="Three workers say little about workers, two runs little about a worker.",
    )
    yield mistake("f_for_lr", each(f_test), says="It is the F test of an ANOVA, which is exact.")
    yield mistake("blocks_fixed", each(fixed), says="The effects of new workers are drawn anew.")
    yield mistake("wrong_alpha", each(lambda g, k: of_variance(blocks(g, k), 0.1)))
    yield mistake(
        "ml_for_reml",
        each(lambda g, k: of_variance(replace(blocks(g, k), reml=False), 0.05)),
    )
    yield mistake(
        "adjacent_cell", each(lambda g, k: of_variance(blocks(k, g), 0.05)),
        says="Workers and runs are exchanged.",
    )  # fmt: skip
    rooted = each(lambda g, k: of_variance(blocks(g, k, SMALL, math.sqrt(run)), 0.05))
    yield mistake(
        "sd_for_variance", rooted,
        says="Squares of the standard deviations belong in the ratio.",
    )  # fmt: skip
    yield mistake(
        "variance_for_sd", each(lambda g, k: of_variance(blocks(g, k, within=run**2), 0.05)),
        says="The variance of runs was taken for their standard deviation.",
    )  # fmt: skip
    yield mistake(
        "beta_for_power", {name: 1 - value for name, value in found.items()}
    )  # fmt: skip


# -- a contrast after Tukey ------------------------------------------------------------------------


@planning.question(
    "Three machines, 16 workers, three runs each, all pairs compared by Tukey: the SE of a "
    "difference; how large |t| must be; the power to find 4 points between A and B, by formula or "
    "simulated with 2000 replicates; the Monte-Carlo standard error of such a simulation",
    Numbers({"SE": 0.0011, "critical": 0.0011, "power": 0.035, "mc_error": 0.0006}),
    hints=[
        "What are the df of a difference of machines with 16 workers? What is drawn 2000 times?",
        "Tukey's q belongs to sqrt(2) |t|. A share p of R replicates has the standard error "
        "sqrt(p (1 - p) / R), whatever was simulated.",
        "Lesson 9, 'More than one F test: a single pair' and 'How many replicates?': "
        "mt.power_of(plan, 'A - B', means='Machine', replicates=2000); "
        "scipy.stats.studentized_range.ppf(0.95, 3, df).",
    ],
)
def tukey(fits: Fits) -> Iterator[Way]:
    s = fits.spread
    df, se = 2 * (TEAM - 1), s.difference() / math.sqrt(TEAM)

    def parts(critical: float, df: float = df) -> Parts:
        power = t_power(GAIN / se, df, critical)
        error = math.sqrt(power * (1 - power) / REPLICATES)
        return {"SE": se, "critical": critical, "power": power, "mc_error": error}

    found = parts(_tukey(df))
    spread = found["mc_error"] * math.sqrt(REPLICATES)
    yield right(found, says="A simulation of 2000 replicates is good to two or three hundredths.")
    yield mistake("unadjusted", parts(float(special.stdtrit(df, 0.975))))
    yield mistake("bonferroni", parts(float(special.stdtrit(df, 1 - 0.025 / 3))))
    yield mistake("single_pair", parts(float(special.stdtrit(TEAM - 1, 0.975)), TEAM - 1))
    yield mistake("z_for_t", found | {"critical": _tukey(np.inf)})
    yield mistake("residual_df", parts(_tukey(9 * TEAM - 3), 9 * TEAM - 3))
    yield mistake("q_for_t", found | {"critical": _tukey(df) * math.sqrt(2)})
    yield mistake("sd_for_se", found | {"SE": s.difference()})
    yield mistake("se_of_mean", found | {"SE": s.single() / math.sqrt(TEAM)})
    yield mistake(
        "sd_of_one", found | {"SE": se / math.sqrt(2)}, says="(In the standard error.)"
    )  # fmt: skip
    yield mistake(
        "pseudoreplication", found | {"SE": s.difference(1) / math.sqrt(RUNS * TEAM)},
        says="Three runs were counted as three workers.",
    )  # fmt: skip
    yield mistake(
        "within_only", found | {"SE": math.sqrt(2 * s.run / RUNS / TEAM)},
        says="Workers also differ in what they do with one machine in particular.",
    )  # fmt: skip
    yield mistake("interval_for_se", found | {"mc_error": 1.96 * found["mc_error"]})
    yield mistake("variance_for_sd", found | {"mc_error": found["mc_error"] ** 2},
                  says="(In the Monte-Carlo error.)")  # fmt: skip
    yield mistake("sd_for_se", found | {"mc_error": spread},
                  says="(Of one replicate, which rejects or does not.)")  # fmt: skip


def _tukey(df: float) -> float:
    """Return how large |t| must be if three means are compared by Tukey."""
    from scipy import stats

    return float(stats.studentized_range.ppf(0.95, 3, df)) / math.sqrt(2)


# -- in words --------------------------------------------------------------------------------------


def _summary(fits: Fits) -> str:
    """Return a model answer for these data."""
    s = fits.spread
    plan = _cheapest(lambda n, runs: paired(n, s.difference(runs)))
    n, runs = int(plan["workers"]), int(plan["runs"])
    sd = s.difference(runs)
    apart = 2 * smallest(lambda n: two_groups(n, s.single()))
    return (
        "A difference of 4 points between the machines is to be found by a paired t-test of the "
        f"workers' results (two-sided, alpha 0.05) with a power of {plan['power']:.2f}: {n} "
        f"workers, {count(runs)} run{'s' * (runs > 1)} each on both machines, "
        f"{plan['cost']:.0f} euros. The standard deviation of a worker's difference, {sd:.1f} "
        "points, is that of a pilot of six workers and poorly known; were it 25% larger, the power "
        f"would be {paired(n, 1.25 * sd):.2f}, so a few workers more should be at hand. Separate "
        f"groups (three runs each) would need {apart} workers. To the colleague: the power at the "
        "difference found follows from p (p = 0.3 always means a low one) and says nothing that p "
        "does not. What matters is the interval: whether a difference of 4 points is still "
        "possible."
    )


planning.sentences(
    "conclusion",
    "The paragraph of the plan: effect, test, alpha, power, design, cost; where the spread comes "
    "from; and an answer to the colleague who wants the observed power",
    Sentences(
        (
            "names the difference that matters with its unit, the test, alpha, power, and the "
            "design with its cost (1 point)",
            "says where the standard deviations come from, that six workers estimate them poorly, "
            "and what follows (some workers more, or a look at a larger sd) (1 point)",
            "answers that the power at the effect that was found says no more than its p; an "
            "interval for the difference says what is still possible (1 point)",
        ),
        least=25,
    ),
    hints=[
        "Somebody should be able to compute your number of workers again from the paragraph.",
        "How sure are you of a variance between workers, from six of them? And what does a power "
        "computed from the estimate itself add to its p?",
        "Lesson 9, 'Say it in words', 'A second mistake: power from the result' and 'A third "
        "mistake: believing the pilot'.",
    ],
    model=_summary,
)
