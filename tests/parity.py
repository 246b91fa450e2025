"""Compare a fitted model with an entry of a reference file made by R; used by the parity tests.

Every comparison is a line ``(what, ours, R's, error)`` so that a test can state its tolerance and
a person can print the largest differences.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

import mixedteach as mt

HERE = Path(__file__).parent / "reference"

# Design tolerances: relative unless said.
TOLERANCE = {
    "estimate": 1e-6,
    "loglik": 1e-6,
    "variance": 1e-5,
    "df KR": 1e-6,
    "df Satterthwaite": 1e-4,
    "profile": 1e-3,
    "p": 1e-6,  # absolute
    "limit": 1e-4,  # of the standard error: limits inherit lmerTest's numerical df
}


def load(name: str) -> dict:
    """Return a reference file."""
    return json.loads((HERE / name).read_text(encoding="utf8"))


def frame(name: str, reference: dict) -> pd.DataFrame:
    """Return the data of an entry with R's factor levels."""
    if name.startswith("cases/extra_"):
        factors = reference["levels"][name]
        text = dict.fromkeys(factors, str)
        data = pd.read_csv(HERE / f"{name}.csv", dtype=text, keep_default_na=True)
        return data.assign(**{c: pd.Categorical(data[c], v) for c, v in factors.items()})
    if name.startswith("cases/"):
        data = pd.read_csv(HERE / f"{name}.csv", dtype={"s": str, "u": str})
        if name == "cases/empty_cell":
            levels = reference["levels"]["oats"]
        else:
            levels = reference["levels"][name.removeprefix("cases/")]
        return data.assign(**{c: pd.Categorical(data[c], v) for c, v in levels.items()})
    return getattr(mt, f"load_{name}")()


def key(name: str) -> str:
    """Reduce a coefficient or group name of R or ours to one spelling."""
    name = name.replace("(Intercept)", "Intercept").replace("factor(", "C(").replace("^", "**")
    name = re.sub(r"\[(.*?)\]", r"\1", name)
    return ":".join(sorted(re.sub(r"[\s()]", "", part) for part in name.split(":")))


def formula(text: str) -> str:
    """Translate R's spelling of a formula."""
    return re.sub(r"\bfactor\(", "C(", text).replace("^", "**")


def relative(ours: float, ref: float, scale: float | None = None) -> float:
    """Return |ours - ref| relative to the reference (or to a given scale)."""
    if ref is None or (isinstance(ref, float) and np.isnan(ref)):
        return 0.0 if ours is None or np.isnan(ours) else np.inf
    return abs(ours - ref) / max(abs(ref) if scale is None else scale, 1e-300)


