"""What is asked of a fit: the test of a term, a coefficient, a random effect or a contrast.

A :class:`Question` is text and can be sent to another process; bound to a fitted model of one
experiment it becomes a function from a fit to its p-value. What does not depend on the response
(hypothesis matrices, reduced models) is made once.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special

from mixedteach.errors import InferenceError, did_you_mean, listed, one_of, shown
from mixedteach.fitting.batch import Batch, together
from mixedteach.fitting.blocks import entries
from mixedteach.fitting.general import GeneralProblem, refit_near
from mixedteach.fitting.lmm import Problem
from mixedteach.fitting.residual.covariance import Residual
from mixedteach.general import GeneralModel
from mixedteach.inference import adjust as adjustment
from mixedteach.inference import many
from mixedteach.inference.anova import TYPES, contrasts
from mixedteach.inference.containment import Containment
from mixedteach.inference.distributions import f_pvalue, t_pvalue, tukey_pvalue
from mixedteach.inference.functions import Method, PlainMethod, variances
from mixedteach.inference.ranova import Reduction, linear_loglik, reductions
from mixedteach.model import MixedModel
from mixedteach.refits import Refits

Array = np.ndarray
PValue = Callable[[MixedModel], float]

ANY, ALL = "any", "all"
_TITLES = {1: "type I", 2: "type II", 3: "type III", "marginal": "marginal"}


@dataclass(frozen=True)
class Question:
    """A test as it was asked for.

    Attributes
    ----------
    name : str
        The term, coefficient, random effect or contrast; ``'any'`` or ``'all'`` of the contrasts.
    kind : {'term', 'coefficient', 'random', 'contrast', 'residual'}
    ddf, type
        As in ``anova()``.
    means : str
        The factor whose means are compared.
    adjust : str
    weights : tuple, optional
        Labels and weights of contrasts that are not pairs.
    """

    name: str
    kind: str
    ddf: str | None = None
    type: int | str = 3
    means: Any = None
    adjust: str = "tukey"
    weights: tuple[tuple[str, tuple[float, ...]], ...] = ()

    def bind(self, base: MixedModel) -> Bound:
        """Return the test for fits of one experiment, `base` being one of them."""
        return _BIND[self.kind](self, base)


@dataclass(frozen=True)
class Bound:
    """A test bound to one experiment.

    Attributes
    ----------
    pvalue : callable
        Fitted model -> p-value; NaN where there is no test.
    said : str
        The test in words.
    L : ndarray, optional
        The hypothesis L beta = 0, of fixed effects.
    term : int, optional
        The random term of a test of a random effect.
    residual : tuple of str
        The parameters of the residual covariance that are tested.
    single : bool
        Whether it is one test of L, without adjustment.
    many : callable, optional
        The same for fits that were made together: all p-values at once.
    """

    pvalue: PValue
    said: str
    L: Array | None = None
    term: int | None = None
    single: bool = True
    residual: tuple[str, ...] = ()
    many: Callable[[Refits], Array] | None = None


def ask(
    base: MixedModel, test: Any, type: int | str, ddf: str | None, means: Any, adjust: str | None
) -> Question:
    """Read `test`, and say what exists if it is not understood."""
    if isinstance(type, bool) or not isinstance(type, (int, str)) or type not in TYPES:
        raise InferenceError(
            f"type={shown(type)} is not a type of ANOVA: choose 1 (sequential), 2, 3 or 'marginal'."
        )
    base.method(ddf)  # a wrong name is refused here
    if means is not None:
        return _ask_contrast(base, test, ddf, means, adjust)
    if adjust is not None:
        raise InferenceError(
            "adjust= is for comparisons of means: say of which, as in means='width'."
        )
    if isinstance(test, dict):
        raise InferenceError(
            "A dict of weights is a contrast of means: say of which, as in means='width'."
        )
    random = {reduction.label: reduction for reduction in reductions(base.random)}
    terms = {":".join(term): term for term in base.design.terms}
    names = list(base.params.index)
    if isinstance(test, str):
        for label, reduction in random.items():
            whole = reduction.basis is None or len(base.random[reduction.term].design.terms) == 1
            if _squeezed(test) in (
                _squeezed(label),
                _squeezed(base.random[reduction.term].text) if whole else None,
            ):
                return Question(label, "random", ddf)
        for name, term in terms.items():
            if set(test.replace(" ", "").split(":")) == {part.replace(" ", "") for part in term}:
                return Question(name, "term", ddf, TYPES[type])
        if test in names:
            return Question(test, "coefficient", ddf)
        if test in _residual_tests(base):
            return Question(test, "residual", ddf)
        if isinstance(base, GeneralModel) and test in base.variance_names:
            tests = _residual_tests(base).items()
            whole = [kind for kind, names in tests if test in names] or list(dict(tests))
            raise InferenceError(
                f"'{test}' is not tested alone: write test={listed(whole, last='or')}, which "
                "leaves out all parameters of that structure."
            )
    known = [*terms, *random, *names, *_residual_tests(base)]
    raise InferenceError(
        f"test={shown(test)} is no fixed effect, random effect or coefficient of the model."
        + did_you_mean(test, known)
        + ("" if isinstance(test, str) and " - " not in test
           else " For a contrast, say of which means, as in means='width'.")
    )  # fmt: skip


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _ask_contrast(
    base: MixedModel, test: Any, ddf: str | None, means: Any, adjust: str | None
) -> Question:
    if isinstance(test, dict) and test:
        question = Question(
            next(iter(map(str, test)), ""), "contrast", ddf, means=means, adjust=adjust or "none",
            weights=tuple((str(k), tuple(np.ravel(v).tolist())) for k, v in test.items()),
        )  # fmt: skip
        if len(test) > 1:
            question = replace(question, name=ANY)
        _functions(question, base)
        return question
    question = Question("", "contrast", ddf, means=means, adjust=adjust or "tukey")
    if isinstance(test, dict):
        raise InferenceError(
            "The dict of contrasts is empty: give labels and weights, such as "
            "{'first - second': [1, -1]}."
        )
    labels = _functions(question, base).labels["contrast"].tolist()
    known = [*labels, *((ANY, ALL) if len(labels) > 1 else ())]
    one_of(test, known, f"a pair of the means of {means}")
    return replace(question, name=test)


# -- fixed effects ---------------------------------------------------------------------------------


def _methods(question: Question, base: MixedModel) -> Callable[[MixedModel], Method]:
    """Return a function from a fit to its df method; containment df are counted only once."""
    first = base.method(question.ddf)
    if not isinstance(first, Containment):
        return lambda m: m.method(question.ddf)

    def counted(m: MixedModel) -> Method:
        own = copy(first)
        own.cov, own.variances = m.fit.cov_beta, m.fit.variances
        return own

    return counted


def _term(question: Question, base: MixedModel) -> Bound:
    term = next(t for t in base.design.terms if ":".join(t) == question.name)
    method, methods = base.method(question.ddf), _methods(question, base)
    ledger = isinstance(method, Containment)  # it counts whole terms
    sequential = ledger and question.type == 1  # its L depends on the variances
    L = contrasts(base, question.type, ledger)[term]

    def pvalue(m: MixedModel) -> float:
        method = methods(m)
        own = contrasts(m, 1, True)[term] if sequential else L
        F, q, den, _ = method.test(own, m.fit.beta)
        return f_pvalue(F, q, method.terms[term] if ledger else den)

    if not len(L):
        raise InferenceError(
            f"'{question.name}' cannot be tested in this experiment: the other terms determine it, "
            "or the data hold no observations for it."
        )

    def all_at_once(fits: Refits) -> Array:
        return many.f_pvalues(fits.test(L, question.ddf, method.terms[term] if ledger else np.inf))

    title = "" if len(base.design.terms) == 1 else f", {_TITLES[question.type]}"
    said = f"{question.name} (F test{title}); df: {method.name}"
    return Bound(pvalue, said, L, many=None if sequential else all_at_once)


def _coefficient(question: Question, base: MixedModel) -> Bound:
    names = list(base.params.index)
    if question.name not in names:
        raise InferenceError(f"'{question.name}' has no data in this experiment.")
    L = np.eye(len(names))[[names.index(question.name)]]
    methods = _methods(question, base)

    def pvalue(m: MixedModel) -> float:
        return float(t_pvalue(*_t(m, methods(m), L))[0])

    def all_at_once(fits: Refits) -> Array:
        t, df = _t_together(fits, question, L)
        return t_pvalue(t, df)[:, 0]

    said = f"{question.name} (t test); df: {base.method(question.ddf).name}"
    return Bound(pvalue, said, L, many=all_at_once)


def _t_together(fits: Refits, question: Question, L: Array) -> tuple[Array, Array]:
    """Return |t| and df of each row of L, an array (fits, rows) each; the F of one row is t^2."""
    method = fits.model.method(question.ddf)
    known = method.df(L) if isinstance(method, (Containment, PlainMethod)) else np.zeros(len(L))
    tests = [fits.test(row[None], question.ddf, df) for row, df in zip(L, known, strict=True)]
    return np.sqrt([test.F for test in tests]).T, np.array([test.den_df for test in tests]).T


def _t(m: MixedModel, method: Method, L: Array) -> tuple[Array, Array]:
    """Return t and df of each row of L."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = L @ m.fit.beta / np.sqrt(np.maximum(variances(method, L), 0.0))
    return t, method.df(L)


