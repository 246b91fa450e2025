"""What other Python packages print for three of R's numbers: the table of the README, again.

Run it with an interpreter that has ``mixedlm`` and ``interlace-lme`` (and this folder's data):

    python benchmarks/others_df.py

R's numbers stand in ``tests/reference/r_reference.json`` (lmer: planks_strata, tablets_missing).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

DATA = Path(__file__).resolve().parents[1] / "datasets"
STRATA = ["(1|plank)", "(1|plank:width)", "(1|plank:depth)"]


def planks() -> pd.DataFrame:
    """Return the planks, factors as text."""
    return pd.read_csv(DATA / "planks.csv", dtype={"plank": str, "width": str, "depth": str})


def tablets() -> pd.DataFrame:
    """Return the complete rows of the tablets, nir first."""
    data = pd.read_csv(DATA / "tablets_missing.csv", dtype={"tablet": str}).dropna()
    return data.assign(method=pd.Categorical(data["method"], ["nir", "hplc"]))


def with_mixedlm() -> None:
    """Print mixedlm's comparison of the widths and its Kenward-Roger summary."""
    import mixedlm

    model = mixedlm.lmer(f"humidity ~ width*depth + {' + '.join(STRATA)}", planks())
    print(mixedlm.emmeans(model, "width").pairs(adjust="tukey"))
    model = mixedlm.lmer("content ~ method + (1|tablet)", tablets())
    print(model.summary(ddf_method="Kenward-Roger"))


def with_interlace() -> None:
    """Print interlace's comparison of the widths and its Kenward-Roger coefficients."""
    import interlace

    data = planks().assign(
        plank_width=lambda d: d["plank"] + d["width"], plank_depth=lambda d: d["plank"] + d["depth"]
    )
    random = ["(1|plank)", "(1|plank_width)", "(1|plank_depth)"]
    model = interlace.fit("humidity ~ width*depth", data, random=random)
    print(interlace.pairs(interlace.emmeans(model, "width"), adjust="tukey"))
    model = interlace.fit(
        "content ~ method", tablets(), random=["(1|tablet)"], df_method="kenward-roger"
    )
    print(model.summary())


if __name__ == "__main__":
    for name, show in {"mixedlm": with_mixedlm, "interlace-lme": with_interlace}.items():
        print(f"--- {name}")
        try:
            show()
        except ImportError:
            print("not installed")