class Comparison:
    """Collects lines of comparison."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, float, float, float]] = []

    def add(self, kind: str, what: str, ours: float, ref: float, error: float) -> None:
        self.lines.append((kind, what, ours, ref, error))

    def failures(self) -> list[str]:
        """Lines beyond their tolerance."""
        return [
            f"{what}: {ours!r} here, {ref!r} in R ({kind} error {error:.2e})"
            for kind, what, ours, ref, error in self.lines
            if not error <= TOLERANCE[kind]
        ]


def compare(model: mt.MixedModel, ref: dict) -> Comparison:
    """Compare all that an ``lmer`` entry records."""
    c = Comparison()
    _estimates(c, model, ref)
    if ref.get("ML"):
        _ml(c, model, ref["ML"])
    _coefficients(c, model, ref)
    _anova(c, model, ref)
    _random(c, model, ref)
    _ranova(c, model, ref)
    _emmeans(c, model, ref)
    return c


def _estimates(c: Comparison, m: mt.MixedModel, ref: dict) -> None:
    fixef = {key(k): v for k, v in ref["fixef"].items()}
    se = m.bse.to_numpy()
    assert [key(k) for k in m.params.index] == list(fixef), "coefficient names or order"
    for i, (name, value) in enumerate(fixef.items()):
        error = abs(m.params.iloc[i] - value) / max(abs(value), se[i])
        c.add("estimate", f"fixef {name}", m.params.iloc[i], value, error)
    if ref.get("vcov") is not None:
        V = np.asarray(ref["vcov"], float).reshape(len(se), len(se))
        # variances inherit the relative error of the variance components
        error = np.abs(m.cov_params().to_numpy() - V).max() / np.diag(V).max()
        c.add("variance", "vcov", 0, 0, error)
    c.add("loglik", "logLik REML", m.llf, ref["logLik_REML"],
          relative(m.llf, ref["logLik_REML"]))  # fmt: skip
    c.add("loglik", "AIC", m.aic, ref["AIC_REML"], relative(m.aic, ref["AIC_REML"]))
    c.add("loglik", "BIC", m.bic, ref["BIC_REML"], relative(m.bic, ref["BIC_REML"]))
    _components(c, m, ref["varcorr"], "REML")


def _components(c: Comparison, m: mt.MixedModel, varcorr: list[dict], how: str) -> None:
    table = m.variance_components
    total = table["variance"].abs().max()
    names = {}
    for _, row in table.iterrows():
        both = tuple(sorted(key(n) for n in (row["name"], row.get("name2", "")) if n))
        names[(key(row["group"]), *both)] = row
    for entry in varcorr:
        group = re.sub(r"\.\d+$", "", entry["grp"])
        label = (key(group), *sorted(key(v) for v in (entry["var1"], entry["var2"]) if v))
        row = names[label]
        c.add("variance", f"{how} varcorr {label}", row["variance"], entry["vcov"],
              abs(row["variance"] - entry["vcov"])
              / max(abs(entry["vcov"]), 1e-3 * total))  # fmt: skip


def _ml(c: Comparison, m: mt.MixedModel, ref: dict) -> None:
    ml = m.refit(m.fit.problem.y, reml=False)
    c.add("loglik", "ML logLik", ml.llf, ref["logLik"], relative(ml.llf, ref["logLik"]))
    for i, value in enumerate(ref["fixef"].values()):
        error = abs(ml.params.iloc[i] - value) / max(abs(value), ml.bse.iloc[i])
        c.add("estimate", f"ML fixef {i}", ml.params.iloc[i], value, error)
    _components(c, ml, ref["varcorr"], "ML")


_DDF = {"satterthwaite": "coef_satterthwaite", "kenward-roger": "coef_kenward_roger"}
_KIND = {"satterthwaite": "df Satterthwaite", "kenward-roger": "df KR"}


def _coefficients(c: Comparison, m: mt.MixedModel, ref: dict) -> None:
    for ddf, entry in _DDF.items():
        if not ref.get(entry):
            continue
        table = m.coefficients(ddf)
        for i, row in enumerate(ref[entry]):
            ours, what = table.iloc[i], f"{ddf} {row['term']}"
            c.add("variance", f"{what} SE", ours.SE, row["Std. Error"],
                  relative(ours.SE, row["Std. Error"]))  # fmt: skip
            c.add(_KIND[ddf], f"{what} df", ours.df, row["df"], relative(ours.df, row["df"]))
            c.add("p", f"{what} p", ours.p, row["Pr(>|t|)"], abs(ours.p - row["Pr(>|t|)"]))
    if ref.get("vcov_kenward_roger") is not None:
        V = np.asarray(ref["vcov_kenward_roger"], float)
        V = V.reshape(len(m.params), len(m.params))
        ours = m.cov_params("kenward-roger").to_numpy()
        c.add("variance", "vcov KR", 0, 0, np.abs(ours - V).max() / np.diag(V).max())


_ROMAN = {"I": 1, "II": 2, "III": 3}


def _anova(c: Comparison, m: mt.MixedModel, ref: dict) -> None:
    for name, rows in (ref.get("anova") or {}).items():
        if not rows:
            continue
        method, roman = name.split(" ")
        ddf = method.lower()
        table = m.anova(type=_ROMAN[roman], ddf=ddf)
        index = {key(term): term for term in table.index}
        for row in rows:
            ours, what = table.loc[index[key(row["term"])]], f"anova {name} {row['term']}"
            if row["F value"] is None:
                continue
            c.add("estimate", f"{what} NumDF", ours.num_df, row["NumDF"],
                  abs(ours.num_df - row["NumDF"]))  # fmt: skip
            c.add("variance", f"{what} F", ours.F, row["F value"],
                  abs(ours.F - row["F value"]) / max(row["F value"], 1e-3))  # fmt: skip
            c.add("variance", f"{what} SS", ours.sum_sq, row["Sum Sq"],
                  abs(ours.sum_sq - row["Sum Sq"])
                  / max(row["Sum Sq"], 1e-3 * m.scale))  # fmt: skip
            c.add(_KIND[ddf], f"{what} DenDF", ours.den_df, row["DenDF"],
                  relative(ours.den_df, row["DenDF"]))  # fmt: skip
            c.add("p", f"{what} p", ours.p, row["Pr(>F)"], abs(ours.p - row["Pr(>F)"]))


def _random(c: Comparison, m: mt.MixedModel, ref: dict) -> None:
    scale = {}
    for group, rows in (ref.get("ranef") or {}).items():
        name = next(g for g in m.random_effects if key(g) == key(group))
        ours = m.random_effects[name]
        plain = re.sub(r"[()]", "", group)
        turned = ":" in plain and name.split(":") == plain.split(":")[::-1]
        index = {
            ":".join(str(level).split(":")[::-1]) if turned else str(level): level
            for level in ours.index
        }
        columns = {key(col): col for col in ours.columns}
        for column in ours.columns:
            scale[column] = float(ours[column].abs().max())
        for row in rows:
            for effect, value in row.items():
                if effect == "term":
                    continue
                column = columns[key(effect)]
                mine = ours.loc[index[row["term"]], column]
                c.add("variance", f"ranef {group} {row['term']} {effect}", mine, value,
                      abs(mine - value) / max(scale[column], 1e-6 * m.sigma))  # fmt: skip
    for group, rows in (ref.get("ranef_se") or {}).items():
        if not rows:
            continue
        name = next(g for g in m.random_effects if key(g) == key(group))
        shown = np.sort(np.asarray(rows, float).ravel())
        ours = np.sort(m.random_effects_se[name].to_numpy().ravel())
        c.add("variance", f"ranef_se {group}", 0, 0,
              np.abs(ours - shown).max() / max(shown.max(), 1e-6 * m.sigma))  # fmt: skip
    for which in ("fitted", "resid"):
        if ref.get(which):
            mine = (m.fittedvalues if which == "fitted" else m.resid).to_numpy()
            error = np.abs(mine - np.asarray(ref[which], float)).max() / m.sigma
            c.add("variance", which, 0, 0, error)


def _ranova(c: Comparison, m: mt.MixedModel, ref: dict) -> None:
    # lmerTest compares (0 + x|g) with (1|g), which is not nested in it: there the reference holds
    # a table of its own in which the term is deleted
    rows = ref.get("ranova_delete") or ref.get("ranova")
    if not rows:
        return
    table = m.ranova()
    assert len(table) == len(rows), "rows of ranova"
    index = {_ranova_key(term): term for term in table.index}
    for row in rows:
        ours = table.loc[index[_ranova_key(row["term"])]]
        c.add("loglik", f"ranova {row['term']}", ours.loglik, row["logLik"],
              relative(ours.loglik, row["logLik"]))  # fmt: skip
        c.add("estimate", f"ranova npar {row['term']}", ours.npar, row["npar"],
              abs(ours.npar - row["npar"]))  # fmt: skip
        if row["LRT"] is not None and row["Pr(>Chisq)"] is not None:
            c.add("p", f"ranova p {row['term']}", ours.p, row["Pr(>Chisq)"],
                  abs(ours.p - row["Pr(>Chisq)"]))  # fmt: skip


def _ranova_key(term: str) -> str:
    term = re.sub(r"1 \+ ", "", term)
    inside = re.search(r"\|(.*)\)", term)
    if not inside:
        return term
    term = re.sub(r"^x in (?=\(0 \+ x \|)", "", term)
    return term.replace(inside.group(1), key(inside.group(1))).replace(" ", "")


def _emmeans(c: Comparison, m: mt.MixedModel, ref: dict) -> None:
    for name, entry in (ref.get("emmeans") or {}).items():
        if "specs" in entry:
            specs, by, ddf, weights, at = (
                entry[k] for k in ("specs", "by", "ddf", "weights", "at")
            )
        else:
            *parts, ddf = (part.strip() for part in name.split(" | "))
            specs, by = parts[0], parts[1] if len(parts) > 1 else None
            weights, at = "equal", None
        means = m.emmeans(specs, by=by or None, ddf=ddf, weights=weights, at=at)
        _rows(c, means, entry["emmeans"], f"emmeans {name}", ddf)
        for what, rows in entry.items():
            kind, _, adjust = what.rpartition("_")
            if kind == "pairs":
                _rows(c, means.pairs(adjust=adjust), rows, f"{what} {name}", ddf)
            elif kind in ("trt.vs.ctrl", "poly") and adjust != "dunnettx":
                _rows(c, means.contrast(kind, adjust=adjust), rows, f"{what} {name}", ddf)


def _rows(c: Comparison, table: pd.DataFrame, rows: list[dict], what: str, ddf: str) -> None:
    assert len(table) == len(rows), f"rows of {what}"
    value = "emmean" if "emmean" in table.columns else "estimate"
    for i, row in enumerate(rows):
        ours, label = table.iloc[i], f"{what} row {i}"
        ref = row.get("emmean", row.get("estimate"))
        if ref is None:
            assert np.isnan(ours[value]), f"{label} should not be estimable"
            continue
        c.add("estimate", label, ours[value], ref, abs(ours[value] - ref) / ours.SE)
        c.add("variance", f"{label} SE", ours.SE, row["SE"], relative(ours.SE, row["SE"]))
        c.add(_KIND[ddf], f"{label} df", ours.df, row["df"], relative(ours.df, row["df"]))
        c.add("p", f"{label} p", ours.p, row["p.value"], abs(ours.p - row["p.value"]))
        for side, limit in (("lower", "lower.CL"), ("upper", "upper.CL")):
            if row.get(limit) is not None:
                c.add("limit", f"{label} {side}", ours[side], row[limit],
                      abs(ours[side] - row[limit]) / ours.SE)  # fmt: skip
