"""Explorers: a question, controls to move, and a picture that follows.

Each function returns an :class:`Explorer`, which a notebook shows as sliders above a picture. The
question it poses cannot be answered without moving them. What the picture shows is computed by a
plain function, which can be called without any widget: ``explorer.answer(**values)``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

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
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"mixedteach.explore has no '{name}': it has {', '.join(__all__)}.")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
