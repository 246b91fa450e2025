"""Read lessons: their cells, headings, folded blocks of code."""

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "lessons"
LESSONS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))


@dataclass(frozen=True)
class Block:
    """A fenced block of code in a Markdown cell, and the output shown below it."""

    language: str
    code: str
    output: str


def read(path: Path) -> nbformat.NotebookNode:
    """Return a notebook."""
    return nbformat.read(path, as_version=4)


def prose(path: Path) -> str:
    """Return all Markdown of a notebook, one cell after the other."""
    return "\n\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")


def tidy(text: str) -> str:
    """Return a text without empty lines around it and spaces at line ends."""
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def blocks(path: Path, language: str) -> list[Block]:
    """Return the blocks of a language in a notebook's Markdown, with the outputs shown."""
    fence = re.compile(
        r"^```" + language + r"\n(?P<code>.*?)^```[ ]*\n(?:\s*^```text\n(?P<out>.*?)^```)?",
        re.M | re.S,
    )
    return [
        Block(language, tidy(found["code"]), tidy(found["out"] or ""))
        for found in fence.finditer(prose(path) + "\n")
    ]
