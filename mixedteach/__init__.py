"""Linear mixed models, to be taught and to be used.

>>> import mixedteach as mt
>>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
>>> m.anova(ddf="containment").round(4)[["num_df", "den_df", "F", "p"]]
        num_df  den_df       F       p
term
method       1     9.0  0.2866  0.6054

Models: ``lmer`` (mixed), ``gls`` (correlated residuals, unequal variances), ``lm`` (least squares),
``from_statsmodels``; the classical
``paired_t_test`` and ``TukeyHSD``; ``compare`` for likelihood ratios; ``power_curve`` for planning
an experiment (``crossed`` and ``planned`` write one down); ``load_...`` for data;
pictures in ``mt.plot``, interactive explorers in ``mt.explore``. For the exercises: ``check``,
``hint`` and ``exercise_data``.
A fitted model has ``summary, coefficients, anova, ranova, emmeans, estimable, conf_int, predict,
simulate, refit, variance_components, random_effects`` and more: ``help(mixedteach.MixedModel)``.

The public names are loaded when they are first used, so that the import is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "lmer": "model",
    "gls": "general",
    "AR1": "fitting.residual.correlation",
    "CAR1": "fitting.residual.correlation",
    "CompoundSymmetry": "fitting.residual.correlation",
    "Unstructured": "fitting.residual.correlation",
    "UnequalVariances": "fitting.residual.variance",
    "PowerOf": "fitting.residual.variance",
    "PowerOfMean": "fitting.residual.variance",
    "compare": "comparison",
    "MixedModel": "model",
    "GeneralModel": "general",
    "lm": "classical",
    "LinearModel": "classical",
    "paired_t_test": "classical",
    "TukeyHSD": "classical",
    "from_statsmodels": "interop",
    "power_curve": "power.curve",
    "power_of": "power.curve",
    "planned": "power.planned",
    "crossed": "power.planned",
    "check": "checks.check",
    "hint": "checks.check",
    "exercise_data": "checks.check",
    "Table": "table",
    "MixedTeachError": "errors",
    "FormulaError": "errors",
    "DataError": "errors",
    "FitError": "errors",
    "InferenceError": "errors",
    "MixedTeachWarning": "errors",
    **{
        f"load_{name}": "datasets"
        for name in (
            "tablets", "tablets_missing", "oats", "sleepstudy", "penicillin", "machines",
            "orthodont", "planks",
        )
    },
}  # fmt: skip

# mt.plot.paired(...), mt.explore.likelihood(...): loaded on first use, too
_ROOMS = ("plot", "explore")

# help(mixedteach) shows what is listed here; Table would bring all of pandas along
__all__ = sorted({*_HOME, *_ROOMS} - {"Table"})

_FROM_R = {
    "lme": "mt.lmer('y ~ x + (1|g)', data)",
    "corAR1": "correlation=mt.AR1('visit', by='group')",
    "corCAR1": "correlation=mt.CAR1('time', by='group')",
    "corCompSymm": "correlation=mt.CompoundSymmetry(by='group')",
    "corSymm": "correlation=mt.Unstructured('time', by='group')",
    "varIdent": "variance=mt.UnequalVariances('factor')",
    "varPower": "variance=mt.PowerOfMean() or mt.PowerOf('covariate')",
    "pdDiag": "(x||g) in the formula",
    "pdIdent": "(x|||g) in the formula",
    "intervals": "m.conf_int() and m.conf_int('residual')",
    "aov": "mt.lm(...).anova()",
    "anova": "m.anova(), or mt.compare(m0, m1) for two models",
    "emmeans": "m.emmeans('factor')",
    "lsmeans": "m.emmeans('factor')",
    "ranova": "m.ranova()",
    "summary": "m.summary()",
    "t_test": "mt.paired_t_test(...)",
    "powerSim": "mt.power_of(m, 'effect')",
    "powerCurve": "mt.power_curve(m, 'effect', along={'group': [10, 20]})",
    "pairwise_tukeyhsd": "m.emmeans('factor').pairs()",
}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name in _HOME:
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    if hint := _FROM_R.get(name):
        raise AttributeError(f"mixedteach has no '{name}': use {hint}.")
    from difflib import get_close_matches

    near = get_close_matches(name, __all__, n=1)
    raise AttributeError(
        f"mixedteach has no '{name}'"
        + (f". Did you mean '{near[0]}'?" if near else "; dir(mixedteach) lists all.")
    )


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
