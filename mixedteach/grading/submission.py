"""Read what a student handed in; nothing of it is run here, and nothing of it is believed.

A submission is a folder. Its notebook may be renamed, cut off, empty, saved in another encoding or
an old format, or no notebook at all: what can be read is read, and the rest becomes a sentence for
the report. Stored outputs are ignored, since anybody can write what they like there.
"""

from __future__ import annotations

import codecs
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

_LARGEST = 20_000_000  # bytes of a notebook; one with a few dozen pictures has three million
_LONGEST = 2_000_000  # characters of all its cells
_MOST_CELLS = 2000
_MOST_NOTEBOOKS = 20
_DEEPEST = 3  # folders below the submission's
_KINDS = ("code", "markdown", "raw")
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16: its mark begins with that one's
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class Cell:
    """A cell of a submitted notebook.

    Attributes
    ----------
    kind : str
        ``code``, ``markdown`` or ``raw``.
    source : str
        Its text.
    grade_id : str or None
        The id nbgrader gave it, if it is still there; students can change it.
    """

    kind: str
    source: str
    grade_id: str | None


@dataclass
class Submission:
    """What was found in a student's folder.

    Attributes
    ----------
    folder : pathlib.Path
        The folder.
    notebook : pathlib.Path or None
        The file taken for the notebook.
    cells : list of Cell
        In their order; none if nothing can be read.
    notes : list of str
        What the student and the instructor should know.
    readable : bool
        Whether there is a notebook that could be read.
    """

    folder: Path
    notebook: Path | None
    cells: list[Cell]
    notes: list[str]
    readable: bool


class _Unreadable(Exception):
    """Why a file is no notebook, in words."""


def read(folder: Path, name: str) -> Submission:
    """Read a submission, whatever is in the folder.

    Parameters
    ----------
    folder : pathlib.Path
        The student's folder of this exercise.
    name : str
        Name of the exercise, such as ``07_beech_planks``; its notebook should be called so.

    Returns
    -------
    Submission
        With `readable` False and a note, if there is no notebook in it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     read(Path(folder), "07_beech_planks").notes
    ['no notebook was handed in: the folder is empty']
    """
    folder = Path(folder)
    notes: list[str] = []
    if folder.is_symlink():
        return Submission(folder, None, [], ["the folder is a link and was not followed"], False)
    files = list(_files(folder, notes))
    found = [path for path in files if path.suffix.lower() == ".ipynb"][:_MOST_NOTEBOOKS]
    if not found:
        others = ", ".join(sorted(_shown(path.name) for path in files)[:5])
        why = f"the folder holds {others}" if others else "the folder is empty"
        notes.append(f"no notebook was handed in: {why}")
        return Submission(folder, None, [], notes, False)
    ranked = sorted(found, key=lambda path: (_unlike(path, folder, name), str(path)))
    problems: list[str] = []
    for path in ranked:
        try:
            cells, remarks = _read_notebook(path)
        except _Unreadable as problem:
            problems.append(f"{_shown(path.name)} {problem}")
            continue
        if len(found) > 1:
            notes.append(
                f"{len(found)} notebooks were handed in; {_shown(path.name)} was graded, no other"
            )
        elif path.name != f"{name}.ipynb":
            notes.append(f"renamed: {_shown(path.name)} was taken for {name}.ipynb")
        return Submission(folder, path, cells, [*notes, *problems, *remarks], True)
    return Submission(folder, ranked[0], [], [*notes, *problems], False)


