"""Explorers: a question, controls to move, and a picture that follows.

Each function returns an :class:`Explorer`, which a notebook shows as sliders above a picture. The
question it poses cannot be answered without moving them. What the picture shows is computed by a
plain function, which can be called without any widget: ``explorer.answer(**values)``.
"""

from __future__ import annotations

from mixedteach.lazy import lazily

# public name -> file
_HOME = {
    "Explorer": "_base",
    "pairing": "_pairing",
    "repeated_experiment": "_repeated_experiment",
    "variance_components": "_variance_components",
    "shrinkage": "_shrinkage",
    "missing_data": "_missing_data",
    "likelihood": "_likelihood",
    "wrong_error_term": "_wrong_error_term",
    "planks_profiles": "_planks_profiles",
    "power": "_power",
    "correlation_structure": "_correlation_structure",
}

__getattr__, __dir__, __all__ = lazily(__name__, _HOME)
