"""Run notebooks in fresh kernels and store them as they are committed.

    python tools/notebooks.py lessons/01_paired_t_test.ipynb      (several, or none for all lessons)

Each notebook runs top to bottom. What would differ from run to run or from machine to machine is
left out (widget models, execution times, versions of the kernel), the description that pictures
bring along becomes their alternative text, and a warning or an error stops the run, with the cell
in which it arose.
"""

from __future__ import annotations

import argparse
import os
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
    NotebookClient(
        notebook,
        timeout=300,
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
    ).execute()
    seconds = time.perf_counter() - started
    clean(notebook)
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
    return seconds


def clean(notebook: nbformat.NotebookNode) -> None:
    """Take out what differs between runs; refuse what a committed notebook must not hold."""
    title = notebook.metadata.get("title")
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}}
        | ({"title": title} if title else {})
    )
    for number, cell in enumerate(notebook.cells):
        kept = ("slideshow", "tags", "jupyter")
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in kept})
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                raise SystemExit(f"cell {number} printed to stderr:\n{output.text}")
            data = output.get("data")
            if data is None:
                continue
            data.pop(WIDGET, None)
            if "image/png" in data:
                data["image/png"] = data["image/png"].strip()
                output.metadata = nbformat.from_dict(
                    {"image/png": {"alt": " ".join(data["text/plain"].split())}}
                )


def main() -> int:
    """Run the notebooks named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="by default all lessons")
    # the working copy of the package, whether it is installed or not
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ["PYTHONWARNINGS"] = "default"
    for path in parser.parse_args().notebooks or lessons():
        try:
            print(f"{path.name}: {run(path):.1f} s")
        except CellExecutionError as error:
            print(f"{path.name}:\n{error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
