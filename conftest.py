"""For all tests: kernels that run notebooks import the package of this clone, as the tests do."""

import os
from pathlib import Path

_PATHS = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, _PATHS))
