"""Replicates of an experiment, in chunks that may be computed anywhere.

Every chunk of 25 replicates has a random stream of its own: child (experiment, chunk) of the
seed's sequence. So it does not matter who computes it, or how often: one core, several and a
cluster count the same, and a chunk that was lost with its worker is simply done again.

An experiment travels as bytes, packed once: small, and part of every task, so that nothing that
is needed lives on one worker only.

Source: O'Neill (2014) for seed sequences that can be split; NumPy's ``SeedSequence``.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from mixedteach.errors import FitError, InferenceError, MixedTeachWarning, shown
from mixedteach.fitting.general import refit_near
from mixedteach.formula import parse, split_outside
from mixedteach.general import gls
from mixedteach.model import MixedModel, lmer
from mixedteach.power.planned import Part, PlannedModel, draw, root
from mixedteach.power.questions import Bound, Question
from mixedteach.power.residuals import Noise, PlannedResiduals
from mixedteach.progress import progress

Array = np.ndarray

CHUNK = 25  # fixed: another number gives other streams


@dataclass(frozen=True)
class Recipe:
    """One experiment as plain data: what is needed to draw responses and to fit them."""

    formula: str
    response: str
    frame: pd.DataFrame
    mean: Array
    bases: tuple[Array, ...]
    roots: tuple[Array, ...]
    sigma: float
    reml: bool
    ddf: str
    questions: tuple[Question, ...]
    residuals: PlannedResiduals | None = None

    def noise(self) -> Noise | None:
        """Return how residuals are drawn; None if they are independent with one variance."""
        return None if self.residuals is None else Noise(self.residuals, self.frame, self.sigma)

    def packed(self) -> bytes:
        """Return the recipe as bytes."""
        return pickle.dumps(self, protocol=5)


def recipe(plan: PlannedModel, questions: Sequence[Question] = ()) -> Recipe:
    """Write down an experiment; means and slopes come from the plan's own coding."""
    response = "response"
    while response in plan.frame.columns:
        response += "_"
    own = plan.residuals
    more = [] if own is None else [*own.groups, *own.others]
    names = dict.fromkeys([*plan.formula.variables(), *more])
    used = [name for name in names if name in plan.frame.columns]
    frame = plan.frame[used].reset_index(drop=True)
    return Recipe(
        f"{response} ~{split_outside(plan.formula.text, '~')[1]}",
        response,
        frame,
        plan.mean(frame),
        tuple(term.design.rows(frame) for term in plan.random),
        tuple(root(cov) for cov in plan.covariances),
        plan.sigma,
        plan.reml,
        plan.default_ddf,
        tuple(questions),
        own,
    )


