"""Exercises for students, generated from the instructor's notebooks (``mixedteach exercises``).

The notebooks in ``solutions/`` are the only source. An exercise is one of them without solutions,
hidden tests and outputs; where a picture is asked for, the task shows the picture to be reached.
What nbgrader takes out, nbgrader's own preprocessors take out here, so that an exercise looks the
same whether it was made by ``mixedteach exercises`` or by ``nbgrader generate_assignment``.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mixedteach.errors import MixedTeachError, did_you_mean, listed
from mixedteach.paths import resource

STUB = "# your code here"
FOLDER = "exercises"
PICTURE = "goal.png"

_DATA = re.compile(r'mt\.exercise_data\("(\w+)"\)')


# -- which notebooks -------------------------------------------------------------------------------


def solutions() -> list[Path]:
    """Return the instructor's notebooks, in their order."""
    return sorted(
        path
        for path in resource("solutions").glob("[0-9][0-9]_*/*.ipynb")
        if path.stem == path.parent.name
    )


def chosen(words: Sequence[str]) -> list[Path]:
    """Return the instructor's notebooks that the words of a command line mean.

    Parameters
    ----------
    words : sequence of str
        Numbers or names (or parts of names) of exercises; none means all.

    Raises
    ------
    MixedTeachError
        If a word means nothing or several things.
    """
    known = solutions()
    return sorted({_chosen(word, known) for word in words}) if words else known


def _chosen(word: str, known: Sequence[Path]) -> Path:
    if word.isdecimal():
        found = [path for path in known if int(path.stem[:2]) == int(word)]
    else:
        stem = word.removesuffix(".ipynb").lower()
        found = [path for path in known if path.stem == stem]
        found = found or [path for path in known if stem in path.stem]
    if len(found) == 1:
        return found[0]
    if found:
        several = listed((path.stem for path in found), last="or")
        raise MixedTeachError(f"'{word}' may be {several}; write more of its name.")
    raise MixedTeachError(
        f"There is no exercise '{word}'.{did_you_mean(word, [path.stem for path in known])}"
    )


# -- notebooks -------------------------------------------------------------------------------------


def read(path: Path) -> Any:
    """Return a notebook of ours."""
    import nbformat

    return nbformat.read(path, as_version=4)


def text(notebook: Any) -> str:
    """Return a notebook as it is stored: the same text whenever it is the same notebook."""
    import nbformat

    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=4) + "\n"


def copied(notebook: Any) -> Any:
    """Return a notebook that can be changed without changing this one."""
    return copy.deepcopy(notebook)


def outputs(found: Sequence[dict[str, Any]]) -> list[Any]:
    """Return outputs of cells, which come as plain dictionaries, as a notebook holds them."""
    import nbformat

    return [nbformat.from_dict(output) for output in found]


def write(content: str | bytes, path: Path) -> bool:
    """Store a file (line ends as they are); return whether anything changed."""
    data = content.encode() if isinstance(content, str) else content
    if path.is_file() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.part")
    half.write_bytes(data)
    os.replace(half, path)
    return True


def exercise_name(notebook: Any) -> str:
    """Return which exercise a notebook asks the questions of: whose data it loads."""
    found = {name for cell in _code(notebook) for name in _DATA.findall(cell.source)}
    if len(found) != 1:
        raise MixedTeachError(
            "A notebook with exercises loads the data of one of them, as in "
            f'mt.exercise_data("planks"); this one has {len(found)} such calls.'
        )
    return found.pop()


def points(notebook: Any) -> dict[str, float]:
    """Return the graded cells of a notebook: name of the question -> points."""
    return {
        about["grade_id"]: float(about["points"])
        for about in (cell.metadata.get("nbgrader", {}) for cell in notebook.cells)
        if about.get("grade")
    }


def _code(notebook: Any) -> Iterator[Any]:
    return (cell for cell in notebook.cells if cell.cell_type == "code")


# -- from the solution to the exercise -------------------------------------------------------------


def source_version(solution: Any) -> Any:
    """Return a solution with the pictures to be reached in its tasks, and without outputs.

    That is what nbgrader takes as the source of an assignment.
    """
    made = copied(solution)
    task = None
    for cell in made.cells:
        cell.metadata.pop("slideshow", None)
        if cell.cell_type == "markdown":
            task = cell
        elif cell.cell_type == "code":
            picture = _picture(cell)
            if picture and task is not None and _id(cell).endswith("-answer"):
                _show(task, *picture)
            cell.outputs, cell.execution_count = [], None
    return made


def student_version(source: Any) -> Any:
    """Return what students get of a source: no solutions, no hidden tests, cells locked.

    Raises
    ------
    MixedTeachError
        If nbgrader is not installed.
    """
    from nbconvert.exporters.exporter import ResourcesDict

    steps = _preprocessors()
    made, resources = copied(source), ResourcesDict()
    for step in (
        steps.LockCells(),
        steps.ClearSolutions(code_stub={"python": STUB}),
        steps.ClearOutput(),
        steps.CheckCellMetadata(),
        steps.ClearHiddenTests(),
        steps.ComputeChecksums(),
    ):
        made, resources = step.preprocess(made, resources)
    return made


def exercise(solution: Path) -> str:
    """Return the text of the exercise that belongs to an instructor's notebook."""
    source = source_version(read(solution))
    for cell in source.cells:
        if cell.cell_type == "markdown":  # exercises lie one folder higher than solutions
            cell.source = cell.source.replace("](../../", "](../")
    return text(student_version(source))


def _id(cell: Any) -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def _picture(cell: Any) -> tuple[str, str] | None:
    """Return the picture that a cell shows, and its description."""
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data:
            about = output.metadata.get("image/png", {}).get("alt") or data.get("text/plain", "")
            return data["image/png"], " ".join(about.split())
    return None


def _show(task: Any, png: str, about: str) -> None:
    """Put a picture below the text of a task."""
    attached = task.setdefault("attachments", {})
    number = len(attached) + 1
    name = PICTURE if number == 1 else f"goal-{number}.png"
    attached[name] = {"image/png": png.strip()}
    about = about.replace("[", "(").replace("]", ")")  # brackets would end the description
    task.source += f"\n\nThe picture to be reached:\n\n![{about}](attachment:{name})"


def _preprocessors() -> Any:
    try:
        from nbgrader import preprocessors
    except ImportError:
        raise MixedTeachError(
            "Exercises are made with nbgrader, which is not installed: type pip install nbgrader."
        ) from None
    return preprocessors


# -- the folder exercises/ of a clone --------------------------------------------------------------


def changed(words: Sequence[str] = ()) -> dict[Path, str]:
    """Return the exercises that differ from their solutions: path -> the text it should have."""
    # of all notebooks, whatever was asked: an exercise whose solution is gone must be seen
    folder = _folder()
    wanted = {folder / path.name: exercise(path) for path in chosen(words)}
    return {path: content for path, content in wanted.items() if not _holds(path, content)}


def orphans() -> list[Path]:
    """Return the exercises that belong to no solution (any more)."""
    names = {path.name for path in solutions()}
    return sorted(path for path in _folder().glob("*.ipynb") if path.name not in names)


def _folder() -> Path:
    root = resource("solutions").parent
    if root.name == "_resources":  # an installed copy: what is in it belongs to pip
        raise MixedTeachError(
            "The folder 'exercises' is made anew in a clone of mixedteach only; to get a course "
            "folder, say where: mixedteach exercises --course DIR."
        )
    return root / FOLDER


def _holds(path: Path, content: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == content
    except (OSError, UnicodeDecodeError):
        return False
