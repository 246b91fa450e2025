"""Cost against size: `python benchmarks/size.py` measures mixedteach alone and draws the curves.

Every size is fitted in a fresh process, on one thread; `size.md` gets the table and `size.png` the
picture. Memory is what the process grows by at its peak, the table itself not counted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from run import ENVIRONMENT, HERE, caption, markdown, nested, number

COLUMNS = {"fit": "fit, s", "df": "df and tests, s", "memory": "peak memory, MB"}


def unbalanced(n: int) -> pd.DataFrame:
    """Return n rows in groups of very different size, each with up to 10 subgroups."""
    rng = np.random.default_rng(n)
    share = rng.pareto(1.5, n // 100) + 0.2
    a, b = rng.choice(n // 100, n, p=share / share.sum()), rng.integers(0, 10, n)
    x, place = rng.normal(size=n), 10 * a + b
    y = 1 + x + rng.normal(size=n // 100)[a] + rng.normal(size=n // 10)[place]
    return pd.DataFrame({"y": y + rng.normal(size=n), "x": x, "a": a, "b": b})


def groups(n: int, each: int = 10, slope: float = 0.0) -> pd.DataFrame:
    """Return n rows in n / each groups, in any order."""
    rng = np.random.default_rng(n)
    a, x = rng.integers(0, n // each, n), rng.normal(size=n)
    y = 1 + x + rng.normal(size=n // each)[a] + slope * x * rng.normal(size=n // each)[a]
    return pd.DataFrame({"y": y + rng.normal(size=n), "x": x, "a": a})


def ratings(small: int, each: int = 40) -> pd.DataFrame:
    """Return ratings of `small` people, each rated 40 times, by four times as many."""
    rng, n = np.random.default_rng(small), small * each
    a, b, x = rng.integers(0, 4 * small, n), rng.integers(0, small, n), rng.normal(size=n)
    y = 1 + x + 0.7 * rng.normal(size=4 * small)[a] + 0.5 * rng.normal(size=small)[b]
    return pd.DataFrame({"y": y + rng.normal(size=n), "x": x, "a": a, "b": b})


ROWS = (1_000, 10_000, 100_000, 1_000_000)
# name -> (formula, how the data are made, the sizes)
CURVES = {
    "nested, balanced": ("y ~ x + (1|a/b)", nested, ROWS),
    "nested, unbalanced": ("y ~ x + (1|a/b)", unbalanced, ROWS),
    "one factor, rows / 10 groups": ("y ~ x + (1|a)", groups, ROWS),
    "random slopes, rows / 20 groups": (
        "y ~ x + (x|a)", lambda n: groups(n, 20, 0.5), ROWS,
    ),
    "crossed, each level 40 rows": (
        "y ~ x + (1|a) + (1|b)", ratings, (250, 500, 1000, 2000, 3500, 5000),
    ),
}  # fmt: skip


def measure(name: str, size: int) -> None:
    """Fit one size in this process and print rows, seconds and megabytes."""
    import time

    from worker import forget_peak, peak_mb

    import mixedteach as mt

    formula, make, _ = CURVES[name]
    str(mt.lmer("content ~ method + (1|tablet)", mt.load_tablets()).summary())  # imports
    small = make(1000 if name[:7] != "crossed" else 120)
    str(mt.lmer(formula, small).summary())
    data = make(size)
    forget_peak()
    before = peak_mb()
    start = time.perf_counter()
    model = mt.lmer(formula, data)
    fitted = time.perf_counter()
    str(model.summary())
    model.anova(ddf="kenward-roger")
    done = time.perf_counter()
    print(len(data), fitted - start, done - fitted, peak_mb() - before)


def measured(name: str, size: int, rounds: int) -> dict[str, float]:
    """Return the quickest of some rounds (a busy machine only adds), and the peak memory."""
    command = [sys.executable, str(HERE / "size.py"), "--one", name, str(size)]
    lines = []
    for _ in range(rounds):
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)
        lines.append([float(x) for x in done.stdout.split()])
    n, fit, df, memory = np.array(lines).T
    return {"rows": n[0], "fit": fit.min(), "df": df.min(), "memory": memory.max()}


def picture(table: pd.DataFrame, path: Path) -> None:
    """Draw seconds and megabytes against size, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    fig, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
    kinds = [("rows", "rows"), ("size", "levels of the smaller of two crossed factors")]
    markers = dict(zip(CURVES, "os^Dv", strict=True))
    for column, (x, label) in enumerate(kinds):
        for row, (y, what) in enumerate([("fit", "fit, s"), ("memory", "peak memory, MB")]):
            ax = axes[row, column]
            for name, own in table.groupby("kind", sort=False):
                if name.startswith("crossed") == (x == "size"):
                    ax.loglog(own[x], own[y].clip(lower=0.1 if y == "memory" else 0),
                              marker=markers[name], label=name)  # fmt: skip
            low, high = ax.get_xlim()
            power = 1 if x == "rows" else (3 if y == "fit" else 2)
            top = table.loc[table["kind"].str.startswith("crossed") == (x == "size"), [x, y]].max()
            line = np.array([top[x] / 30, top[x]])
            ax.loglog(line, 2 * top[y] * (line / top[x]) ** power, ":", color="grey",
                      label=f"slope {power}")  # fmt: skip
            ax.set(xlabel=label, ylabel=what, xlim=(low, high))
            if x == "size":
                ax.set_xticks(sorted(own[x]), [f"{size:,}" for size in sorted(own[x])],
                              fontsize=8)  # fmt: skip
                ax.minorticks_off()
            ax.grid(alpha=0.3)
            if row == 0:
                ax.legend(fontsize=8)
    fig.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure cost against size.")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "SIZE"), help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="the smaller sizes only, once")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of size.md and size.png")
    args = parser.parse_args()
    if args.one:
        measure(args.one[0], int(args.one[1]))
        return
    load, rows = os.getloadavg()[0], []
    for name, (formula, _, sizes) in CURVES.items():
        for size in sizes[:2] if args.quick else sizes:
            print(name, size, file=sys.stderr)
            rounds = 1 if args.quick or (name.startswith("crossed") and size > 2000) else 3
            result = measured(name, size, rounds)
            rows.append({"kind": name, "formula": formula, "size": size, **result})
    table = pd.DataFrame(rows)
    cells = [
        [f"`{row.formula}`, {row.kind}", f"{row.size:,}", f"{int(row.rows):,}",
         *(number(getattr(row, key)) for key in COLUMNS)]
        for row in table.itertuples()
    ]  # fmt: skip
    head = ["", "size", "rows", *COLUMNS.values()]
    import mixedteach

    parts = [
        "# Cost against size",
        caption({"mixedteach": mixedteach.__version__}, (load, os.getloadavg()[0]))
        .partition(" Not installed")[0],
        "*Size* is the number of rows, or the levels of the smaller of two crossed factors. *df "
        "and tests*: the summary with Satterthwaite's df and an anova by Kenward and Roger.",
        markdown(head, cells),
        "![Seconds and megabytes against size](size.png)",
    ]  # fmt: skip
    args.out.joinpath("size.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    picture(table, args.out / "size.png")


if __name__ == "__main__":
    main()
