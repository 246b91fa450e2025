"""Coverage of intervals under residual covariances for which R offers no numbers.

Small, unbalanced experiments are simulated from a known covariance; the model is fitted by REML,
and each df method gives a 95% interval for every fixed effect. Printed are the share of intervals
that cover (with its Monte-Carlo standard error), and the mean of the estimated variance over the
true one, for the plain and for the adjusted covariance.

    python benchmarks/residual_coverage.py [simulations]
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

import mixedteach as mt
from mixedteach.errors import FitError
from mixedteach.inference.distributions import t_quantile
from mixedteach.inference.kenward_roger_nonlinear import KenwardRogerNonlinear
from mixedteach.inference.satterthwaite import Satterthwaite

Array = np.ndarray


class Linear(KenwardRogerNonlinear):
    """Kenward-Roger-linear: without second derivatives."""

    def _curvature(self, P: Array) -> Array:
        return 0.0 * P[0]


class First(KenwardRogerNonlinear):
    """Kenward and Roger (1997): with R_rs, without the bias of the parameters."""

    def _curvature(self, P: Array) -> Array:
        pairs, R, _ = self.fit.curvature
        weight = np.array([self.W[r, s] * (1 if r == s else 2) for r, s in pairs])
        return 0.25 * np.einsum("m,mij->ij", weight, R)


METHODS = {
    "Satterthwaite": Satterthwaite,
    "KR linear": Linear,
    "KR 1997": First,
    "KR 2009": KenwardRogerNonlinear,
}


def design(subjects: int = 10, visits: int = 5, seed: int = 5) -> pd.DataFrame:
    """Return subjects in two groups seen at several visits, a seventh of them missed."""
    rng = np.random.default_rng(seed)
    s, t = (a.ravel() for a in np.indices((subjects, visits)))
    frame = pd.DataFrame(
        {"s": s, "t": t, "g": np.where(s % 2, "b", "a"), "y": rng.normal(size=s.size)}
    )
    keep = rng.random(len(frame)) > 1 / 7
    return frame[keep].reset_index(drop=True).assign(s=lambda d: d["s"].map("s{}".format))


def cases() -> dict[str, tuple[mt.GeneralModel, Array]]:
    """Return, for each name, a model fitted to anything and the covariance to simulate from."""
    return {**structured(design()), **unstructured(design(subjects=24))}


def unstructured(d: pd.DataFrame) -> dict[str, tuple[mt.GeneralModel, Array]]:
    """Return a model with five variances and ten correlations; it needs more subjects."""
    same = (d["s"].to_numpy()[:, None] == d["s"].to_numpy()).astype(float)
    by_time = np.array([1.0, 1.3, 1.7, 2.2, 2.9])[d["t"]]
    model = mt.gls(
        "y ~ g*t",
        d,
        correlation=mt.Unstructured("t", by="s"),
        variance=mt.UnequalVariances("t"),
    )
    V = same * (0.6 + 0.4 * np.eye(len(d))) * np.outer(by_time, by_time)
    return {"unstructured, 24 subjects": (model, V)}


def structured(d: pd.DataFrame) -> dict[str, tuple[mt.GeneralModel, Array]]:
    """Return models with few parameters."""
    same = (d["s"].to_numpy()[:, None] == d["s"].to_numpy()).astype(float)
    lag = np.abs(d["t"].to_numpy()[:, None] - d["t"].to_numpy())
    big = np.where(d["g"] == "b", 3.0, 1.0)
    ar = mt.AR1("t", by="s")
    unequal = mt.UnequalVariances("g")
    return {
        "AR1, phi 0.6": (mt.gls("y ~ g*t", d, correlation=ar), same * 0.6**lag),
        "AR1, phi -0.4": (mt.gls("y ~ g*t", d, correlation=ar), same * (-0.4) ** lag),
        "intercept + AR1 + unequal": (
            mt.lmer("y ~ g*t + (1|s)", d, correlation=ar, variance=unequal),
            same + np.outer(big, big) * same * 0.3**lag,
        ),
        "intercept + unequal": (
            mt.lmer("y ~ g*t + (1|s)", d, variance=unequal),
            same + np.diag(big**2),
        ),
    }  # fmt: skip


def run(model: mt.GeneralModel, V: Array, simulations: int, seed: int = 1) -> pd.DataFrame:
    """Return coverage and relative variance by method and fixed effect."""
    rng, F = np.random.default_rng(seed), np.linalg.cholesky(V)
    p, identity = len(model.params), np.eye(len(model.params))
    cover = {name: [] for name in METHODS}
    size = {name: [] for name in METHODS}
    estimates, lost = [], 0
    for _ in range(simulations):
        try:
            fit = model.fit.problem.refit(F @ rng.normal(size=model.nobs), True)
            found = {name: make(fit) for name, make in METHODS.items()}
            for name, method in found.items():
                var = np.diag(method.cov)
                half = t_quantile(0.975, method.df(identity)) * np.sqrt(np.maximum(var, 0))
                cover[name].append(np.abs(fit.beta) <= half)
                size[name].append(var)
        except (FitError, np.linalg.LinAlgError):
            lost += 1
            continue
        estimates.append(fit.beta)
    true = np.var(estimates, axis=0)
    done = len(estimates)
    rows = {}
    for name in METHODS:
        share = np.mean(cover[name], axis=0)
        rows[name] = [*share, *(np.mean(size[name], axis=0) / true)]
    names = [f"cover {x}" for x in model.params.index] + [f"var {x}" for x in model.params.index]
    out = pd.DataFrame(rows, index=names).T
    out.attrs["error"] = float(np.sqrt(0.05 * 0.95 / done))
    out.attrs["lost"] = lost
    assert out.shape[1] == 2 * p
    return out


if __name__ == "__main__":
    simulations = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    for name, (model, V) in cases().items():
        table = run(model, V, simulations)
        print(
            f"\n{name}; Monte-Carlo error of coverage {table.attrs['error']:.4f}, of variance "
            f"ratio {np.sqrt(2 / simulations):.3f}; {table.attrs['lost']} fits without an optimum"
        )
        print(table.round(3).to_string())
