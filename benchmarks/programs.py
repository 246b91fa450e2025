"""How each Python program reads a table, fits, refits and finds Kenward-Roger's df.

Every program gets what is quickest for it: lme_python a polars table (its own), the others a pandas
one with categories; a pandas table with text is measured besides; glmm does not compute
Satterthwaite's df while it fits.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from models import Model, model


class Program:
    """What the programs share; a method left out says that the program cannot do it."""

    package = ""

    def version(self) -> str:
        return version(self.package)

    def read(self, path: Path, factors: tuple[str, ...]) -> Any:
        import pandas as pd

        return pd.read_csv(path, dtype=dict.fromkeys(factors, "category"))

    def forget(self) -> None:
        """Clear what the program remembers of formulas."""

    def with_response(self, data: Any, spec: Model, y: Any) -> Any:
        return data.assign(**{spec.response: y})

    def fit(self, formula: str, data: Any, name: str) -> Any:
        raise NotImplementedError

    def from_pandas(self, formula: str, table: Any, name: str) -> Any:
        """Fit to a pandas table with text."""
        return self.fit(formula, table, name)

    def loglik(self, fit: Any) -> float:
        raise NotImplementedError

    def beta(self, fit: Any) -> Any:
        """Return the coefficients as plain numbers."""
        raise NotImplementedError

    def estimates(self, fit: Any) -> tuple[float, Any]:
        """Return log-likelihood and coefficients."""
        return self.loglik(fit), self.beta(fit)

    def shuffled(self, data: Any, seed: int) -> Any:
        """Return the table with its rows in another order."""
        return data.sample(frac=1, random_state=seed, ignore_index=True)

    def on_boundary(self, fit: Any) -> bool:
        raise NotImplementedError

    def refitter(self, fit: Any, data: Any, name: str) -> Any:
        """Return a function that fits the same model to another response."""
        raise NotImplementedError

    def many(self, fit: Any, Y: Any, data: Any, name: str) -> Any:
        """Return the log-likelihoods of many responses, the rows of Y."""
        try:
            refit = self.refitter(fit, data, name)
        except NotImplementedError:
            spec = model(name)

            def refit(y: Any) -> Any:
                return self.fit(spec.formula, self.with_response(data, spec, y), name)

        return [self.loglik(refit(y)) for y in Y]

    def many_pvalues(self, fit: Any, Y: Any, term: str) -> Any:
        """Fit, and test a term by Satterthwaite and by Kenward-Roger; p-values of the latter."""
        raise NotImplementedError

    def kenward_roger(self, fit: Any, data: Any) -> list[float]:
        """Return the df of all coefficients."""
        raise NotImplementedError


class Mixedteach(Program):
    package = "mixedteach"

    def __init__(self) -> None:
        import mixedteach

        self.lmer = mixedteach.lmer
        self.installed = mixedteach.__version__

    def version(self) -> str:
        return self.installed

    def forget(self) -> None:
        from mixedteach import design, formula, prepared

        prepared.forget()
        for module in (formula, design):
            for thing in vars(module).values():
                if hasattr(thing, "cache_clear"):
                    thing.cache_clear()

    def fit(self, formula, data, name):
        return self.lmer(formula, data)

    def loglik(self, fit):
        return fit.llf

    def beta(self, fit):
        return fit.fit.beta

    def on_boundary(self, fit):
        return bool(fit.fit.optimum.zero.any())

    def refitter(self, fit, data, name):
        return fit.refit

    def many(self, fit, Y, data, name):
        return fit.refit_many(Y.T).llf.to_numpy()

    def many_pvalues(self, fit, Y, term):
        refits = fit.refit_many(Y.T)
        refits.anova(term, ddf="satterthwaite")
        return refits.anova(term, ddf="kenward-roger")["p"].to_numpy()

    def kenward_roger(self, fit, data):
        return fit.coefficients(ddf="kenward-roger")["df"].tolist()


class Glmm(Program):
    package = "glmm"

    def __init__(self) -> None:
        import glmm

        self.glmm = glmm

    def fit(self, formula, data, name):
        return self.glmm.fit(data, formula, satterthwaite=False)

    def loglik(self, fit):
        return fit.loglik

    def beta(self, fit):
        return fit.beta


class Mixedlm(Program):
    package = "mixedlm"

    def __init__(self) -> None:
        import mixedlm
        from mixedlm.inference.ddf import kenward_roger_df

        self.lmer, self.kr = mixedlm.lmer, kenward_roger_df

    def fit(self, formula, data, name):
        return self.lmer(formula, data)

    def loglik(self, fit):
        return fit.logLik().value

    def beta(self, fit):
        return fit.beta

    def refitter(self, fit, data, name):
        return fit.refit

    def kenward_roger(self, fit, data):
        return self.kr(fit).df.tolist()


class LmePython(Program):
    package = "lme_python"

    def __init__(self) -> None:
        import lme_python
        import polars

        self.lme, self.polars = lme_python, polars

    def read(self, path, factors):
        return self.polars.read_csv(
            path, schema_overrides=dict.fromkeys(factors, self.polars.String)
        )

    def with_response(self, data, spec, y):
        return data.with_columns(self.polars.Series(spec.response, y))

    def fit(self, formula, data, name):
        return self.lme.lmer(formula, data)

    def from_pandas(self, formula, table, name):
        return self.lme.lmer(formula, self.polars.from_pandas(table))

    def loglik(self, fit):
        return fit.log_likelihood

    def beta(self, fit):
        return fit.coefficients

    def shuffled(self, data, seed):
        return data.sample(fraction=1.0, shuffle=True, seed=seed)

    def refitter(self, fit, data, name):
        prepared = self.lme.prepare_lmer(model(name).formula, data)
        return lambda y: prepared.fit(y=y.tolist())

    def kenward_roger(self, fit, data):
        fit.with_kenward_roger(data)
        return fit.kenward_roger_dfs


class Statsmodels(Program):
    package = "statsmodels"

    def __init__(self) -> None:
        from statsmodels.formula.api import mixedlm

        self.mixedlm = mixedlm

    def fit(self, formula, data, name):
        spec = model(name)
        if not spec.statsmodels:
            raise NotImplementedError
        blanks = formula[len(formula.rstrip()) :]  # what makes a formula new, see worker.py
        return self.mixedlm(spec.fixed + blanks, data, **spec.statsmodels).fit(reml=True)

    def loglik(self, fit):
        return fit.llf

    def beta(self, fit):
        return fit.fe_params


PROGRAMS = {
    "mixedteach": Mixedteach,
    "glmm": Glmm,
    "lme_python": LmePython,
    "mixedlm": Mixedlm,
    "statsmodels": Statsmodels,
}
