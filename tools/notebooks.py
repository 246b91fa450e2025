"""Run notebooks in fresh kernels and store them as they are committed.

    python tools/notebooks.py lessons/01_paired_t_test.ipynb      (several, or none for all lessons)
    python tools/notebooks.py 1

Each notebook runs top to bottom. What would differ from run to run or from machine to machine is
left out (widget models, execution times, versions of the kernel), the description that pictures
bring along becomes their alternative text, and a warning or an error stops the run, with the cell
in which it arose.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parents[1]
WIDGET = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def lessons() -> list[Path]:
    """Return the lessons in their order."""
    return sorted((ROOT / "lessons").glob("[0-9][0-9]_*.ipynb"))


def run(path: Path) -> float:
    """Run one notebook, clean and store it; return the seconds it took."""
    notebook = nbformat.read(path, as_version=4)
    started = time.perf_counter()
    client = NotebookClient(
        notebook,
        timeout=300,
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
        # else the kernel warns that others might listen in on its connection
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise SystemExit(f"{path.name}: {failed(notebook, error)}") from None
    seconds = time.perf_counter() - started
    try:
        clean(notebook)
    except ValueError as error:
        raise SystemExit(f"{path.name}: {error}") from None
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
    return seconds


def failed(notebook: nbformat.NotebookNode, error: CellExecutionError) -> str:
    """Return which cell ended in an error, and the error, without colours."""
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                trace = "\n".join(output.traceback) or f"{output.ename}: {output.evalue}"
                return f"{place(number, cell)} ended in an error:\n{plain(trace)}"
    return plain(str(error))


def place(number: int, cell: nbformat.NotebookNode) -> str:
    """Say which cell: its number, counted from 1 as a reader would, and its first line."""
    first = next((line for line in cell.source.splitlines() if line.strip()), "")
    return f"cell {number + 1} ({first.strip()})"


def plain(text: str) -> str:
    """Return a text without the codes that colour it on a terminal."""
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


def clean(notebook: nbformat.NotebookNode) -> None:
    """Take out what differs between runs; refuse what a committed notebook must not hold."""
    title = notebook.metadata.get("title")
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}}
        | ({"title": title} if title else {})
    )
    for number, cell in enumerate(notebook.cells):
        kept = ("slideshow", "tags", "jupyter", "nbgrader")
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in kept})
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                raise ValueError(f"{place(number, cell)} warned:\n{plain(output.text)}")
            data = output.get("data")
            if data is None:
                continue
            data.pop(WIDGET, None)
            if "image/png" in data:
                data["image/png"] = data["image/png"].strip()
                output.metadata = nbformat.from_dict(
                    {"image/png": {"alt": " ".join(data["text/plain"].split())}}
                )


def chosen(word: str) -> Path:
    """Return the notebook that a word of the command line means: a path, or a lesson's number."""
    path = Path(word)
    if word.isdecimal():
        found = [lesson for lesson in lessons() if int(lesson.name[:2]) == int(word)]
        if len(found) != 1:
            several = " and ".join(lesson.name for lesson in found)
            raise SystemExit(
                f"{several} have the number {word}; write one name in full."
                if found
                else f"There is no lesson {word}."
            )
        return found[0]
    if not path.exists():
        raise SystemExit(f"There is no notebook {path}.")
    if path.suffix != ".ipynb" or not path.is_file():
        raise SystemExit(f"{path} is not a notebook (.ipynb).")
    return path


def main() -> int:
    """Run the notebooks named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "notebooks", nargs="*", metavar="NOTEBOOK",
        help="a path, or the number of a lesson (3); by default all lessons",
    )  # fmt: skip
    chosen_ones = [chosen(word) for word in parser.parse_args().notebooks] or lessons()
    # the working copy of the package, whether it is installed or not
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ["PYTHONWARNINGS"] = "default"
    for path in chosen_ones:
        print(f"{path.name}: {run(path):.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
