"""Make planks.csv: 20 artificial planks with exactly the mean and covariance of the real ones.

Run ``python datasets/make_planks.py`` in a clone to write the file anew.

Each plank is one vector y of 15 readings (3 widths x 5 depths). With N(0, 1) numbers in the
20 x 15 matrix Z0, and S the covariance of the cells over the planks (divisor 19):

1. centre the columns of Z0;
2. whiten: Z = Z0 inv(K)' with K K' the covariance of Z0, so that Z has covariance I exactly;
3. colour: Y = mean + Z C' with C C' = S, so that Y has mean ``mean`` and covariance S exactly.

Both square roots are Cholesky factors: they are unique, so every machine draws the same planks
up to rounding.
"""

import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parent

# The first seed, counted from 0, whose smallest and largest reading round to those of the
# original (3.0 and 9.5). Only the picture depends on it: mean and covariance do not.
SEED = 1446


def reconstruct(mean: np.ndarray, covariance: np.ndarray, planks: int, seed: int) -> np.ndarray:
    """Draw a planks x cells matrix with exactly this mean and sample covariance."""
    z = np.random.default_rng(seed).standard_normal((planks, len(mean)))
    z -= z.mean(axis=0)
    whiten = np.linalg.cholesky(z.T @ z / (planks - 1))
    colour = np.linalg.cholesky(covariance)
    return mean + np.linalg.solve(whiten, z.T).T @ colour.T


def planks_csv(facts: dict) -> str:
    """Return the text of planks.csv: one line per plank, width and depth."""
    design = facts["design"]
    cells = [(width, depth) for width in design["widths"] for depth in design["depths"]]
    mean = np.array([facts["cell_means"][f"width {w}, depth {d}"] for w, d in cells])
    covariance = np.array(facts["covariance_between_cells_over_planks"])
    readings = reconstruct(mean, covariance, design["planks"], SEED)
    lines = ["plank,width,depth,humidity"]
    for plank, row in enumerate(readings, start=1):
        lines += [f"{plank},{w},{d},{y:.10f}" for (w, d), y in zip(cells, row, strict=True)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    facts = json.loads((FOLDER / "planks_facts.json").read_text(encoding="utf-8"))
    (FOLDER / "planks.csv").write_text(planks_csv(facts), encoding="utf-8", newline="\n")
