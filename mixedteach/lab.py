"""A working copy of lessons and exercises, and JupyterLab in it (``mixedteach lab``).

The originals belong to the package, the copy to the student. A small file in the copy remembers,
for each file, what was copied. With it every file of the package is in one of these states:

=======================================  =========================================================
in the student's folder                  what is done
=======================================  =========================================================
never copied, not there                  copied
as copied (a notebook: perhaps run)      replaced, if the package has another one by now
changed                                  kept; another original is put beside it once, as ``(new)``
deleted                                  nothing: the student does not want it
=======================================  =========================================================

A notebook counts as changed when the text of its cells differs. One that was only run may be
replaced: running it again brings its outputs back.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from mixedteach.errors import MixedTeachError
from mixedteach.paths import resource

FOLDERS = ("lessons", "exercises")  # of the package; the copy has folders of the same names
RECORD = ".mixedteach.json"
START = "lessons/README.md"


@dataclass
class Copied:
    """What :func:`copy` did: names of files, as paths in the working folder."""

    folder: Path
    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    beside: dict[str, str] = field(default_factory=dict)  # the student's file -> the new original
    kept: list[str] = field(default_factory=list)  # changed by the student
    away: list[str] = field(default_factory=list)  # deleted by the student

    def report(self) -> list[str]:
        """Return what to tell the student, a sentence a line."""
        lines = [f"Your copy of lessons and exercises: {self.folder}"]
        if self.added:
            lines.append(f"{_files(len(self.added))} copied.")
        if self.updated:
            lines.append(f"{_files(len(self.updated))} you had not changed brought up to date.")
        if self.kept:
            lines.append(f"{_files(len(self.kept))} changed by you: kept.")
        if self.away:
            lines.append(f"{_files(len(self.away))} deleted by you: left out (--fresh brings all).")
        for kept, new in self.beside.items():
            lines.append(f"{kept}: yours is kept; the new version is beside it, {new}")
        return lines


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def default_folder() -> Path:
    """Return where the working copy is kept unless the student says otherwise."""
    # not plainly `mixedteach`: that may be where a clone of this project lies
    return Path.home() / "mixedteach-course"


def fresh_folder(folder: Path) -> Path:
    """Return `folder` if nothing is there yet, else the first free ``folder-2``, ``folder-3``..."""
    number, free = 1, folder
    while free.is_file() or (free.is_dir() and any(free.iterdir())):
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free


def copy(folder: Path) -> Copied:
    """Make or update the working copy in a folder.

    Parameters
    ----------
    folder : pathlib.Path
        Made if it is not there. Nothing in it that the student made or changed is overwritten.

    Returns
    -------
    Copied
        What was done.

    Raises
    ------
    MixedTeachError
        If the folder cannot be used.
    """
    folder = folder.expanduser().absolute()
    try:
        return _copy(folder)
    except OSError as error:
        raise MixedTeachError(
            f"Lessons and exercises cannot be copied to {folder} ({error.strerror or error}); "
            "choose another folder with --dir."
        ) from None


def _copy(folder: Path) -> Copied:
    if folder.exists() and not folder.is_dir():
        raise MixedTeachError(f"{folder} is a file; choose another folder with --dir.")
    done = Copied(folder)
    record = _read_record(folder)
    for name, original in _originals().items():
        own = folder / name
        if own.exists() and own.samefile(original):
            raise MixedTeachError(
                f"{folder} holds the originals of the lessons, which should stay as they are; "
                "choose another folder with --dir."
            )
        known = record.get(name, {})
        new = {"text": fingerprint(original), "file": _sha256(original.read_bytes())}
        if not own.exists():
            if known:
                done.away.append(name)
                continue
            done.added.append(name)
            _place(original, own)
        elif (text := fingerprint(own)) == new["text"]:
            if known and known["file"] != new["file"] and text == known["text"]:
                done.updated.append(name)
                _place(original, own)
        elif text == known.get("text"):
            done.updated.append(name)
            _place(original, own)
        else:
            if known.get("offered", known.get("text")) != new["text"]:
                beside = _beside(own)
                done.beside[name] = beside.name
                _place(original, beside)
            else:
                done.kept.append(name)
            # what was copied stays the measure of what the student has changed
            new = {**known, "offered": new["text"]}
        record[name] = new
    _write_record(folder, record)
    return done


def _originals() -> dict[str, Path]:
    """Return the files to copy: name in the working folder -> file of the package."""
    return {
        str(PurePosixPath(folder, path.name)): path
        for folder in FOLDERS
        for path in sorted(resource(folder).iterdir())
        if path.is_file() and not path.name.startswith(".")
    }


def fingerprint(path: Path) -> str:
    """Return a digest of what a person wrote in a file: of a notebook, the text of its cells."""
    content = path.read_bytes()
    if path.suffix == ".ipynb":
        try:
            cells = json.loads(content)["cells"]
            content = json.dumps(
                [[cell["cell_type"], "".join(cell["source"])] for cell in cells]
            ).encode()
        except (ValueError, KeyError, TypeError):
            pass  # not a notebook any more: then every byte counts
    return _sha256(content.replace(b"\r\n", b"\n"))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _place(original: Path, target: Path) -> None:
    """Copy a file; an interruption leaves the old one or the new one, never half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f".{target.name}.part")
    shutil.copyfile(original, half)
    os.replace(half, target)