# -- contrasts -------------------------------------------------------------------------------------


def _functions(question: Question, base: MixedModel) -> Any:
    """Return the table of contrasts, as a fitted model makes it."""
    means = base.emmeans(question.means, ddf=question.ddf)
    if means.by:
        raise InferenceError(
            f"means='{question.means}' asks for comparisons within groups: name the factors "
            f"together, as in means={list(means.labels.columns)}."
        )
    if question.weights:
        return means.contrast({k: list(v) for k, v in question.weights}, adjust=question.adjust)
    return means.pairs(adjust=question.adjust)


def _contrast(question: Question, base: MixedModel) -> Bound:
    table = _functions(question, base)
    labels = table.labels["contrast"].tolist()
    plan = adjustment.plan(
        question.adjust, table.settings["family"], table.settings["k"], [len(labels)]
    )
    several = question.name in (ANY, ALL)
    if not several and question.name not in labels:
        raise InferenceError(
            f"The contrast '{question.name}' has no data in this experiment: there are "
            f"{listed(labels)}."
        )
    L = table.L
    own = np.arange(len(L)) if several else np.array([labels.index(question.name)])
    if np.isnan(L[own]).any():
        raise InferenceError(
            f"The contrast '{question.name}' is not estimable in this experiment: the data hold no "
            "observations that determine it."
        )
    # Holm's p-value of one test depends on the others
    used = own if plan.name != "holm" else np.arange(len(L))
    worst = max if question.name == ALL else min
    methods = _methods(question, base)

    def adjusted(t: Array, df: Array) -> float:
        if plan.name == "tukey":
            root = np.sqrt(2) * np.abs(t)
            if several and np.ptp(df) < 1e-9 * abs(df[0]):  # then one of them decides
                root, df = np.array([root.min() if worst is max else root.max()]), df[:1]
            p = np.array([tukey_pvalue(q, plan.k, nu) for q, nu in zip(root, df, strict=True)])
        elif plan.name == "sidak" and not several:
            p = -np.expm1(len(L) * np.log1p(-np.minimum(t_pvalue(t, df), 1 - 1e-16)))
        elif plan.name == "bonferroni" and not several:
            p = np.minimum(1.0, len(L) * t_pvalue(t, df))
        else:
            p = adjustment.pvalues(plan, t, df)
        p = p if several or len(used) == 1 else p[own]
        return float(worst(p)) if not np.isnan(p).any() else np.nan

    def pvalue(m: MixedModel) -> float:
        return adjusted(*_t(m, methods(m), L[used]))

    def all_at_once(fits: Refits) -> Array:
        found = zip(*_t_together(fits, question, L[used]), strict=True)
        return np.array([np.nan if np.isnan(t).any() else adjusted(t, df) for t, df in found])

    name = f"{question.name} of the contrasts" if several else question.name
    of = question.means if isinstance(question.means, str) else " and ".join(question.means)
    how = plan.caption or "t test"
    said = f"{name} ({of}); df: {table.attrs['ddf']}; {how}"
    single = len(own) == 1 and plan.name == "none"
    return Bound(pvalue, said, L[own], single=single, many=all_at_once)


