"""Imports stay quick, and the benchmarks run. Nothing here measures time."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("scipy.stats", "statsmodels", "seaborn", "matplotlib", "ipywidgets", "IPython", "sklearn")

FIT = """
planks = mt.load_planks()
m = mt.lmer("humidity ~ width*depth + (1|plank) + (1|plank:width) + (1|plank:depth)", planks)
means = m.emmeans("width")
for table in (m.summary(), m.anova(), m.anova(ddf="kenward-roger"), means, means.pairs()):
    str(table)
"""


def loaded(code: str) -> set[str]:
    """Return the modules that a fresh Python holds after `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('modules', *sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


def test_import_loads_nothing_but_the_package():
    modules = loaded("import mixedteach")
    assert not modules & {*HEAVY, "pandas", "numpy", "scipy", "formulae"}


def test_fit_and_tables_do_without_heavy_modules():
    modules = loaded(f"import mixedteach as mt\n{FIT}")
    assert "mixedteach.model" in modules
    assert not modules & set(HEAVY)


@pytest.mark.skipif(sys.platform == "win32", reason="the benchmarks need Unix")
def test_worker_fits_and_answers(tmp_path):
    import mixedteach as mt

    mt.load_tablets().to_csv(tmp_path / "tablets.csv", index=False)
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "worker.py", "mixedteach", tmp_path],
        input="cold tablets 2\nkr tablets 1\nrefit planks 1\n",
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    cold, kr, missing = done.stdout.splitlines()
    assert float(cold.split()[0]) == pytest.approx(-6.98026, abs=1e-5)
    assert float(kr.split()[0]) == pytest.approx(9)
    assert missing == "none"  # no such table here: said, not raised


def test_formulas_of_python_and_r_agree():
    from benchmarks import models

    text = (ROOT / "benchmarks" / "worker.R").read_text(encoding="utf-8")
    in_r = dict(re.findall(r'^  (\w+) = "(.*~.*)"', text, re.MULTILINE))
    assert len(in_r) == 7
    assert in_r == {name: models.model(name).formula for name in in_r}
