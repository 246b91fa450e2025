"""Public names that are loaded when they are first used, so that an import is quick (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any


def lazily(
    package: str, home: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` for a package.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    home : dict
        Public name -> the package's file that holds it.
    """
    names = sorted(home)

    def __getattr__(name: str) -> Any:
        if name in home:
            value = getattr(import_module(f"{package}.{home[name]}"), name)
            setattr(import_module(package), name, value)
            return value
        near = get_close_matches(name, names, n=1)
        hint = f". Did you mean '{near[0]}'?" if near else f": it has {', '.join(names)}."
        raise AttributeError(f"{package} has no '{name}'{hint}")

    def __dir__() -> list[str]:
        return sorted({*vars(import_module(package)), *names})

    return __getattr__, __dir__, names
