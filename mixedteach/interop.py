r"""A statsmodels fit becomes one of ours, with the same df methods, ANOVA, means and contrasts.

The model is read off the statsmodels result (formula and data; groups; columns of the random
effects) and written as ours,

    groups="g", re_formula="1 + x"                        (1 + x | g)
    groups="g", re_formula="1", vc_formula={"x": "0 + x"}       (1 | g) + (0 + x | g)
    groups="g", re_formula="1", vc_formula={"h": "0 + C(h)"}    (1 | g) + (1 | g:h)

then fitted again, because df and standard errors of variances need an exact optimum. Two checks
make sure that it is the same model, however it was spelled: our X must span the columns of
statsmodels' X, and the random effects must give the same covariance Z G Z'.

Source: statsmodels documentation, Linear Mixed Effects Models; Lindstrom and Bates (1988), JASA 83.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mixedteach.classical import LinearModel, lm
from mixedteach.columns import Columns
from mixedteach.design import RandomTerm, random_terms
from mixedteach.errors import DataError, FormulaError, MixedTeachError, a_kind
from mixedteach.fitting.criterion import theta_of
from mixedteach.fitting.lmm import semidefinite_cholesky
from mixedteach.formula import parse, split_outside
from mixedteach.model import MixedModel, lmer
from mixedteach.table import significant

Array = np.ndarray


def from_statsmodels(result: Any) -> MixedModel | LinearModel:
    """Turn a fitted statsmodels ``MixedLM`` or ``OLS`` into a model with this package's inference.

    Parameters
    ----------
    result : MixedLMResults or RegressionResults
        What ``smf.mixedlm(...).fit()`` or ``smf.ols(...).fit()`` returned. Models made by formula
        keep their factors; the columns of a model made from arrays count as covariates.

    Returns
    -------
    MixedModel or LinearModel
        By REML or ML, as the result. Its ``notes`` say how far below the optimum statsmodels
        stopped, in units of the log-likelihood, and whether the coding of coefficients differs.

    Raises
    ------
    DataError
        If the result is of another kind (weights, penalties, fixed parameters), or has random
        effects that the formula language here cannot say.
    FormulaError
        If the formula uses functions that are not known here.

    Notes
    -----
    The covariance y ~ N(X beta, Z G Z' + sigma^2 I) is that of the result: random intercepts,
    slopes and variance components of indicator columns. The gain is the difference in (restricted)
    log-likelihood between the optimum and statsmodels' variances, sigma^2 profiled out.
    Source: statsmodels documentation, ``MixedLM``.

    Examples
    --------
    >>> import mixedteach as mt
    >>> import statsmodels.formula.api as smf
    >>> fit = smf.mixedlm("content ~ method", mt.load_tablets(), groups="tablet").fit()
    >>> m = mt.from_statsmodels(fit)
    >>> m.formula_text
    'content ~ method + (1 | tablet)'
    >>> m.anova()[["num_df", "den_df", "F", "p"]].round(4)
            num_df  den_df       F       p
    term
    method       1     9.0  0.2866  0.6054
    """
    from statsmodels.regression.linear_model import OLS
    from statsmodels.regression.mixed_linear_model import MixedLM

    if isinstance(result, (OLS, MixedLM)):
        raise DataError("This model is not fitted yet: give the result of its .fit().")
    model = getattr(result, "model", None)
    if isinstance(model, MixedLM):
        return _mixed(result, model)
    if isinstance(model, OLS):
        return _least_squares(result, model)
    what = a_kind(result if model is None else model)
    raise DataError(f"from_statsmodels takes a fitted MixedLM or OLS, not {what}.")


# ---------------------------------------------------------------------------------------------
# Least squares
# ---------------------------------------------------------------------------------------------


def _least_squares(result: Any, model: Any) -> LinearModel:
    source = _read(model)
    ours = _translated(source, lambda text: lm(text, source.frame), "")
    _check_rows(ours, model)
    fitted = model.exog @ np.asarray(result.params, float)
    size = np.abs(model.endog).max()
    if not np.allclose(fitted, ours.fittedvalues, rtol=0, atol=1e-6 * size):
        raise DataError(
            "The coefficients of this OLS result are not those of least squares (a regularised "
            "fit?): fit it with .fit()."
        )
    ours.notes += source.notes + _coding_note(ours, model)
    if getattr(result, "cov_type", "nonrobust") != "nonrobust":
        ours.notes.append(
            f"The result has robust standard errors ({result.cov_type}); those here are the "
            "ordinary ones of least squares."
        )
    return ours


# ---------------------------------------------------------------------------------------------
# Mixed models
# ---------------------------------------------------------------------------------------------


def _mixed(result: Any, model: Any) -> MixedModel:
    if not hasattr(result, "freepat") or result.cov_pen is not None or model.fe_pen is not None:
        raise DataError(
            "This MixedLM was fitted with a penalty, which has no degrees of freedom in the usual "
            "sense: fit it with .fit()."
        )
    source = _read(model)
    grouping = _group_column(source, model)
    parts = _random_effects(source, model, result, grouping)
    parts += [
        _component(source, model, number, grouping, float(result.vcomp[number]))
        for number in range(model.k_vc)
    ]
    random = " + ".join(part.text for part in parts)
    reml = result.method == "REML"
    ours = _translated(source, lambda text: lmer(text, source.frame, reml=reml), f" + {random}")
    _check_rows(ours, model)
    start = _relative(parts, ours, model, result)
    ours = _best(ours, start)
    gain = 0.5 * (_deviance_at(ours, start) - ours.deviance)
    ours.notes += [*source.notes, *_coding_note(ours, model), _gain_note(gain)]
    return ours


@dataclass
class _Part:
    """One random term as text, with statsmodels' columns (if correlated) or its Z Z' r."""

    text: str
    cov: Array  # of statsmodels' effects, k x k
    columns: Array | None = None  # its basis, shape (n, k)
    product: Array | None = None  # of Z Z' and the probe


def _group_column(source: _Source, model: Any) -> str:
    """Return the name of the column that holds the groups; statsmodels keeps only its values."""
    labels = np.asarray(model.groups).astype(object)
    named = [str(name) for name in getattr(model.data, "exog_re_names", None) or []]
    for name in sorted(source.frame.columns, key=lambda column: column not in named):
        if np.array_equal(source.frame[name].astype(object).to_numpy(), labels):
            return str(name)
    # by formula the random intercept bears the name of the groups
    by_formula = named and not source.from_arrays and _is_constant(np.asarray(model.exog_re)[:, 0])
    return source.add(
        getattr(model.groups, "name", None) or (named[0] if by_formula else "Group"), labels
    )


def _random_effects(source: _Source, model: Any, result: Any, grouping: str) -> list[_Part]:
    """Return the term (effects | groups), or one for each effect if they are independent."""
    pattern = result.freepat  # 1: estimated, 0: held fixed
    held = pattern is not None and not (
        np.all(np.diag(pattern.cov_re)) and np.all(np.asarray(pattern.vcomp)[: model.k_vc])
    )
    if held:
        raise DataError(
            "Some variances of this MixedLM were held fixed (free=...): fit it with all of them "
            "free, or leave the term out."
        )
    if model.k_re == 0:
        return []
    columns, cov = np.asarray(model.exog_re, float), np.asarray(result.cov_re, float)
    free = np.ones_like(cov) if pattern is None else pattern.cov_re
    names = list(model.data.exog_re_names)
    if np.all(free):
        return [_Part(f"({_effects(source, names, columns)} | {_quoted(grouping)})", cov, columns)]
    if np.count_nonzero(free) > model.k_re:
        raise DataError(
            "Some random effects of this MixedLM are correlated and others not (free=...): here "
            "they are all correlated, (1 + x | g), or none is, (x || g)."
        )
    return [
        _Part(
            f"({_effects(source, [name], columns[:, [j]])} | {_quoted(grouping)})",
            cov[[j]][:, [j]],
            columns[:, [j]],
        )
        for j, name in enumerate(names)
    ]


def _effects(source: _Source, names: Sequence[str], columns: Array) -> str:
    """Write columns such as ``C(a)[T.2]`` and ``x`` as the left side of a bar."""
    constant = [_is_constant(column) for column in columns.T]
    terms = [
        _formula_name(source, name, column)
        for name, column, flat in zip(names, columns.T, constant, strict=True)
        if not flat
    ]
    return " + ".join(["1" if any(constant) else "0", *dict.fromkeys(terms)])


def _formula_name(source: _Source, name: str, column: Array) -> str:
    """Return the formula term a column belongs to; from arrays, the name of a covariate."""
    if source.from_arrays:
        for known in source.frame.columns:
            if np.array_equal(source.frame[known].to_numpy(), column):
                return _quoted(known)
        return _quoted(source.add(name, column))
    return ":".join(_ours(_without_level(piece)) for piece in split_outside(name, ":"))


def _without_level(piece: str) -> str:
    return re.sub(r"\[[^\[\]]*\]$", "", piece.strip())


def _is_constant(column: Array) -> bool:
    return bool(column[0] != 0 and np.ptp(column) == 0)


def _component(source: _Source, model: Any, number: int, grouping: str, variance: float) -> _Part:
    """Return the term of one variance component: independent effects with one variance."""
    name = str(model.exog_vc.names[number])
    rows = [np.asarray(model.row_indices[label]) for label in model.group_labels]
    blocks = [_dense(block) for block in model.exog_vc.mats[number]]
    headers = model.exog_vc.colnames[number]
    product = np.empty(model.nobs)
    probe = _probe(model.nobs)
    for own, block in zip(rows, blocks, strict=True):
        product[own] = block @ (block.T @ probe[own])
    named = _named_component(source, headers, grouping, model.n_groups)
    if named and _gives(source, named, product):
        return _Part(named, np.array([[variance]]), product=product)
    return _Part(
        _labelled_component(source, name, rows, blocks, headers), np.array([[variance]]),
        product=product,
    )  # fmt: skip


def _dense(block: Any) -> Array:
    return np.asarray(block.todense() if hasattr(block, "todense") else block, float)


def _named_component(
    source: _Source, headers: Sequence[Sequence[str]], grouping: str, groups: int
) -> str | None:
    """Write a component by the names of its columns, as (1 | g:h) or (0 + x | g:h)."""
    factors = {grouping: None} if groups > 1 else {}
    effects: dict[str, None] = {}
    for piece in split_outside(str(headers[0][0]), ":"):
        bare = _without_level(piece)
        if bare == piece.strip():
            effects[_ours(bare)] = None
            continue
        column = re.sub(r"^C\((.*)\)$", r"\1", _ours(bare)).split(",")[0].strip(" `")
        if column not in source.frame.columns:
            return None
        factors[column] = None
    effects.pop("Intercept", None)
    left = f"0 + {':'.join(effects)}" if effects else "1"
    return f"({left} | {':'.join(_quoted(f) for f in factors)})" if factors else None


def _gives(source: _Source, text: str, product: Array) -> bool:
    """Say whether a term has the covariance Z Z' of the component, tried on one random vector."""
    try:
        formula = parse(f"{source.response} ~ 1 + {text}")
        term = random_terms(formula, _Rows(source.frame))[0]
    except (MixedTeachError, KeyError):
        return False
    return term.size == 1 and _equal(_product(term), product)


@dataclass
class _Rows:
    """Just enough of a ModelFrame to build random terms."""

    data: pd.DataFrame

    @property
    def columns(self) -> Columns:
        """Its columns."""
        return Columns(self.data)


def _product(term: RandomTerm) -> Array:
    """Return Z Z' r for a term with one effect a group."""
    z = term.basis[:, 0]
    return z * np.bincount(term.codes, z * _probe(len(z)))[term.codes]


def _equal(a: Array, b: Array) -> bool:
    return bool(np.abs(a - b).max() <= 1e-8 * np.abs(b).max())


def _probe(n: int) -> Array:
    return np.random.default_rng(1).standard_normal(n)


def _labelled_component(
    source: _Source, name: str, rows: Sequence[Array], blocks: Sequence[Array],
    headers: Sequence[Sequence[str]],
) -> str:  # fmt: skip
    """Write a component as a new grouping column, one label for each of its columns."""
    n = len(source.frame)
    labels, values = np.empty(n, object), np.zeros(n)
    for number, (own, block, header) in enumerate(zip(rows, blocks, headers, strict=True)):
        if (np.count_nonzero(block, axis=1) > 1).any():
            raise DataError(
                f"The variance component '{name}' gives several effects with one common variance "
                "to the same row, which no formula here can say. For one effect a level write "
                "'0 + C(factor)', for a slope '0 + x'."
            )
        which = np.abs(block).argmax(axis=1)
        labels[own] = [f"{number + 1}:{header[j]}" for j in which]
        values[own] = block[np.arange(len(own)), which]
    group = source.add(name, labels)
    effect = "1" if (values == 1).all() else f"0 + {_quoted(source.add(f'{name}_x', values))}"
    return f"({effect} | {_quoted(group)})"


# -- from statsmodels' variances to ours ------------------------------------------------------


def _relative(parts: Sequence[_Part], ours: MixedModel, model: Any, result: Any) -> list[Array]:
    """Return the covariance of each term relative to sigma^2, in our bases."""
    if len(parts) != len(ours.random):
        raise DataError(
            f"The random effects of this MixedLM, {' + '.join(part.text for part in parts)}, "
            "cannot be matched with terms here: write the model with lmer()."
        )
    out = []
    for part, term in zip(parts, ours.random, strict=True):
        turn = np.eye(term.size)
        same = part.product is None or _equal(_product(term), part.product)
        if part.columns is not None:
            # statsmodels' columns are combinations of ours: columns = basis turn
            turn = np.linalg.lstsq(term.basis, part.columns, rcond=None)[0]
            same = part.columns.shape == term.basis.shape
            same = same and _equal(term.basis @ turn, part.columns)
        if not same:
            raise DataError(
                f"The random effects of this MixedLM are not those of {part.text} here: "
                "write the model with lmer()."
            )
        out.append(turn @ part.cov @ turn.T / float(result.scale))
    return out


def _deviance_at(ours: MixedModel, relative: Sequence[Array]) -> float:
    """Return the deviance at other variances, sigma^2 profiled out."""
    lows = [semidefinite_cholesky(D) for D in relative]
    return ours.profile_deviance(theta_of(lows))


def _best(ours: MixedModel, relative: Sequence[Array]) -> MixedModel:
    """Return our fit, or the one reached from statsmodels' variances, should it be better."""
    if _deviance_at(ours, relative) > ours.deviance - 1e-8:
        return ours
    problem = ours.fit.problem
    lows = []
    for D, turn in zip(relative, problem.turns, strict=True):
        inverse = np.linalg.inv(turn)
        lows.append(semidefinite_cholesky(inverse @ D @ inverse.T))
    fit = problem.fit(ours.reml, start=theta_of(lows))
    return MixedModel(
        ours.formula, ours.model_frame, ours.design, ours.random, fit, ours.kept,
        ours.default_ddf, [n for n in ours.notes if not n.startswith("The variance of")],
    )  # fmt: skip


def _gain_note(gain: float) -> str:
    if gain < 5e-7:
        return "statsmodels reached the same optimum: the log-likelihoods differ by less than 1e-6."
    return (
        f"statsmodels stopped {significant(gain, 2)} below the optimum in log-likelihood; the "
        "estimates here are those at the optimum."
    )


# ---------------------------------------------------------------------------------------------
# Formula and data
# ---------------------------------------------------------------------------------------------


@dataclass
class _Source:
    """The fixed effects of a statsmodels model as our formula, and the data it used."""

    response: str
    fixed: str
    frame: pd.DataFrame
    from_arrays: bool = False
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, values: Array) -> str:
        """Add a column under this name, or one like it that is free; return the name."""
        free = name
        while free in self.frame.columns:
            free += "_"
        self.frame[free] = values
        return free


