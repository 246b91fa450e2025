"""Pictures of data, models and results: one kind of picture a file.

Every function draws into a matplotlib ``Axes`` (``ax=``; without it a new figure is made), and
returns the Axes. Fonts are large enough for a projector, colours are Okabe and Ito's, which
colour-blind readers can tell apart, and every figure carries a description in words
(:func:`describe`), which a notebook stores beside the picture.
"""

from __future__ import annotations

from mixedteach.lazy import lazily

# public name -> file
_HOME = {
    "axes": "_style",
    "describe": "_style",
    "description": "_style",
    "paired": "_paired",
    "differences": "_paired",
    "blocks": "_blocks",
    "covariance": "_covariance",
    "shrinkage": "_shrinkage",
    "caterpillar": "_caterpillar",
    "variances": "_variances",
    "missing": "_missing",
    "emmeans": "_emmeans",
    "pairs": "_pairs",
    "matrix": "_matrix",
    "design": "_design",
    "likelihood": "_likelihood",
    "likelihood_contour": "_contour",
    "layout": "_layout",
    "interaction": "_interaction",
    "residuals": "_residuals",
    "qq": "_qq",
    "power": "_power",
    "f_test": "_f_test",
    "trajectories": "_trajectories",
    "structures": "_structures",
    "correlation_by_lag": "_structures",
    "sd_by_time": "_structures",
}

__getattr__, __dir__, __all__ = lazily(__name__, _HOME)
