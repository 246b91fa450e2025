"""The models that are measured, and the data that run.py makes for them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Model:
    """A formula, the columns that are factors, and how statsmodels says the same."""

    formula: str
    factors: tuple[str, ...]
    statsmodels: dict = field(default_factory=dict)

    @property
    def response(self) -> str:
        return self.formula.split("~")[0].strip()

    @property
    def fixed(self) -> str:
        return self.formula.split(" + (")[0]


TABLETS = Model("content ~ method + (1|tablet)", ("tablet", "method"), {"groups": "tablet"})
PLANKS = Model(
    "humidity ~ width*depth + (1|plank) + (1|plank:width) + (1|plank:depth)",
    ("plank", "width", "depth"),
    {
        "groups": "plank",
        "re_formula": "1",
        "vc_formula": {"width": "0 + C(width)", "depth": "0 + C(depth)"},
    },
)
SLEEPSTUDY = Model(
    "Reaction ~ Days + (Days|Subject)", ("Subject",), {"groups": "Subject", "re_formula": "~Days"}
)
NESTED = Model(
    "y ~ x + (1|a/b)",
    ("a", "b"),
    {"groups": "a", "re_formula": "1", "vc_formula": {"b": "0 + C(b)"}},
)
CROSSED = Model("y ~ x + (1|subject) + (1|item)", ("subject", "item"))
RATINGS = Model("y ~ x + (1|rater) + (1|rated)", ("rater", "rated"))
INSTEVAL = Model(
    "y ~ 1 + service + (1|s) + (1|d) + (1|dept:service)", ("service", "s", "d", "dept")
)


def model(name: str) -> Model:
    """Return the model of a data set such as 'planks' or 'nested_1000'."""
    named = {"tablets": TABLETS, "planks": PLANKS, "sleepstudy": SLEEPSTUDY}
    named |= {"nested": NESTED, "crossed": CROSSED, "ratings": RATINGS, "insteval": INSTEVAL}
    return named[name.split("_")[0]]