def _read(model: Any) -> _Source:
    formula, frame = getattr(model, "formula", None), getattr(model.data, "frame", None)
    if formula is None:
        return _from_arrays(model)
    if not isinstance(formula, str) or frame is None:
        raise DataError(
            "The result has lost its formula or its data (remove_data, or a formula object): fit "
            "it again from a formula as text."
        )
    left, _, right = formula.partition("~")
    frame = pd.DataFrame(frame)
    return _Source(_ours(left.strip()), _ours(right.strip()), frame.copy())


def _from_arrays(model: Any) -> _Source:
    """Write y, X as a formula: constant columns are the intercept, all others covariates."""
    names, X = [str(name) for name in model.exog_names], np.asarray(model.exog, float)
    y_name = model.endog_names if isinstance(model.endog_names, str) else "y"
    source = _Source(_quoted(y_name), "", pd.DataFrame({y_name: model.endog}), from_arrays=True)
    constant = [_is_constant(column) for column in X.T]
    terms = [
        _quoted(source.add(name, column))
        for name, column, flat in zip(names, X.T, constant, strict=True)
        if not flat
    ]
    source.fixed = " + ".join(["1" if any(constant) else "0", *terms])
    if terms:
        source.notes.append(
            "The model was made from arrays, so its columns count as covariates; for tests and "
            "means of factors fit it from a formula."
        )
    return source