# -- random effects --------------------------------------------------------------------------------


def _random(question: Question, base: MixedModel) -> Bound:
    reduction = next(r for r in reductions(base.random) if r.label == question.name)
    loglik, variances_left, reduced = _reduced(base, reduction)
    df = len(base.fit.state.theta) - variances_left

    def pvalue(m: MixedModel) -> float:
        lrt = max(0.0, 2 * (m.llf - loglik(m.fit.problem.y)))
        return float(special.chdtrc(df, lrt))

    def without(Y: Array) -> Array:
        return np.array([loglik(y) for y in Y]) if reduced is None else reduced.fit(Y).loglik

    def all_at_once(fits: Refits) -> Array:
        lrt = 2 * (fits.llf.to_numpy() - without(fits.responses))
        return special.chdtrc(df, np.where(lrt < 0, 0.0, lrt))

    how = "REML" if base.reml else "ML"
    said = f"{question.name} (likelihood ratio as in ranova(), by {how})"
    return Bound(pvalue, said, term=reduction.term, many=all_at_once)


def _reduced(
    base: MixedModel, reduction: Reduction
) -> tuple[Callable[[Array], float], int, Batch | None]:
    """Return the log-likelihood of the model without the effect, and its number of variances.

    The batch, if there is one, finds the log-likelihoods of many responses together.
    """
    full, reml = base.fit.problem, base.reml
    general = isinstance(full, GeneralProblem)
    whole = reduction.basis is None
    kept = [i for i in range(len(full.groups)) if i != reduction.term or not whole]
    if not kept and not general:
        return lambda y: linear_loglik(full.X, y, reml), 0, None
    bases = [reduction.basis if i == reduction.term else full.bases[i] for i in kept]
    codes, groups = [full.codes[i] for i in kept], [full.groups[i] for i in kept]
    tied = [full.tied[i] for i in kept]
    if general:
        own = full.residual_covariance
        problem = GeneralProblem(full.X, full.y, codes, bases, groups, own, tied)
        count = sum(entries(k) for k in problem.sizes) + own.size
        return _general_loglik(problem, reml), count, None
    problem = Problem(full.X, full.y, codes, bases, groups, tied)
    count = sum(entries(k) for k in problem.sizes)
    return lambda y: problem.refit(y, reml).loglik, count, together(problem, reml)


