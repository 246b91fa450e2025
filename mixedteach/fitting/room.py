"""Is there room for the matrices of a model? Asked before they are made.

Memory that runs out takes the whole session with it, so a model that needs more than the machine
has to spare is refused, with what makes it large.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixedteach.errors import FitError
from mixedteach.fitting.blocks import levels_per_component

Array = np.ndarray

_SMALL = 2**28  # bytes; less than that is not worth asking
# matrices as large as the border's, or a component's, that exist at once (measured: see
# benchmarks/size.md), the exact Hessian of the degrees of freedom included
_BORDER, _COMPONENT = 12, 6


class NoRoom(FitError):
    """The model needs more memory than there is."""

    def __init__(self, terms: Sequence[int], size: int, needed: float, free: float) -> None:
        self.terms, self.size, self.needed, self.free = list(terms), size, needed, free
        super().__init__(self.sentence([f"random term {t + 1}" for t in terms]))

    def sentence(self, names: Sequence[str]) -> str:
        """Say what is too large, with the terms by these names."""
        coupling = f"a matrix of {self.size:,} x {self.size:,} numbers"
        needed, free = gigabytes(self.needed), gigabytes(self.free)
        return (
            f"The levels of {' and '.join(names)} cross those of the other random effects or share "
            f"them, which couples them by {coupling}; the fit needs about {needed} of memory, and "
            f"{free} are free: leave a term out, fit a part of the data with fewer levels, or use "
            "lme4 in R or MixedModels.jl in Julia."
        )


def gigabytes(size: float) -> str:
    """Write a number of bytes as GB."""
    return f"{size / 2**30:,.0f} GB" if size >= 10 * 2**30 else f"{size / 2**30:.1f} GB"


def check_room(
    layout: tuple[list[int], list[int], Array], codes: Sequence[Array], sizes: Sequence[int],
    groups: Sequence[int],
) -> None:  # fmt: skip
    """Raise :class:`NoRoom` if the matrices of a layout (of :func:`.blocks.plan`) do not fit.

    Raises
    ------
    NoRoom
    """
    inside, border, component = layout
    if sum(m * k for m, k in zip(groups, sizes, strict=True)) ** 2 * 8 * _BORDER < _SMALL:
        return
    columns = sum(groups[t] * sizes[t] for t in border)
    each = sum(sizes[t] * levels_per_component(component, codes[t], groups[t]) for t in inside)
    largest = int(each.max())
    needs = [
        (8.0 * _BORDER * columns**2, border, columns),
        (8.0 * _COMPONENT * float((each.astype(float) ** 2).sum()), inside, largest),
    ]
    total = needs[0][0] + needs[1][0]
    if total < _SMALL:
        return
    free = free_memory()
    if total > free:
        _, terms, size = max(needs)
        raise NoRoom(terms, size, total, free)


def free_memory() -> float:
    """Return the bytes that the machine has to spare."""
    import psutil

    return float(psutil.virtual_memory().available)