class Experiment:
    """A recipe made ready: a fitted model to refit, and its tests.

    Attributes
    ----------
    base : MixedModel
        A fit to one drawn response.
    bound : list of Bound
        The tests.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.noise = recipe.noise()
        self.base = _first_fit(recipe, self.noise)
        self.parts: list[Part] = [
            (term.codes, term.groups, basis, low)
            for term, basis, low in zip(self.base.random, recipe.bases, recipe.roots, strict=True)
        ]
        # with a residual covariance the search has many starts; near the truth one is enough
        self.warm: Array | None = None
        if self.noise is not None:
            rng = np.random.default_rng(0)
            y = draw(recipe.mean, self.parts, recipe.sigma, rng, self.noise)
            try:
                self.warm = self.base.refit(y).fit.warm
            except FitError:
                self.warm = self.base.fit.warm
        self.bound: list[Bound] = [question.bind(self.base) for question in recipe.questions]
        every = all(bound.many is not None for bound in self.bound)
        self.together = every and self.base.batch is not None

    def refit(self, y: Array) -> MixedModel:
        """Fit the model to a drawn response."""
        if self.warm is None:
            return self.base.refit(y)
        base = self.base
        return base.with_fit(refit_near(base.fit.problem, y, base.reml, self.warm))

    def replicates(self, rng: np.random.Generator, count: int) -> tuple[Array, Array]:
        """Draw, fit and test `count` times.

        Returns p-values (count, tests), NaN where there are none, and which fits are at the
        boundary (count,).
        """
        recipe = self.recipe
        Y = [draw(recipe.mean, self.parts, recipe.sigma, rng, self.noise) for _ in range(count)]
        if self.together:
            fits = self.base.refits(np.array(Y))
            p = [bound.many(fits) for bound in self.bound if bound.many is not None]
            return np.array(p).reshape(len(self.bound), count).T, fits.boundary.to_numpy()
        found = [self._alone(y) for y in Y]
        return np.array([p for p, _ in found]), np.array([zero for _, zero in found])

    def _alone(self, y: Array) -> tuple[list[float], bool]:
        try:
            m = self.refit(y)
        except (FitError, np.linalg.LinAlgError):
            return [np.nan] * len(self.bound), False
        out = []
        for bound in self.bound:
            try:
                out.append(bound.pvalue(m))
            except (FitError, np.linalg.LinAlgError):
                out.append(np.nan)
        return out, bool(m.fit.optimum.zero.any())


def _first_fit(recipe: Recipe, noise: Noise | None) -> MixedModel:
    """Fit one drawn response; the data of all others differ in the response only."""
    options: dict[str, Any] = {"reml": recipe.reml, "ddf": recipe.ddf}
    if recipe.residuals is not None:
        options["correlation"] = recipe.residuals.correlation
        options["variance"] = recipe.residuals.variance
    fit = lmer if parse(recipe.formula).bars else gls
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedTeachWarning)
        for attempt in range(5):
            y = draw(recipe.mean, [], recipe.sigma, rng, noise)
            frame = recipe.frame.assign(**{recipe.response: y})
            try:
                return fit(recipe.formula, frame, **options)
            except FitError:
                if attempt == 4:
                    raise
    raise AssertionError


@lru_cache(maxsize=4)
def experiment(packed: bytes) -> Experiment:
    """Unpack an experiment; a worker does this once, not for every chunk."""
    return Experiment(pickle.loads(packed))


def chunk(packed: bytes, entropy: int, key: tuple[int, int], count: int, alpha: float) -> Array:
    """Compute `count` replicates of one experiment.

    Returns
    -------
    ndarray of int, shape (tests + 1, 2)
        For each test how many p-values were below alpha, and how many there were none of; last,
        how many fits were at the boundary, and zero.
    """
    own = experiment(packed)
    rng = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=key))
    out = np.zeros((len(own.bound) + 1, 2), int)
    p, boundary = own.replicates(rng, count)
    out[:-1, 0] = (p < alpha).sum(axis=0)
    out[:-1, 1] = np.isnan(p).sum(axis=0)
    out[-1, 0] = boundary.sum()
    return out


def run(
    packed: Sequence[bytes], replicates: int, alpha: float, entropy: int, n_jobs: int | None
) -> list[Array]:
    """Compute all replicates of all experiments; sums of what :func:`chunk` returns.

    `n_jobs` is joblib's; None takes what a surrounding ``joblib.parallel_config`` says (one core
    without it). A progress bar appears after a second if the error stream is a terminal.
    """
    from joblib import Parallel, delayed

    tasks = [
        (i, (i, j), min(CHUNK, replicates - j * CHUNK))
        for i in range(len(packed))
        for j in range(-(-replicates // CHUNK))
    ]
    work = Parallel(n_jobs=n_jobs, return_as="generator")
    counts = work(delayed(chunk)(packed[i], entropy, key, n, alpha) for i, key, n in tasks)
    sums: list[Any] = [0] * len(packed)
    try:
        with progress(len(tasks) * CHUNK, "power") as bar:
            for (i, _, _), found in zip(tasks, _watched(counts, bar), strict=True):
                sums[i] = sums[i] + found
    except KeyboardInterrupt:
        _end_workers()
        raise
    return sums


def _end_workers() -> None:
    """End joblib's own processes, which else would work on and wait for more."""
    from joblib.externals.loky import reusable_executor

    executor = reusable_executor._executor  # asking for it would start one
    if executor is not None:
        executor.shutdown(wait=True, kill_workers=True)


def _watched(counts: Iterable[Array], bar: Any) -> Iterator[Array]:
    for found in counts:
        bar.update(CHUNK)
        yield found


def check_jobs(n_jobs: Any) -> int | None:
    """Return a number of processes that joblib takes."""
    whole = isinstance(n_jobs, (int, np.integer)) and not isinstance(n_jobs, bool)
    if n_jobs is not None and (not whole or n_jobs == 0):
        raise InferenceError(
            f"n_jobs={shown(n_jobs)} must be a whole number of processes, as in n_jobs=2, or -1 "
            "for all cores."
        )
    return n_jobs


def entropy_of(seed: Any) -> int:
    """Return the entropy of the streams: the seed, or a new one."""
    if seed is None:
        return int(np.random.SeedSequence().entropy)  # type: ignore[arg-type]
    whole = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
    if not whole or seed < 0:
        raise InferenceError(f"seed={shown(seed)} must be a whole number, as in seed=1, or None.")
    return int(seed)