def _quoted(name: object) -> str:
    return str(name) if str(name).isidentifier() else f"`{name}`"


def _ours(text: str) -> str:
    """Translate patsy's spelling: ``Q("a b")``, and ``C(x, contrast)`` of any coding.

    Which coding does not matter to tests and means; a Treatment reference is kept.
    """
    text = re.sub(r"""\bQ\(\s*(["'])(.+?)\1\s*\)""", r"`\2`", text)
    place = 0
    while found := re.compile(r"\bC\(").search(text, place):
        end = _closing(text, found.end())
        first, *options = split_outside(text[found.end() : end], ",")
        base = re.search(
            r"""Treatment\(\s*(?:reference\s*=\s*)?((["']).*?\2)\s*\)""", ",".join(options)
        )
        call = f"C({first.strip()}, Treatment({base[1]}))" if base else f"C({first.strip()})"
        text = text[: found.start()] + call + text[end + 1 :]
        place = found.start() + len(call)
    return text


def _closing(text: str, place: int) -> int:
    """Return where the parenthesis closes that was opened just before `place`."""
    depth = 1
    for end in range(place, len(text)):
        depth += (text[end] == "(") - (text[end] == ")")
        if depth == 0:
            return end
    raise FormulaError(f"The formula '{text}' opens a parenthesis that is never closed.")


