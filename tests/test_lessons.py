"""The lessons keep the rules of course/writing_lessons.md; code shown in passing is right, too.

That their cells give the stored outputs is nbval's part (``--nbval`` in pyproject.toml).
"""

import ast
import contextlib
import io
import json
import re
from pathlib import Path

import nbformat
import pytest
from notebooks import FOLDER, LESSONS, ROOT, blocks, prose, read, tidy

import mixedteach as mt

RHYTHM = [
    "A question and data", "Predict first", "Look", "Fit", "Say it in words", "Play",
    "The classic mistake", "The same in R and in statsmodels", "Check yourself", "Take away",
]  # fmt: skip
MOST_LINES, MOST_COLUMNS = 18, 88
MODULES = {"mixedteach", "numpy", "pandas", "scipy", "matplotlib", "statsmodels", "io"}
# an address in memory, a place on somebody's disk, numpy's names for plain numbers
NOISE = re.compile(
    r"0x[0-9a-f]{6,}|/(tmp|home|root|work|Users)/|[A-Z]:\\|np\.(float|int|True|False)"
)

pytestmark = pytest.mark.parametrize("path", LESSONS, ids=[path.stem for path in LESSONS])


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def pictures(path: Path) -> list[dict]:
    """Return the outputs of a notebook that hold a picture."""
    outputs = [o for cell in code_cells(path) for o in cell.outputs if "data" in o]
    return [o for o in outputs if "image/png" in o.data]


def test_rhythm(path: Path) -> None:
    headings = re.findall(r"^## (.+)$", prose(path), re.M)
    first = [next((i for i, h in enumerate(headings) if h.startswith(s)), None) for s in RHYTHM]
    assert None not in first, f"missing: {RHYTHM[first.index(None)]}"
    assert first == sorted(first)


def test_opening_says_what_is_learnt_needed_and_how_long_it_takes(path: Path) -> None:
    opening = prose(path).split("\n## ")[0]
    assert opening.startswith(f"# {int(path.name[:2])}")
    assert "You will learn" in opening
    assert "You need" in opening
    minutes = [int(m) for m in re.findall(r"(\d+)(?: to \d+)? minutes", opening)]
    assert minutes
    assert all(30 <= m <= 60 for m in minutes)


def test_code_is_short_enough_for_a_projector(path: Path) -> None:
    for cell in code_cells(path):
        lines = cell.source.splitlines()
        assert 1 <= len(lines) <= MOST_LINES, cell.source
        assert max(map(len, lines)) <= MOST_COLUMNS, cell.source


def test_code_uses_public_names_only(path: Path) -> None:
    for cell in code_cells(path):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= MODULES
            elif isinstance(node, ast.ImportFrom):
                assert node.module.split(".")[0] in MODULES - {"mixedteach"}
            elif isinstance(node, ast.Attribute):
                assert not node.attr.startswith("_"), cell.source
                if isinstance(node.value, ast.Name) and node.value.id == "mt":
                    assert node.attr in mt.__all__, node.attr


def test_stored_as_run_from_top_to_bottom_in_a_fresh_kernel(path: Path) -> None:
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


def test_outputs_hold_no_noise(path: Path) -> None:
    notebook = read(path)
    assert set(notebook.metadata) <= {"kernelspec", "language_info", "title"}
    assert set(notebook.metadata.language_info) == {"name"}
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"slideshow", "tags", "jupyter"}
        assert not NOISE.search(cell.source), cell.source
        for output in cell.get("outputs", []):
            assert output.output_type in ("stream", "display_data", "execute_result")
            assert output.get("name", "stdout") == "stdout", output.text
            data = output.get("data", {"text/plain": output.get("text", "")})
            assert not any("widget" in kind for kind in data)
            for kind in ("text/plain", "text/html"):
                assert not NOISE.search(data.get(kind, "")), data[kind]


def test_every_picture_is_described(path: Path) -> None:
    shown = pictures(path)
    assert len(shown) >= 3
    for output in shown:
        alt = output.metadata["image/png"]["alt"]
        assert alt == " ".join(output.data["text/plain"].split())
        assert len(alt) > 40
        assert not alt.startswith("<"), alt


def test_an_explorer_leaves_its_picture(path: Path) -> None:
    assert any(output.data["text/plain"].startswith("Explorer: ") for output in pictures(path))


def test_a_picture_comes_before_the_first_fit(path: Path) -> None:
    for cell in read(path).cells:
        if any("image/png" in o.get("data", {}) for o in cell.get("outputs", [])):
            return
        assert not re.match(r"## Fit\b", cell.source), "no picture before the first fit"


def test_every_cell_has_its_place_on_the_slides(path: Path) -> None:
    kinds = {"slide", "subslide", "fragment", "-", "skip", "notes"}
    for cell in read(path).cells:
        assert cell.metadata.get("slideshow", {}).get("slide_type") in kinds, cell.source


def test_questions_have_feedback_for_every_answer(path: Path) -> None:
    part = re.split(r"^## Check yourself.*$", prose(path), flags=re.M)[1].split("\n## ")[0]
    answers = re.findall(r"<details>\s*<summary>(.+?)</summary>\n\n(.+?)\n</details>", part, re.S)
    assert part.count("<details") == len(answers)
    assert all(len(feedback.strip()) > 20 for _, feedback in answers)
    assert 2 <= len(re.findall(r"^(?:\*\*|### )\d", part, re.M)) <= 4
    assert any(feedback.strip().startswith("Right") for _, feedback in answers)


def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]*)", prose(path)):
        assert not target or (FOLDER / target).exists(), target


def test_r_code_is_shown_with_what_r_prints(path: Path) -> None:
    shown = [{"code": block.code, "output": block.output} for block in blocks(path, "r")]
    assert shown
    file = ROOT / "tests" / "reference" / "lessons_r.json"
    recorded = json.loads(file.read_text(encoding="utf-8"))
    assert shown == recorded[path.stem]


def test_other_python_code_prints_what_is_shown(path: Path, monkeypatch) -> None:
    monkeypatch.chdir(FOLDER)
    names: dict = {}
    for block in blocks(path, "python"):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block.code, path.stem, "exec"), names)
        assert tidy(printed.getvalue()) == block.output
    assert names, "the lesson shows nothing in statsmodels"
