"""Linear mixed models, to be taught and to be used.

>>> import mixedteach as mt
>>> m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
>>> m.anova(ddf="containment").round(4)[["num_df", "den_df", "F", "p"]]
        num_df  den_df       F       p
term
method       1     9.0  0.2866  0.6054

The public names below are loaded when they are first used, so that the import is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "lmer": "model",
    "compare": "comparison",
    "MixedModel": "model",
    "lm": "classical",
    "LinearModel": "classical",
    "paired_t_test": "classical",
    "TukeyHSD": "classical",
    "from_statsmodels": "interop",
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

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