def _files(folder: Path, notes: list[str], depth: int = 0) -> Iterator[Path]:
    """Find ordinary files; links are named in the notes, hidden folders (checkpoints) skipped."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries[:1000]:
        if entry.name.startswith((".", "__MACOSX")):
            continue
        if entry.is_symlink():
            notes.append(f"{_shown(entry.name)} is a link and was not followed")
        elif entry.is_dir(follow_symlinks=False):
            if depth < _DEEPEST:
                yield from _files(Path(entry.path), notes, depth + 1)
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


def _unlike(path: Path, folder: Path, name: str) -> tuple[float, int]:
    """Return how far a file is from what was asked for: by its name, then by its depth."""
    # a folder packed on Windows may come out as one name with backslashes in it
    stem = path.stem.rpartition("\\")[2].lower()
    likeness = 1.0 if stem == name.lower() else SequenceMatcher(None, stem, name.lower()).ratio()
    return -likeness, len(path.relative_to(folder).parts)


def _read_notebook(path: Path) -> tuple[list[Cell], list[str]]:
    """Return the cells of a notebook and remarks on it."""
    remarks: list[str] = []
    text = _decode(_content(path), remarks)
    data = _parse(text)
    if not isinstance(data, dict):
        raise _Unreadable("is JSON but no notebook; the .ipynb file has to be handed in")
    sheets = data.get("worksheets")  # nbformat 3
    if isinstance(data.get("cells"), list):
        entries = data["cells"]
    elif isinstance(sheets, list):
        lists = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
        entries = [cell for cells in lists if isinstance(cells, list) for cell in cells]
    else:
        raise _Unreadable(
            "is JSON but no notebook: it has no cells; the .ipynb file has to be handed in"
        )
    language = _language(data)
    if language not in (None, "python", "python3", "ipython", "ipython3"):
        remarks.append(f"the notebook is set to {_shown(language)}; it was run as Python")
    return _cells(entries, remarks), remarks


def _content(path: Path) -> bytes:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise _Unreadable(f"cannot be opened ({error.strerror})") from None
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise _Unreadable("is no ordinary file")
        if about.st_nlink > 1:  # its other name may be that of a file of somebody else
            raise _Unreadable(
                "has a second name elsewhere (a hard link); a copy has to be handed in"
            )
        content = file.read(_LARGEST + 1) if about.st_size <= _LARGEST else b""
    if about.st_size > _LARGEST or len(content) > _LARGEST:
        raise _Unreadable(
            f"is larger than {_LARGEST // 1_000_000} MB; it has to be handed in again with its "
            "outputs cleared"
        )
    if not content.strip():
        raise _Unreadable("is empty; it has to be handed in again")
    return content


def _decode(content: bytes, remarks: list[str]) -> str:
    if content.startswith(b"PK\x03\x04"):
        raise _Unreadable("is a zip archive, not a notebook; what is in it has to be handed in")
    encoding = next((e for mark, e in _MARKS.items() if content.startswith(mark)), None)
    if encoding is None and b"\0" in content[:4]:  # JSON begins with a plain character
        encoding = "utf-16-be" if content[:1] == b"\0" else "utf-16-le"
    try:
        text = content.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding is None and error.end >= len(content):
            text = content.decode("utf-8", "ignore")  # cut off within a character
        else:
            text = content.decode(encoding or "cp1252", "replace")
            remarks.append("the file is not in UTF-8; some letters may be wrong")
    if encoding and encoding != "utf-8-sig":
        remarks.append(f"the file is in {encoding.upper()[:6]} instead of UTF-8 and was read so")
    return text


def _parse(text: str) -> Any:
    text = text.rstrip("\0 \r\n\t")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if not text.startswith("{"):
            raise _Unreadable(
                "is not JSON and therefore no notebook; it has to be handed in again"
            ) from None
        if error.pos >= len(text) - 1 or error.msg.startswith("Unterminated string"):
            raise _Unreadable(
                "is not JSON: it ends in the middle (truncated file); it has to be handed in again"
            ) from None
        if any(mark in text for mark in ("\n<<<<<<< ", "\n>>>>>>> ")):
            raise _Unreadable(
                "is not JSON: it holds the marks of a merge that was not finished; it has to be "
                "handed in again"
            ) from None
        raise _Unreadable(
            f"is not JSON: line {error.lineno} cannot be read; it has to be handed in again"
        ) from None
    except (RecursionError, ValueError, MemoryError):  # nested a thousand deep, a monstrous number
        raise _Unreadable(
            "is no notebook that any program would write; it has to be handed in again"
        ) from None


def _language(data: dict[str, Any]) -> str | None:
    metadata = data.get("metadata")
    if not isinstance(metadata, dict):
        return None
    for part, key in (("kernelspec", "language"), ("language_info", "name")):
        about = metadata.get(part)
        found = about.get(key) if isinstance(about, dict) else None
        if isinstance(found, str):
            return found.lower()
    return None


def _cells(entries: list[Any], remarks: list[str]) -> list[Cell]:
    cells: list[Cell] = []
    strange = length = 0
    for entry in entries[:_MOST_CELLS]:
        cell = _cell(entry)
        if cell is None:
            strange += 1
            continue
        length += len(cell.source)
        if length > _LONGEST:
            break
        cells.append(cell)
    if strange:
        remarks.append(f"{strange} cell{'s' * (strange > 1)} could not be read")
    if len(entries) > _MOST_CELLS or length > _LONGEST:
        remarks.append(f"only the first {len(cells)} cells were read: the notebook is too long")
    if not any(cell.kind == "code" and cell.source.strip() for cell in cells):
        remarks.append("the notebook holds no code")
    return cells


def _cell(entry: Any) -> Cell | None:
    if not isinstance(entry, dict):
        return None
    kind = entry.get("cell_type")
    if kind == "heading":  # nbformat 3
        kind = "markdown"
    source = entry.get("source", entry.get("input"))
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if kind not in _KINDS or not isinstance(source, str):
        return None
    metadata = entry.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    if not isinstance(grade_id, str) or len(grade_id) > 200:
        grade_id = None
    return Cell(kind, _whole(source), _whole(grade_id) if grade_id else None)


def _whole(text: str) -> str:
    """Return text without halves of characters, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _shown(name: str) -> str:
    """Name a file of a stranger's in a sentence."""
    name = "".join(c if c.isprintable() else "?" for c in name)
    return f"'{name if len(name) <= 80 else name[:79] + '…'}'"
