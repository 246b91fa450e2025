"""For all tests: kernels that run notebooks import the package of this clone, as the tests do."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_PATHS = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, _PATHS))


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    """Close the figures of a test or an example: pyplot warns when they become many."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
