"""What tests of grading share: notebooks with answers in them, and nbgrader's own commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parents[1]


def grade_id(cell: Any) -> str:
    """Return nbgrader's name of a cell."""
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def answered(notebook: Any, answers: Mapping[str, str]) -> Any:
    """Return a notebook with code of ours in its answer cells: name of the question -> code."""
    left = dict(answers)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            # sleep-conclusion, where a person grades the cell itself, or difference-answer
            name = grade_id(cell).removesuffix("-answer").rpartition("-")[2]
            if name in left:
                cell.source = left.pop(name)
    assert not left, f"no cells for {left}"
    return notebook


def solved(source: Any) -> dict[str, str]:
    """Return the answers that an instructor's notebook holds."""
    return {
        grade_id(cell).removesuffix("-answer"): cell.source
        for cell in source.cells
        if cell.metadata.get("nbgrader", {}).get("solution") and grade_id(cell).endswith("-answer")
    }


def hand_in(notebook: Any, course: Path, student: str, assignment: str) -> Path:
    """Write a submission."""
    path = course / "submitted" / student / assignment / f"{assignment}.ipynb"
    path.parent.mkdir(parents=True)
    # as it is: nbformat would mend what is wrong in it
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def read(path: Path) -> Any:
    """Return a notebook."""
    return nbformat.read(path, as_version=4)


def nbgrader(course: Path, *words: str) -> str:
    """Run a command of nbgrader in a course folder; return what it says."""
    return command("nbgrader", course, *words)


def command(module: str, folder: Path, *words: str, codes: tuple[int, ...] = (0,)) -> str:
    """Run a program, as ``python -m``, and return what it says."""
    # nbgrader calls alembic by its name, also where the environment is not active
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    run = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )
    said = run.stdout + run.stderr
    assert run.returncode in codes, said
    return said