# -- the residual covariance -----------------------------------------------------------------------


def _residual_tests(base: MixedModel) -> dict[str, tuple[str, ...]]:
    """Return what can be left out of the residual covariance: its name -> its parameters."""
    if not isinstance(base, GeneralModel):
        return {}
    residual = base.fit.residual
    names = [scale.name for scale in residual.scales]
    parts = {"correlation": tuple(names[: residual.nc]), "variance": tuple(names[residual.nc :])}
    tests = {kind: own for kind, own in parts.items() if own}
    return tests | {own[0]: own for own in parts.values() if len(own) == 1}


def _general_loglik(problem: GeneralProblem, reml: bool) -> Callable[[Array], float]:
    """Return the log-likelihood of a model with a residual covariance, for drawn responses."""
    start = problem.refit(problem.y, reml).warm
    return lambda y: refit_near(problem, y, reml, start).loglik


def _residual(question: Question, base: MixedModel) -> Bound:
    tests = _residual_tests(base)
    if question.name not in tests:
        raise InferenceError(f"'{question.name}' has no data in this experiment.")
    names = tests[question.name]
    full, reml = base.fit.problem, base.reml
    own = full.residual_covariance
    left = (
        Residual(None, own.variance) if names[0] == own.scales[0].name and own.nc
        else Residual(own.correlation, None)
    )  # fmt: skip
    if left.size:
        loglik = _general_loglik(full.with_residual(left), reml)
    elif full.groups:
        plain = Problem(full.X, full.y, full.codes, full.bases, full.groups, full.tied)
        loglik = lambda y: plain.refit(y, reml).loglik  # noqa: E731
    else:
        loglik = lambda y: linear_loglik(full.X, y, reml)  # noqa: E731

    def pvalue(m: MixedModel) -> float:
        lrt = max(0.0, 2 * (m.llf - loglik(m.fit.problem.y)))
        return float(special.chdtrc(len(names), lrt))

    how = "REML" if reml else "ML"
    said = f"{question.name} (likelihood ratio as in compare(), by {how})"
    return Bound(pvalue, said, residual=names)


_BIND: dict[str, Callable[[Question, MixedModel], Bound]] = {
    "term": _term, "coefficient": _coefficient, "contrast": _contrast, "random": _random,
    "residual": _residual,
}  # fmt: skip
