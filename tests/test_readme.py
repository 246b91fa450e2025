"""What the README shows is what happens: examples, commands, table from R, links."""

import doctest
import re
from pathlib import Path

import pytest

import mixedteach as mt

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_examples():
    blocks = re.findall(r"```python\n(.+?)```", TEXT, re.S)
    assert len(blocks) == 3
    names = {}
    for block in blocks:
        # doctest takes an empty line for the end of the output; in the README it is part of it
        block = re.sub(r"^$", "<BLANKLINE>", block.rstrip(), flags=re.M) + "\n"
        example = doctest.DocTestParser().get_doctest(block, names, "README", "README.md", 0)
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)  # long messages
        assert runner.run(example, clear_globs=False).failed == 0
        names = example.globs


def test_commands_word_for_word():
    assert "\npip install . && mixedteach lab\n" in TEXT
    assert "`mixedteach reproduce`" in TEXT
    assert '\npip install ".[test]" && pytest\n' in TEXT


def test_links_and_pictures_exist():
    targets = re.findall(r"\]\((?!https?://)([^)]+)\)", TEXT)
    assert "docs/planks.png" in targets
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-")
        for line in re.findall(r"^#+ (.+)$", TEXT, re.M)
    }
    for target in targets:
        assert (target[1:] in headings) if target.startswith("#") else (ROOT / target).exists()


def test_the_place_for_benchmarks():
    assert TEXT.index("<!-- benchmarks:start -->") < TEXT.index("<!-- benchmarks:end -->")


def calls():
    """Return the right-hand sides of the table from R that are calls on a model m."""
    table = TEXT.split("## From R to mixedteach")[1].split("\n## ")[0].replace("\\|", "|")
    found = re.findall(r"`(m\.[^`]+)`", table)
    assert len(found) > 20
    return found


@pytest.mark.parametrize("call", calls())
def test_table_from_r(call):
    d = mt.load_planks().rename(columns={"humidity": "y", "width": "b", "plank": "g"})
    d["a"] = d["depth"].astype(int) > 4
    m = mt.lmer("y ~ a*b + (1|g)", d) if "b" in call.split("(")[-1] else None
    m = m or mt.lmer("y ~ a + (1|g)", d)
    call = call.replace('"bootstrap"', '"bootstrap", nsim=2')
    names = {"m": m, "mt": mt, "new": d.head(3), "y": m.simulate(1, seed=1)[0]}
    eval(call, names | {"Y": m.simulate(3, seed=1)})