def _translated(source: _Source, fit: Any, random: str) -> Any:
    text = f"{source.response} ~ {source.fixed}{random}"
    try:
        return fit(text)
    except FormulaError as error:
        raise FormulaError(
            f"The statsmodels formula, here '{text}', cannot be used as it is: {error}"
        ) from error


def _check_rows(ours: MixedModel | LinearModel, model: Any) -> None:
    """Refuse unless y is the same and the columns of X span the same space."""
    y = ours.fit.problem.y if isinstance(ours, MixedModel) else ours.y
    theirs = np.asarray(model.exog, float)
    if len(y) != len(theirs) or not np.allclose(y, model.endog, rtol=1e-12, atol=0):
        raise DataError(
            f"The formula '{ours.formula_text}' gives other rows or another response here than in "
            f"statsmodels ({len(y)} and {len(theirs)} rows): compute the columns first, then fit."
        )
    if not (_spans(ours.X, theirs) and _spans(theirs, ours.X)):
        raise DataError(
            f"The fixed effects of '{ours.formula_text}' are not the same here as in statsmodels: "
            "compute the columns first, then name them in the formula."
        )


def _spans(A: Array, B: Array) -> bool:
    """Say whether the columns of A reproduce those of B."""
    A, B = (M / np.maximum(np.sqrt((M**2).sum(axis=0)), 1e-300) for M in (A, B))
    return bool(np.abs(B - A @ np.linalg.lstsq(A, B, rcond=None)[0]).max(initial=0.0) < 1e-7)


def _coding_note(ours: MixedModel | LinearModel, model: Any) -> list[str]:
    theirs = np.asarray(model.exog, float).T
    if all(np.isclose(theirs, column, atol=1e-12).all(axis=1).any() for column in ours.X.T):
        return []
    return [
        "The coefficients are coded in another way than in statsmodels (factors here: first "
        "level as reference); tests, means and contrasts do not depend on that."
    ]
