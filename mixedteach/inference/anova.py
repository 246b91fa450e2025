r"""Analysis of variance: F tests of whole terms, and likelihood-ratio tests of random effects.

Each row tests L beta = 0 by F = (L beta)' (L V L')^-1 (L beta) / q; the types differ in L:

I (sequential)
    each term after those before it. L is the term's rows of R in X = QR.
II
    each term after all terms that do not contain it.
III
    each term averaged with equal weights over the levels of the others, whatever coding the fit
    used. L comes from the overparametrised design: the general form of estimable functions, with
    contained terms made orthogonal to the terms that contain them (SAS). With empty cells it is
    a hypothesis about the cells that exist.
marginal
    the term's own coefficients. In treatment coding this is *not* type III: it tests a main effect
    at the reference level of the other factors. It is what nlme calls marginal.

B contains A if B has all A's factors and exactly A's covariates. With ``ddf='containment'`` type I
is sequential in the metric of the fit (X'V^-1 X = R'R), as nlme's anova is; lmerTest, and all other
df methods here, take the plain X'X.

Sources: SAS/STAT User's Guide, The Four Types of Estimable Functions; Kuznetsova, Brockhoff and
Christensen (2017), J. Stat. Softw. 82(13); Pinheiro and Bates (2000), section 2.4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import pandas as pd

from mixedteach.errors import InferenceError, shown
from mixedteach.inference.distributions import f_pvalue
from mixedteach.inference.functions import DDF_METHODS, FTest, Model
from mixedteach.table import Table

Array = np.ndarray
Terms = dict[tuple[str, ...], Array]

TYPES = {
    1: 1, 2: 2, 3: 3, "I": 1, "II": 2, "III": 3, "1": 1, "2": 2, "3": 3, "marginal": "marginal",
}  # fmt: skip
_TITLES = {
    1: "Type I (sequential)",
    2: "Type II",
    3: "Type III",
    "marginal": "Marginal (nlme; not type III)",
}


def anova_table(
    model: Model, type: int | str = 3, ddf: str | None = None, intercept: bool = False
) -> Table:
    """Return the F tests of the fixed terms; see :meth:`mixedteach.model.MixedModel.anova`."""
    if hasattr(type, "formula_text"):
        raise InferenceError("anova() is of one model: write compare(m0, m1) to compare two.")
    if isinstance(type, str) and type.lower() in DDF_METHODS:
        raise InferenceError(
            f"'{type}' is not a type of ANOVA but a df method: write ddf='{type}'."
        )
    if not isinstance(type, (int, str)) or isinstance(type, bool) or type not in TYPES:
        raise InferenceError(
            f"type={shown(type)} is not a type of ANOVA: choose 1 (sequential), 2, 3 or 'marginal'."
        )
    kind = TYPES[type]
    method = model.method(ddf)
    beta = model.params.to_numpy(float)
    hypotheses = contrasts(model, kind, containment=hasattr(method, "terms"))
    rows, labels, notes = [], [], []
    for term, L in hypotheses.items():
        if term == () and not intercept:
            continue
        labels.append(":".join(term) if term else "Intercept")
        test = method.test(L, beta) if len(L) else FTest(np.nan, 0, np.nan)
        F, q, den = test.F, test.num_df, test.den_df
        if q and hasattr(method, "terms"):
            den = method.terms[term]
        if q and np.isnan(den):
            notes.append(f"{labels[-1]}: no df are left in its stratum, so there is no test.")
        if not q:
            notes.append(
                f"{labels[-1]}: not estimable; the other terms determine it, or the data hold no "
                "observations for it."
            )
        # Kenward and Roger may scale F to nothing; then the mean square cannot be had from it
        mean_sq = (F / test.scaling) * model.scale if test.scaling else np.nan
        rows.append((mean_sq * q, mean_sq, q, den, F, f_pvalue(F, q, den)))
    if intercept and () not in hypotheses:
        raise InferenceError("The model has no intercept to test: leave intercept=True out.")
    table = pd.DataFrame(
        rows, columns=["sum_sq", "mean_sq", "num_df", "den_df", "F", "p"],
        index=pd.Index(labels, name="term"),
    )  # fmt: skip
    notes += [*_notes(model, kind), *model.row_notes]
    return Table(
        table.astype({"num_df": int}),
        caption=f"{_TITLES[kind]} analysis of variance; df: {method.name}",
        notes=notes,
        attrs={"ddf": method.name, "type": kind, "adjust": "none", "family": "terms",
               "level": None},
    )  # fmt: skip


def _notes(model: Model, kind: int | str) -> list[str]:
    design = model.design
    where: dict[tuple[str, str], str] = {}  # what is tested at which value -> first reason
    for term in design.terms if kind in (2, 3) else ():
        for low in design.terms:
            held = [name for name in term if name in design.covariates(term) and name not in low]
            if set(low) < set(term) and held:
                at = " and ".join(f"{name} = 0" for name in held)
                where.setdefault((":".join(low), at), ":".join(term))
    notes = [
        f"{low} is tested at {at}, because {term} is in the model."
        for (low, at), term in where.items()
    ]
    aliased = set(range(len(design.names))) - {int(column) for column in model.kept}
    lost = [t for t in design.terms if aliased & set(design.columns[t].tolist())]
    if kind == 3 and any(_has_empty_cells(model, design.factors(term)) for term in lost):
        notes.append(
            "Some cells are empty: type III then compares only the cells that exist. "
            "Type II, or contrasts of chosen cells, are easier to explain."
        )
    return notes


def _has_empty_cells(model: Model, names: Sequence[str]) -> bool:
    """Say whether combinations of levels have no rows; columns are lost in A:B + C as well."""
    factors = [model.design.components[name].fitted for name in names]
    if len(factors) < 2:
        return False
    cells = {tuple(cell) for cell in np.column_stack([f.codes for f in factors]).tolist()}
    return len(cells) < prod(len(f.levels) for f in factors)


def contrasts(model: Model, kind: int | str, containment: bool = False) -> Terms:
    """Return L for each term, in the coefficients that were kept; ``()`` is the intercept."""
    positions = kept_columns(model)
    if kind == 1:
        return _sequential(model, positions, containment)
    if kind == "marginal":
        identity = np.eye(len(model.kept))
        return {term: identity[where] for term, where in positions.items()}
    if kind == 2:
        found = {term: _second(model, positions, term) for term in positions}
    else:
        found = _third(model, positions)
    if len(model.design.terms) == 1:
        # a single term is one hypothesis under all types, written as type I (as lmerTest does)
        only = model.design.terms[0]
        found[only] = _sequential(model, positions, containment=False)[only]
    return found


def kept_columns(model: Model) -> Terms:
    """Return, for each term, the positions of its columns among those kept."""
    place = {int(column): i for i, column in enumerate(model.kept)}
    return {
        term: np.array([place[int(c)] for c in where if int(c) in place], int)
        for term, where in model.design.columns.items()
    }


def _upper(X: Array) -> Array:
    scale = np.sqrt(np.einsum("ij,ij->j", X, X))
    return np.linalg.qr(X / scale, mode="r") * scale


def _sequential(model: Model, positions: Terms, containment: bool) -> Terms:
    if containment:
        # R'R = X'V^-1 X without forming it: a covariate far from its origin costs no digits
        fit = model.fit
        R = _upper(np.linalg.cholesky(np.linalg.inv(fit.state.Phi)).T @ fit.problem.R)
    else:
        R = _upper(model.X)
    R = R / np.diag(R)[:, None]  # lmerTest's scaling; it matters to Satterthwaite's several-df rule
    return {term: R[where] for term, where in positions.items()}


def _second(model: Model, positions: Terms, term: tuple[str, ...]) -> Array:
    design = model.design
    above = [t for t in design.terms if design.contains(t, term)]
    own, later = positions[term], [c for t in above for c in positions[t]]
    if not above:
        return np.eye(len(model.kept))[own]
    first = [c for c in range(len(model.kept)) if c not in set(own) | set(later)]
    order = np.array([*first, *own, *later], int)
    R = np.zeros((len(own), len(order)))
    upper = _upper(model.X[:, order])[len(first) : len(first) + len(own)]
    R[:, order] = upper / np.diag(upper[:, len(first) :])[:, None]
    return R


def _third(model: Model, positions: Terms) -> Terms:
    """SAS's type III by the general form of estimable functions."""
    design = model.design
    X_trt, names, columns = design.treatment()
    kept_trt = model.kept_treatment
    place = {int(c): i for i, c in enumerate(kept_trt)}
    X = X_trt[:, kept_trt]
    full, full_names, _ = design.overparametrised()
    scale = np.sqrt(np.einsum("ij,ij->j", X, X))
    general = np.linalg.lstsq(X / scale, full, rcond=None)[0] / scale[:, None]
    general = _clean(general.T)  # rows: columns of the full design; columns: those of X
    own = {
        term: np.array([place[int(c)] for c in where if int(c) in place], int)
        for term, where in columns.items()
    }
    for term in sorted(columns, key=len, reverse=True):
        above = [c for t in columns if design.contains(t, term) for c in own[t]]
        if above and len(own[term]):
            base = general[:, above]
            fitted = base @ np.linalg.lstsq(base, general[:, own[term]], rcond=None)[0]
            general[:, own[term]] = _clean(general[:, own[term]] - fitted)
    where = {name: i for i, name in enumerate(full_names)}
    rows = [where[names[c]] for c in kept_trt]
    general = general[rows]
    back = None
    if not np.array_equal(X_trt[:, model.kept], model.X):
        back = np.linalg.lstsq(X, model.X, rcond=None)[0]  # beta_treatment = back beta_fit
    out: Terms = {}
    for term in positions:
        L = general[:, own[term]].T
        L = L[np.abs(L).sum(axis=1) > 1e-8]
        out[term] = L if back is None else L @ back
    return out


def _clean(values: Array) -> Array:
    """Set what is rounding to zero, column by column."""
    size = np.abs(values).max(axis=0, keepdims=True, initial=0.0)
    return np.where(np.abs(values) < 1e-10 * np.maximum(size, 1e-300), 0.0, values)