def _beside(path: Path) -> Path:
    number, free = 1, path.with_name(f"{path.stem} (new){path.suffix}")
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem} (new {number}){path.suffix}")
    return free


def _read_record(folder: Path) -> dict[str, dict[str, str]]:
    try:
        files = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
        return {name: {str(k): str(v) for k, v in known.items()} for name, known in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # none yet, or spoilt: then files that differ count as the student's


def _write_record(folder: Path, record: dict[str, dict[str, str]]) -> None:
    text = json.dumps({"about": "what mixedteach lab copied here", "files": record}, indent=1)
    half = folder / f"{RECORD}.part"
    half.write_text(text + "\n", encoding="utf-8")
    os.replace(half, folder / RECORD)


def first_page(folder: Path) -> str:
    """Return what JupyterLab opens first: the page about the lessons, else a lesson, else ""."""
    if (folder / START).exists():
        return START
    notebooks = sorted(path for name in FOLDERS for path in (folder / name).glob("*.ipynb"))
    return str(PurePosixPath(*notebooks[0].relative_to(folder).parts)) if notebooks else ""


# -- JupyterLab ------------------------------------------------------------------------------------


def start(folder: Path, browser: bool = True, extra: Sequence[str] = ()) -> int:
    """Run JupyterLab in a working copy until it is stopped; return the exit code.

    Parameters
    ----------
    folder : pathlib.Path
        The working copy.
    browser : bool
        Whether to open a browser; the address is printed in either case.
    extra : sequence of str
        More arguments for JupyterLab.

    Raises
    ------
    MixedTeachError
        If JupyterLab is not installed.
    """
    # A kernel `python3` that another Python left in the user's folder must not come first.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    try:
        from jupyterlab.labapp import LabApp
    except ImportError as error:
        raise MixedTeachError(
            f"JupyterLab is not installed for {sys.executable} ({error}); type: "
            "pip install jupyterlab"
        ) from None
    arguments = [
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url=/lab/tree/{first_page(folder)}",
        f"--LabApp.app_settings_dir={Path(__file__).parent / 'lab_settings'}",
        "--ServerApp.answer_yes=True",  # Ctrl-C stops at once
        "--log-level=WARN",
        *([] if browser else ["--no-browser"]),
        *extra,
    ]
    os.chdir(folder)
    try:
        LabApp.launch_instance(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:  # before the server listens for it
        pass
    return 0
