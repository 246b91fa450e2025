"""Draw docs/planks.png, the picture in the README: one question, three models, three answers.

Run ``python docs/make_picture.py`` after installing mixedteach. Left: the mean humidity of each
plank at the three widths (thin lines) and the mean of all planks. Right: the difference between
widths 2 and 1, with its Tukey interval and p, from a model that ignores the planks, one that knows
planks only, and one in which widths and depths vary within planks. The planks are the packaged
reconstruction.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

import mixedteach as mt

# Okabe and Ito's colours: told apart by colour-blind readers, and in grey print.
BLUE, VERMILION = "#0072B2", "#D55E00"
INK, PALE = "#222222", "#9A9A9A"


Model = mt.MixedModel | mt.LinearModel


def compared(model: Model) -> pd.Series:
    """Return the row of widths 2 and 1 from the Tukey comparisons."""
    pairs = model.emmeans("width").pairs(reverse=True)
    return pairs.set_index("contrast").loc["2 - 1"]


def draw_planks(ax: Axes, planks: pd.DataFrame, model: mt.MixedModel) -> None:
    """Draw one thin line a plank, and the marginal means."""
    by_plank = planks.groupby(["plank", "width"], observed=True)["humidity"].mean().unstack()
    position = range(1, 4)
    for _, values in by_plank.iterrows():
        ax.plot(position, values, color=PALE, linewidth=0.9, zorder=1)
    means = model.emmeans("width")["emmean"]
    ax.plot(position, means, color=INK, linewidth=2.8, marker="o", markersize=9, zorder=3)
    for x, mean in zip(position, means, strict=True):
        ax.annotate(
            f"{mean:.2f}",
            (x, mean),
            xytext=(0, 11),
            textcoords="offset points",
            ha="center",
            weight="bold",
            bbox={"boxstyle": "round,pad=0.12", "fc": "white", "ec": "none", "alpha": 0.8},
        )
    ax.set_xticks(list(position))
    ax.set_xlim(0.8, 3.2)
    ax.set_xlabel("Width (position across the plank)")
    ax.set_ylabel("Mean humidity over five depths [%]")
    ax.set_title("Twenty beech planks (thin) and their mean", loc="left")


def draw_answers(ax: Axes, answers: list[tuple[str, Model]], right: int) -> None:
    """Draw the Tukey interval and p of each model; the one numbered `right` is the right one."""
    ax.axvline(0, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    for number, (name, model) in enumerate(answers):
        row, formula = compared(model), model.formula_text.partition(" ~ ")[2]
        y, colour = -number, BLUE if number == right else VERMILION
        marker = "o" if number == right else "s"
        ax.plot([row["lower"], row["upper"]], [y, y], color=colour, linewidth=3.2)
        ax.plot(row["estimate"], y, marker, color=colour, markersize=9)
        on_white = {"va": "center", "bbox": {"boxstyle": "square,pad=0.1", "fc": "w", "ec": "none"}}
        ax.text(-0.43, y + 0.42, name, weight="bold", color=colour, **on_white)
        ax.text(-0.43, y + 0.23, formula, family="monospace", fontsize=9.5, color=INK, **on_white)
        p = (f"{row['p']:.3f}" if row["p"] >= 0.01 else f"{row['p']:.4f}").lstrip("0")
        ax.text(0.8, y, f"p = {p}", weight="bold", fontsize=13, color=colour, va="center")
    ax.set_ylim(-2.35, 0.62)
    ax.set_xlim(-0.45, 1.12)
    ax.set_xticks([-0.2, 0, 0.2, 0.4, 0.6])
    ax.set_yticks([])
    ax.set_xlabel("Humidity, width 2 minus width 1 [% points]\nwith 95% Tukey interval", x=0.42)
    ax.set_title("Is the wood at width 2 more humid than at width 1?", loc="left")


def main() -> None:
    """Fit the models, draw and save."""
    planks = mt.load_planks()
    fixed, strata = "width*depth", "(1|plank:width) + (1|plank:depth)"
    ignored = mt.lm("humidity ~ width", planks)
    only = mt.lmer(f"humidity ~ {fixed} + (1|plank)", planks)
    within = mt.lmer(f"humidity ~ {fixed} + (1|plank) + {strata}", planks)
    answers = [
        ("Planks ignored: 300 independent readings", ignored),
        ("Planks only: they differ in level, not in shape", only),
        ("Widths and depths within planks: they differ in shape too", within),
    ]
    plt.rcParams.update({"font.size": 10.5, "axes.titlesize": 11.5, "axes.titleweight": "bold"})
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 4.6), layout="constrained", width_ratios=[1, 1.5]
    )
    figure.get_layout_engine().set(wspace=0.06)
    draw_planks(left, planks, within)
    draw_answers(right, answers, right=len(answers) - 1)
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    right.spines["left"].set_visible(False)
    figure.savefig(Path(__file__).with_name("planks.png"), dpi=150, metadata={"Software": None})


if __name__ == "__main__":
    main()
