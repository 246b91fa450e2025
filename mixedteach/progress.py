"""A bar for what takes longer than a second.

It appears on the error stream of a terminal, or in a notebook that somebody works in, after a
second, and leaves nothing behind. Files, pipes, and notebooks that are run by a program (tests,
slides, grading) never see one.
"""

from __future__ import annotations

import sys
from typing import Any


def progress(total: int | None, what: str) -> Any:
    """Return a tqdm bar, to be used in a ``with`` statement; `total` None if it is not known.

    Examples
    --------
    >>> with progress(3, "bootstrap") as bar:  # no terminal here: nothing is shown
    ...     bar.update()
    """
    options = {"total": total, "desc": what, "delay": 1, "leave": False}
    if _in_live_notebook():
        try:
            from tqdm.notebook import tqdm as notebook_bar

            return notebook_bar(**options)
        except ImportError:  # no ipywidgets
            pass
    from tqdm import tqdm

    return tqdm(**options, disable=None)  # None: no bar unless the stream is a terminal


def _in_live_notebook() -> bool:
    """Say whether a person sits before this kernel: only then may it ask for input."""
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    return bool(getattr(kernel, "_allow_stdin", False))
