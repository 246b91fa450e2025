"""Submissions that are broken, or that attack whoever grades them; each a case by name.

A case writes a student's folder ``course/submitted/alice/07_beech_planks``. `plant` lays secrets
into the course around it first: what a submission must neither read nor change. Every case says
which questions it answers honestly (`right`): it must get the points of these and of no others.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import struct
import textwrap
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME = "07_beech_planks"
FIRST, SECOND = "width_tukey", "width_means"
RIGHT = {FIRST: {"p": 0.3042, "df": 38}, SECOND: {"1": 5.514, "2": 5.786, "3": 5.099}}
WRONG = {FIRST: {"p": 0.3183, "df": 266}, SECOND: {"1": 1.0, "2": 2.0, "3": 3.0}}
BOTH = frozenset(RIGHT)
NONE: frozenset[str] = frozenset()
MARKER = "the-secret-of-the-course"  # stands in every file that no submission may read
SECRETS = (
    "gradebook.db", "answer_keys/07_beech_planks.json", "solutions/07_beech_planks.txt",
    "source/07_beech_planks/hidden.txt", "submitted/bob/07_beech_planks/07_beech_planks.ipynb",
)  # fmt: skip

Cells = Sequence[tuple[str, str | None]]  # source, grade_id


@dataclass(frozen=True)
class Case:
    """A submission and what must become of it."""

    name: str
    make: Callable[[Path], None]
    right: frozenset[str] = BOTH
    ended: tuple[str, ...] = ("finished",)
    notes: tuple[str, ...] = ()  # each must occur in a note, of reading or of running
    shown: tuple[str, ...] = ()  # each must occur in what the cells showed
    readable: bool = True
    limits: Mapping[str, float] = field(default_factory=dict)


def plant(course: Path) -> dict[Path, bytes]:
    """Write the secrets of a course; return what they must still be afterwards."""
    kept = {}
    for name in SECRETS:
        path = course / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{{"cells": [], "{MARKER}": "{name}"}}', encoding="utf8")
        kept[path] = path.read_bytes()
    return kept


# -- notebooks -------------------------------------------------------------------------------------


def answer(name: str, value: object) -> tuple[str, str]:
    """Return an answer cell."""
    return f"{name} = ...\n{name} = {value!r}", f"{name}-answer"


def check(name: str) -> tuple[str, str]:
    """Return a test cell; the check teaches only, so it does not matter here that it is missing."""
    return f'mt.check("planks.{name}", {name})', f"planks.{name}"


START = ("import math", None)
HONEST: Cells = (
    START, answer(FIRST, RIGHT[FIRST]), check(FIRST), answer(SECOND, RIGHT[SECOND]), check(SECOND)
)  # fmt: skip


def notebook(cells: Cells, **metadata: Any) -> dict[str, Any]:
    """Return a notebook of format 4, as JupyterLab writes it."""
    return {
        "cells": [
            {
                "cell_type": "code", "execution_count": number, "id": f"c{number}",
                "metadata": {"nbgrader": {"grade_id": grade_id}} if grade_id else {},
                "outputs": [
                    {"output_type": "stream", "name": "stdout", "text": "Score: 100 of 100"}
                ],
                "source": source.splitlines(keepends=True),
            }
            for number, (source, grade_id) in enumerate(cells, 1)
        ],
        "metadata": {"kernelspec": {"name": "python3", "language": "python"}, **metadata},
        "nbformat": 4, "nbformat_minor": 5,
    }  # fmt: skip


def text(cells: Cells = HONEST, **metadata: Any) -> str:
    """Return the text of a notebook."""
    return json.dumps(notebook(cells, **metadata), indent=1)


def file(folder: Path, content: str | bytes | None = None, name: str = f"{NAME}.ipynb") -> Path:
    """Write a file of the submission."""
    folder.mkdir(parents=True, exist_ok=True)
    content = text() if content is None else content
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def holds(content: Callable[[], str | bytes], name: str = f"{NAME}.ipynb") -> Callable[..., None]:
    """Return what writes a submission of one file."""

    def make(folder: Path) -> None:
        file(folder, content(), name)

    return make


def runs(
    code: str, first: object = RIGHT[FIRST], second: object = RIGHT[SECOND]
) -> Callable[[Path], None]:
    """Return what writes a notebook with `code` between the two answers.

    ``COURSE`` in the code stands for the folder of the course.
    """

    def make(folder: Path) -> None:
        between = textwrap.dedent(code).strip().replace("COURSE", repr(str(folder.parents[2])))
        file(folder, text([START, answer(FIRST, first), (between, None), answer(SECOND, second)]))

    return make


def tries(*attempts: str, start: str = "") -> Callable[[Path], None]:
    """Return what writes a notebook that tries each line and tells which of them worked."""
    lines = [textwrap.dedent(start).strip()]
    for attempt in attempts:
        told = f"    print('WORKED', {attempt!r}, str(found)[:300])"
        lines += [
            "try:", f"    found = {attempt}", told, "except BaseException as error:",
            f"    print('refused', {attempt!r}, type(error).__name__)",
        ]  # fmt: skip
    return runs("\n".join([*lines, "print('all tried')"]))


# -- broken ----------------------------------------------------------------------------------------


def _format_3() -> str:
    cells = [
        {"cell_type": "code", "input": [source], "language": "python", "outputs": []}
        for source, _ in HONEST
    ]
    heading = {"cell_type": "heading", "level": 1, "source": ["Planks"]}
    return json.dumps({"worksheets": [{"cells": [heading, *cells]}], "nbformat": 3, "metadata": {}})


def _no_metadata() -> str:
    data = notebook(HONEST)
    for cell in data["cells"]:
        cell["metadata"] = {"nbgrader": {"grade_id": ["not", "text"], "points": 1e6, "grade": True}}
    return json.dumps({"cells": data["cells"]})


def _strange_cells() -> str:
    data = notebook(HONEST)
    data["cells"][1:1] = [None, 7, {"cell_type": "code"}, {"cell_type": "wizard", "source": ""}]
    return json.dumps(data)


def _copies(folder: Path) -> None:
    file(folder, "")
    file(folder, text(), f"{NAME}-Copy1.ipynb")
    file(folder, text([answer(FIRST, WRONG[FIRST])]), "scratch.ipynb")
    file(folder / ".ipynb_checkpoints", text([]), f"{NAME}-checkpoint.ipynb")


def _zip(folder: Path) -> None:
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / f"{NAME}.ipynb", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", b"\0" * 50_000_000)


def _sparse(folder: Path) -> None:
    path = file(folder)
    os.truncate(path, 50_000_000_000)


def _link_to_bob(folder: Path) -> None:
    folder.mkdir(parents=True)
    bob = folder.parents[1] / "bob" / NAME / f"{NAME}.ipynb"
    (folder / f"{NAME}.ipynb").symlink_to(bob)


def _second_name_of_bob(folder: Path) -> None:
    folder.mkdir(parents=True)
    os.link(folder.parents[1] / "bob" / NAME / f"{NAME}.ipynb", folder / f"{NAME}.ipynb")


def _pipe(folder: Path) -> None:
    folder.mkdir(parents=True)
    os.mkfifo(folder / f"{NAME}.ipynb")


def _neighbours(folder: Path) -> None:
    """Links, pipes, secrets and monsters beside an honest notebook."""
    code = """
    import os
    for name in sorted(os.listdir()):
        print("here:", name)
        print(open(name).read(300))
    """
    runs(code)(folder)
    (folder / "link.txt").symlink_to(folder.parents[2] / "gradebook.db")
    (folder / "folder").symlink_to(folder.parents[2])
    os.link(folder.parents[2] / "gradebook.db", folder / "second_name.txt")
    os.mkfifo(folder / "pipe.txt")
    os.truncate(file(folder, "", "sparse.bin"), 50_000_000_000)
    (folder / "planks.csv").mkdir()  # where the data will be laid
    file(folder, "kept", "mine.txt")


def _shadows(folder: Path) -> None:
    """Modules of the student's beside the notebook that take the names of others."""
    runs("import json, mixedteach\nprint(json.dumps(1), mixedteach.check(1, 2))")(folder)
    for name in ("json", "os", "sys", "struct", "base64", "IPython", "plain", "linecache"):
        file(folder, "def dumps(*args): return 'mine'\nfull_marks = True", f"{name}.py")
    file(folder / "mixedteach", "check = lambda *_: 'full marks'", "__init__.py")
    file(folder / "mixedteach" / "checks", "plain = lambda v: 1", "__init__.py")


def _startup_files(folder: Path) -> None:
    """Files of the student's that Python, IPython, Jupyter or nbgrader read when they start."""
    runs("import os; print('beside it', len(os.listdir()))")(folder)
    boast = "print('STARTED'); open('started.txt', 'w').write('x')\nfull_marks = True\n"
    names = (
        "sitecustomize.py", "usercustomize.py", "conftest.py", "ipython_config.py",
        "ipython_kernel_config.py", "jupyter_config.py", "jupyter_notebook_config.py",
        "jupyter_server_config.py", "jupyter_nbconvert_config.py", "nbgrader_config.py",
        "startup/00-first.py", "profile_default/startup/00-first.py", "__init__.py", "setup.py",
    )  # fmt: skip
    for name in names:
        place = folder / name
        file(place.parent, boast, place.name)
    for name in ("x.pth", "mixedteach.pth", "site-packages/x.pth"):
        place = folder / name
        file(place.parent, "import os; os.system('echo STARTED')\n", place.name)
    file(folder, "home = /nowhere\n", "pyvenv.cfg")
    file(folder, "backend: no_such_backend\nfigure.dpi: nonsense\n", "matplotlibrc")
    file(folder, '{"argv": ["sh", "-c", "echo STARTED"], "language": "python"}', "kernel.json")


def _named(name: str) -> Callable[[Path], None]:
    """Return what writes an honest notebook under a strange name, and a trap beside it."""

    def make(folder: Path) -> None:
        file(folder, text(), name)
        file(folder, "x", "a\nb\x1b[2Jc.txt")
        file(folder, "x", "-rf")

    return make


def _twins(folder: Path) -> None:
    file(folder)
    file(folder, text([answer(FIRST, WRONG[FIRST])]), f"{NAME}\u200b.ipynb")


def _stamp_without_end(folder: Path) -> None:
    """A time of handing in that goes on for 50 GB."""
    file(folder)
    path = file(folder, "2026-03-04 10:00:00 UTC" + " " * 300, "timestamp.txt")
    os.truncate(path, 50_000_000_000)


def _many_files(folder: Path) -> None:
    file(folder)
    for number in range(3000):
        file(folder, "x", f"part {number}.txt")
    deep = folder
    for _ in range(40):
        deep /= "deeper"
    file(deep, text([answer(FIRST, WRONG[FIRST])]))


def _gzip(folder: Path) -> None:
    file(folder, gzip.compress(b"[" * 10**8))


_KEYED = json.dumps(notebook(HONEST))
_METADATA: dict[str, Any] = {
    "kernelspec": {
        "name": "../../evil", "language": "python", "display_name": "x" * 10**5,
        "argv": ["sh", "-c", "echo STARTED"], "env": {"PYTHONSTARTUP": "evil.py"},
    },
    "language_info": {"name": "python", "version": [], "codemirror_mode": {"a": [[[[1]]]]}},
    "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {"x": 1}}},
    "nbgrader": {"grade_id": FIRST, "grade": True, "points": 100, "score": 100, "solution": True},
    "jupytext": {"formats": "ipynb,py:percent"}, "papermill": {"parameters": {"score": 100}},
    "hooks": {"startup": "import os"}, "celltoolbar": "Create Assignment",
}  # fmt: skip

BROKEN = [
    Case("honest", holds(text)),
    Case(
        "unexecuted",
        holds(lambda: text().replace("Score: 100 of 100", "").replace('count": 1', 'count": null')),
    ),
    Case("one answer left open", runs("", second=...), right=frozenset({FIRST})),
    Case("wrong answers", runs("", WRONG[FIRST], WRONG[SECOND]), right=NONE),
    Case("renamed", holds(text, "Planks von Müller (final).ipynb"), notes=("renamed",)),
    Case("upper case", holds(text, f"{NAME.upper()}.IPYNB"), notes=("renamed",)),
    Case("wrong kernel", holds(lambda: text(kernelspec={"name": "ir", "language": "R"})),
         notes=("set to 'r'",)),
    Case("kernel nobody has", holds(lambda: text(kernelspec={"name": "my-env", "argv": [1]}))),
    Case("invalid JSON", holds(lambda: text().replace('"cells"', "cells", 1)), right=NONE,
         readable=False, notes=("line 2",)),
    Case("unfinished merge", holds(lambda: text().replace("\n", "\n<<<<<<< HEAD\n", 3)),
         right=NONE, readable=False, notes=("merge",)),
    Case("truncated", holds(lambda: text()[:700]), right=NONE, readable=False,
         notes=("truncated",)),
    Case("truncated in a letter", holds(lambda: '{"cells": [{"source": "ü'.encode()[:-1]),
         right=NONE, readable=False, notes=("truncated",)),
    Case("UTF-16", holds(lambda: text().encode("utf-16")), notes=("UTF-16",)),
    Case("UTF-16 without mark", holds(lambda: text().encode("utf-16-le")), notes=("UTF-16",)),
    Case("UTF-8 with mark", holds(lambda: text().encode("utf-8-sig"))),
    Case("Latin-1", holds(lambda: text().replace("math", "math # für").encode("latin-1")),
         notes=("UTF-8",)),
    Case("empty file", holds(bytes), right=NONE, readable=False, notes=("is empty",)),
    Case("empty folder", lambda folder: folder.mkdir(parents=True), right=NONE, readable=False,
         notes=("folder is empty",)),
    Case("another file", holds(text, "answers.txt"), right=NONE, readable=False,
         notes=("the folder holds 'answers.txt'",)),
    Case("no cells in it", holds(lambda: text([])), right=NONE, notes=("no code",)),
    Case("JSON but no notebook", holds(lambda: "[1, 2]"), right=NONE, readable=False,
         notes=("no notebook",)),
    Case("nested deep", holds(lambda: "[" * 200_000), right=NONE, readable=False,
         notes=("no notebook", )),
    Case("monstrous number", holds(lambda: '{"cells": ' + "9" * 10_000 + "}"), right=NONE,
         readable=False, notes=("no notebook",)),
    Case("zip bomb", _zip, right=NONE, readable=False, notes=("zip archive",)),
    Case("sparse giant", _sparse, right=NONE, readable=False, notes=("larger than",)),
    Case("old format", holds(_format_3)),
    Case("strange cells", holds(_strange_cells), notes=("4 cells could not",)),
    Case("cells deleted", holds(lambda: text([HONEST[1], HONEST[3]]))),
    Case("cells doubled", holds(lambda: text([c for c in HONEST for _ in "12"]))),
    Case("cells reordered", holds(lambda: text(HONEST[::-1]))),
    Case("cells split", holds(lambda: text([
        (line, grade_id) for source, grade_id in HONEST for line in source.splitlines()
    ]))),
    Case("cells joined", holds(lambda: text([("\n".join(s for s, _ in HONEST[:2]), None),
                                             HONEST[3]]))),
    Case("ids changed", holds(
        lambda: text([(source, f"planks.{i}") for i, (source, _) in enumerate(HONEST)])
    )),
    Case("metadata replaced", holds(_no_metadata)),
    Case("paths of Windows", holds(
        lambda: text([(r'open("C:\Users\alice\planks.csv")', None),
                      (r'open(r"C:\Users\alice\planks.csv")', None), *HONEST]),
        f"alice\\{NAME}\\{NAME}.ipynb",
    ), notes=("renamed",), shown=("SyntaxError", "FileNotFoundError")),
    Case("in a folder of its own", lambda folder: file(folder / NAME) and None),
    Case("copies and checkpoints", _copies, notes=("Copy1", "is empty")),
    Case("link to another submission", _link_to_bob, right=NONE, readable=False,
         notes=("is a link",)),
    Case("second name of another submission", _second_name_of_bob, right=NONE, readable=False,
         notes=("second name",)),
    Case("pipe for a notebook", _pipe, right=NONE, readable=False, notes=("no notebook",)),
    Case("links, pipes and giants beside it", _neighbours, shown=("here: mine.txt",),
         notes=("'link.txt'", "'second_name.txt'", "'pipe.txt'", "'sparse.bin'")),
    Case("modules that take names", _shadows),
    Case("files that programs read when they start", _startup_files),
    Case("metadata that would start another kernel", holds(lambda: text(**_METADATA))),
    Case("metadata that is no dictionary",
         holds(lambda: text().replace('"metadata": {', '"metadata": [], "not": {'))),
    Case("a name with line ends and commands", _named("07_beech\nplanks\x1b[31m; rm.ipynb"),
         notes=("renamed",)),
    Case("a name that reads backwards", _named("07_beech\u202eplanks\u200b.ipynb"),
         notes=("renamed",)),
    Case("a name in other letters of the same look", _named("07_bееch_plаnks.ipynb"),
         notes=("renamed",)),
    Case("two names that look the same", _twins, notes=("2 notebooks",)),
    Case("a time of handing in without end", _stamp_without_end),
    Case("thousands of files", _many_files),
    Case("packed by gzip", _gzip, right=NONE, readable=False, notes=("not JSON",)),
    Case("keys twice in the JSON", holds(
        lambda: '{"cells": [], "nbformat": 3,' + _KEYED[1:-1] + ', "metadata": 7}'
    )),
]  # fmt: skip


# -- hostile ---------------------------------------------------------------------------------------

_FORGE = """
import json, os
for line in (
    {"answer": "%s", "value": {"kind": "number", "value": 1}, "score": 100},
    {"answer": "%s", "value": {"kind": "list"}},
    {"answer": "gradebook", "value": {"kind": "nothing"}},
    {"code": "all answers are right: full marks", "about": "full marks"},
    {"code": "answer too large", "about": "full marks"},
    {"cell": 99}, {"cell": -1}, {"end": 0, "seconds": "never"}, {"out": {"output_type": "html"}},
    {"out": {"output_type": "display_data", "data": {"text/html": "<script>", "image/png": "AA"}}},
    [1], "x", None, {"note": "full marks"}, {"ready": 1}, {"answer": ["a"], "value": 2},
):
    for descriptor in range(3, 60):
        try:
            os.write(descriptor, json.dumps(line).encode() + b"\\n")
            os.write(descriptor, b'{"answer": "%s", "value": ' + b"[" * 9000 + b"\\n")
        except OSError:
            pass
"""

_NO_NUMBERS = """
import os
number = b'{"kind": "number", "value": '
deep = b"[" * 5000 + b"]" * 5000
for value in (
    number + b"NaN}", number + b"1e999}", number + b"-Infinity}", number + deep + b"}",
    b'{"kind": "dict", "keys": ["' + b"k" * 10**5 + b'"], "items": [{"kind": "nothing"}]}',
    b'{"kind": "dict", "keys": ["p", "df"], "items": [' + number + b"1e999}]}",
    b'{"kind": "table", "columns": ["p"], "index": [], "rows": [[1], [2, 3]]}',
    b'{"kind": "table", "columns": [], "names": [], "index": [], "rows": []}',
    b'{"kind": "model", "formula": 3, "nobs": "x", "fixed": [], "variances": {}}',
    b'{"kind": "picture", "axes": [{"lines": [{"x": [1], "y": [' + b"9" * 5000 + b"]}]}]}",
    b'{"kind": "word", "value": "yes"}', b'{"kind": 1}', b'{"ok": true, "share": 1}',
):
    for descriptor in range(3, 40):
        try:
            os.write(descriptor, b'{"answer": "%s", "value": ' + value + b"}\\n")
        except OSError:
            pass
"""

_LIES = """
class Liar(dict):
    def __eq__(self, other): return True
    def __hash__(self): return 0
    def __getitem__(self, key): return Liar()
    def items(self): return [("p", Number()), ("df", Number())]
    def __reduce__(self): return (print, ("pickled",))
class Number(float):
    times = 0
    def __float__(self): Number.times += 1; return float("nan") if Number.times % 2 else 0.0
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    def __abs__(self): return 0.0
    def __le__(self, other): return True
    __lt__ = __ge__ = __gt__ = __le__
    def __array__(self, *args): raise KeyboardInterrupt
class Mask:
    __class__ = property(lambda self: dict)
    def items(self): raise SystemExit
    def __getattr__(self, name): raise MemoryError
width_tukey = Liar()
"""

_SEARCH = f"""
import os
found = []
for folder, inner, names in os.walk("/"):
    if folder.startswith(("/proc", "/dev", "/usr", "/tmp/exercise")) or "site-packages" in folder:
        inner[:] = names[:] = []
    for name in names:
        path = os.path.join(folder, name)
        if name.endswith((".ipynb", ".db")) or "answer_key" in path or "/solutions/" in path:
            found.append(path)
print("searched", found)
for place in ("", "/proc/1/root", "/proc/self/root", "/proc/self/cwd/../../..", "/proc/2/cwd"):
    for name in {SECRETS!r}:
        try:
            print(open(place + COURSE + "/" + name).read())
        except OSError as error:
            pass
"""

_WRITE = f"""
import mixedteach, numpy, sys, os
places = [COURSE + "/" + name for name in {SECRETS!r}]
places += [os.path.dirname(module.__file__) + "/planted.py" for module in (mixedteach, numpy, os)]
places += [sys.prefix + "/lib/planted", "/planted", "/etc/passwd", "/dev/planted"]
places += ["/usr/bin/planted", "/opt/planted", os.path.expanduser("~root/planted")]
places += ["/proc/sys/kernel/hostname", "/proc/1/mem"]
places += [mixedteach.__file__]
for place in places:
    try:
        open(place, "a").write("planted")
        print("WORKED", place)
    except OSError as error:
        print("refused", error.errno)
for change in (os.remove, os.rmdir, lambda p: os.chmod(p, 0o777), lambda p: os.rename(p, "x")):
    for place in (mixedteach.__file__, sys.prefix + "/lib", sys.executable, "/usr/bin/env", "/usr"):
        try:
            change(place)
            print("WORKED", place)
        except OSError:
            pass
"""

_CALL = """
import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
def call(*args):
    if libc.syscall(*args) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return "done"
intel = platform.machine() == "x86_64"
try:
    os.kill(1, 9)  # without effect, if allowed: it is the first process of the box
except OSError:
    pass
"""

_HUGE_PNG = base64.b64encode(
    b"\x89PNG\r\n\x1a\n"
    + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in (
            (b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)),
            (b"IDAT", zlib.compress(b"\0" * 1000)),
            (b"IEND", b""),
        )
    )
).decode()

FIRST_ONLY = frozenset({FIRST})
HOSTILE = [
    Case("endless loop", runs("while True: pass"), limits={"cell_seconds": 1},
         notes=("cell 3 was stopped after 1 s",), shown=("CellStopped",)),
    Case("endless sleep", runs("import time; time.sleep(1e6)"), limits={"cell_seconds": 1},
         notes=("cell 3 was stopped",)),
    Case("loop that catches all", runs("""
         import signal
         signal.signal(signal.SIGALRM, signal.SIG_IGN)
         while True:
             try:
                 while True: pass
             except BaseException: pass
         """), FIRST_ONLY, ("time",), limits={"cell_seconds": 1}, notes=("would not stop",)),
    Case("loop within C", runs("sum(range(10**15))"), FIRST_ONLY, ("time",),
         limits={"cell_seconds": 1}, notes=("would not stop",)),
    Case("too long altogether", runs("import time; time.sleep(9)"), FIRST_ONLY, ("time",),
         limits={"seconds": 3}, notes=("all its cells together",)),
    Case("memory bomb", runs("""
         hoard = []
         while True: hoard.append(bytearray(10**7))
         """), notes=(), shown=("MemoryError",)),
    Case("one monstrous array", runs("import numpy; numpy.ones(10**12)"), shown=("Error",)),
    Case("memory bomb of children", runs("""
         import os, time
         for _ in range(8):
             if os.fork() == 0:
                 hoard = bytearray(os.urandom(1000)) * 200_000
                 time.sleep(100)
         time.sleep(100)
         """), FIRST_ONLY, ("memory",), notes=("400 MB of memory",)),
    Case("shared memory bomb", runs("""
         import mmap
         hoard = []
         while True:
             hoard.append(mmap.mmap(-1, 10**7))
             hoard[-1].write(b"x" * 10**7)
         """), FIRST_ONLY, ("memory",), notes=("of memory",)),
    Case("disk bomb", runs("""
         for folder in ("/tmp", "/dev/shm", "."):
             for number in range(100):
                 try:
                     with open(f"{folder}/{number}", "wb") as file:
                         for _ in range(100): file.write(b"x" * 10**6)
                 except OSError as error:
                     print("full", error.errno)
                     break
             else:
                 print("WORKED")
         """), shown=("full 28",)),
    Case("a million files", runs("""
         import os
         for number in range(10**6): os.close(os.open(f"/tmp/{number}", os.O_CREAT))
         """), FIRST_ONLY, ("files",), notes=("more files",)),
    Case("fork bomb", runs("""
         import os
         while True: os.fork()
         """), shown=("BlockingIOError",)),
    Case("fork bomb that goes on", runs("""
         import os
         while True:
             try: os.fork()
             except OSError: pass
         """, second=...), FIRST_ONLY, ("finished", "time", "memory"), limits={"cell_seconds": 1},
         notes=("stopped",)),
    Case("thread bomb", runs("""
         import threading, time
         while True: threading.Thread(target=time.sleep, args=(1000,)).start()
         """), shown=("RuntimeError",)),
    Case("children left behind", runs("""
         import os, subprocess
         subprocess.Popen(["sleep", "1000"], start_new_session=True)
         if os.fork() == 0:
             os.setsid()
             while True: pass
         print("left")
         """), shown=("left",)),
    Case("fork without end", runs("import os\nos.fork()\nprint('one')")),
    Case("100 MB of output", runs("for _ in range(100): print('x' * 10**6)"),
         notes=("MB of output",)),
    Case("100 MB in small pieces", runs("""
         import sys
         for _ in range(10**6): print('x' * 99)
         sys.stderr.write('y' * 10**8)
         """), notes=("MB of output",)),
    Case("100 MB by a program", runs("import os; os.system('yes | head -c 100000000; yes >&2')"),
         limits={"cell_seconds": 2}),
    Case("endless output", runs("while True: print('x' * 10**5)"), limits={"cell_seconds": 1},
         notes=("MB of output", "cell 3 was stopped")),
    Case("letters no file takes", runs(r"print('a\0b\x07\ud800', flush=True)"), shown=("a",)),
    Case("reads what is not its own", runs(_SEARCH), shown=("searched []",)),
    Case("reads the environment", runs("""
         import glob, os
         print(dict(os.environ))
         for path in glob.glob("/proc/[0-9]*/*"):
             if path.endswith(("environ", "cmdline", "/mem", "/maps")):
                 try: print(open(path, "rb").read(10**5))
                 except OSError: pass
         """)),
    Case("writes outside", runs(_WRITE), shown=("refused",)),
    Case("opens sockets", tries(
        "socket.create_connection(('192.0.2.1', 80), 1)",
        "socket.getaddrinfo('example.org', 80)",
        "socket.socket(40, socket.SOCK_STREAM)",
        "socket.socket(17, socket.SOCK_RAW)",
        "socket.socket(16, socket.SOCK_RAW)",
        "socket.socket(38, socket.SOCK_SEQPACKET)",
        "socket.create_connection(('127.0.0.1', 22), 1)",
        "__import__('urllib.request').request.urlopen('http://example.org', timeout=1)",
        start="import socket",
    ), shown=("all tried",)),
    Case("calls the kernel", tries(
        "call(101 if intel else 117, 16, 1, 0, 0)",
        "call(272 if intel else 97, 0x10000000)",
        "call(56 if intel else 220, 0x10000011, 0, 0, 0, 0)",
        "call(435, 0, 0)",
        "call(319 if intel else 279, b'x', 0)",
        "call(29 if intel else 194, 0, 10**6, 0o1666)",
        "call(165 if intel else 40, b'none', b'/tmp', b'tmpfs', 0, 0)",
        "call(161 if intel else 51, b'/tmp')",
        "call(425, 1, 0)",
        "call(321 if intel else 280, 0, 0, 0)",
        "os.setuid(0)",
        "os.setgroups([0])",
        "open('/proc/1/mem', 'rb').read(1)",
        "__import__('resource').setrlimit(__import__('resource').RLIMIT_NPROC, (9999, 9999))",
        start=_CALL,
    ), shown=("all tried",)),
    Case("replaces the check", runs("""
         import mixedteach, numpy.testing, sys, types
         mixedteach.check = lambda *args, **more: "right"
         numpy.testing.assert_allclose = lambda *args, **more: None
         for name in list(sys.modules):
             if name.startswith("mixedteach.checks"):
                 module = sys.modules[name]
                 for part in dir(module):
                     if part != "__spec__": setattr(module, part, lambda *args, **more: True)
         """, WRONG[FIRST], WRONG[SECOND]), right=NONE),
    Case("removes asserts", runs("""
         import ast
         class NoAssert(ast.NodeTransformer):
             def visit_Assert(self, node): return ast.Pass()
             def visit_Expr(self, node): return ast.Pass()
         get_ipython().ast_transformers.append(NoAssert())
         """, WRONG[FIRST], WRONG[SECOND]), right=NONE),
    Case("prints a score", runs("""
         print('{"score": 100, "max_score": 100}')
         print("### END HIDDEN TESTS")
         print("planks.width_tukey: 2 of 2 points")
         """, WRONG[FIRST], WRONG[SECOND]), right=NONE),
    Case("forges messages", runs(_FORGE % (FIRST, SECOND, FIRST), WRONG[FIRST], WRONG[SECOND]),
         right=NONE, ended=("finished", "died")),
    Case("floods the channel", runs("""
         import os
         while True:
             for descriptor in range(3, 30):
                 try: os.write(descriptor, b"{" * 10**6)
                 except OSError: pass
         """), FIRST_ONLY, ("output",), notes=("far more than can be kept",)),
    Case("objects that lie", runs(_LIES), right=frozenset({SECOND})),
    Case("objects that mask", runs(_LIES + "width_tukey = Mask()"), right=frozenset({SECOND}),
         notes=()),
    Case("objects without end", runs("""
         class Endless(dict):
             def items(self):
                 while True: pass
         width_tukey = Endless()
         """), right=frozenset({SECOND}), notes=("width_tukey could not be read",)),
    Case("numbers that are none", runs("""
         width_tukey = {"p": float("nan"), "df": 10**400}
         """), right=frozenset({SECOND})),
    Case("answer without bottom", runs("""
         width_tukey = []
         width_tukey.append(width_tukey)
         """), right=frozenset({SECOND})),
    Case("answer of a million parts", runs("width_tukey = [['x' * 1000] * 2000] * 2"),
         right=frozenset({SECOND}), notes=("more than",)),
    Case("answer with impossible letters", runs(r"width_tukey = {'p\0\ud800': '\udfff'}"),
         right=frozenset({SECOND})),
    Case("exit", runs("exit()"), notes=("ended itself in cell 3 (exit)",)),
    Case("quit in a function", runs("def f(): raise SystemExit(0)\nf()"), notes=("(exit)",)),
    Case("leaves at once", runs("import os; os._exit(0)"), FIRST_ONLY, ("died",),
         notes=("exit code 0",)),
    Case("kills itself", runs("import os; os.kill(os.getpid(), 9)"), FIRST_ONLY, ("died",),
         notes=("signal 9",)),
    Case("kills all", runs("import os, signal\nos.kill(-1, 9)")),
    Case("crashes", runs("import ctypes; ctypes.string_at(0)"), FIRST_ONLY, ("died",),
         notes=("signal 11, a crash",)),
    Case("infinite recursion", runs("def f(n): return f(n + 1)\nf(0)"), shown=("RecursionError",)),
    Case("recursion without limit", runs("""
         import sys
         sys.setrecursionlimit(10**9)
         def f(n): return f(n + 1)
         f(0)
         """, second=...), FIRST_ONLY, ("finished", "died", "memory", "time"),
         limits={"cell_seconds": 3}),
    Case("magics", runs("""
         %load_ext autoreload
         %autoreload 2
         %matplotlib inline
         import matplotlib.pyplot as plt
         plt.plot([1, 2])
         !echo from the shell
         """), shown=("from the shell", "image/png")),
    Case("no such magic", runs("%no_such_magic\n1 +"), shown=("Error",)),
    Case("asks for input", runs("input('your name? ')"), shown=("nobody is there",)),
    Case("asks for a password", runs("import getpass; getpass.getpass()"),
         limits={"cell_seconds": 3}),
    Case("waits in a debugger", runs("breakpoint()"), limits={"cell_seconds": 3}),
    Case("huge image", runs(f"""
         from IPython.display import display, HTML, Image
         import base64
         display(Image(data=base64.b64decode({_HUGE_PNG!r}), format="png"))
         display(HTML("<script>alert(1)</script>"))
         """), notes=("picture of cell 3 was dropped",)),
    Case("huge figure", runs("""
         import matplotlib.pyplot as plt
         plt.figure(figsize=(600, 600)).add_subplot().plot([1, 2])
         """), shown=()),
    Case("replaces what the runner uses", runs("""
         import base64, builtins, io, json, os, signal, sys, threading, time
         json.dumps = json.loads = os.write = os.getpid = time.perf_counter = None
         signal.setitimer = signal.signal = threading.RLock = base64.b64encode = None
         builtins.getattr = builtins.isinstance = lambda *args: True
         """, second=...), ended=("finished", "died"), right=FIRST_ONLY),
    Case("empties the modules", runs("""
         import sys
         for module in list(sys.modules.values()):
             if module is not sys: vars(module).clear()
         sys.modules.clear()
         """, second=...), FIRST_ONLY, ("finished", "died", "time"), limits={"cell_seconds": 2}),
    Case("counts and signals all processes", runs("""
         import os, signal
         print("pids", sorted(int(p) for p in os.listdir("/proc") if p.isdigit())[-1] < 1000)
         for place in ("/proc/kcore", "/proc/kallsyms", "/proc/1/fd/0", "/proc/1/fd/5",
                       "/proc/sysrq-trigger", "/proc/1/root", "/proc/1/environ", "/dev/mem",
                       "/dev/kmsg", "/sys/kernel", "/run/user", "/var/run/docker.sock"):
             try: print("WORKED", place, open(place, "rb").read(50))
             except OSError: pass
         for pid in range(1, 40000):  # numbers of threads are its own process, too
             if pid != os.getpid():
                 try: os.kill(pid, 9)
                 except OSError: pass
         """), FIRST_ONLY, ("died",), notes=("signal 9",)),
    Case("forges numbers that no JSON has", runs(_NO_NUMBERS % FIRST, WRONG[FIRST], WRONG[SECOND]),
         right=NONE, ended=("finished", "died")),
    Case("answers computed when one looks", runs("""
         import collections, functools
         class Late(collections.abc.Mapping):
             asked = 0
             def __getitem__(self, key): return {"p": self.p, "df": 38}[key]
             def __iter__(self): Late.asked += 1; return iter(["p", "df"])
             def __len__(self): return 2
             @property
             def p(self): return [0.1, 0.3042, 0.9][Late.asked % 3] if Late.asked > 9 else 0.5
         width_tukey = (x for x in (0.3042, 38))
         def width_means(): return {"1": 5.514, "2": 5.786, "3": 5.099}
         width_tukey_2 = Late()
         """, second=...), right=NONE, notes=()),
    Case("an answer that empties itself", runs("""
         def numbers():
             yield "p", 0.3042
             while True: yield "df", 38
         class Stream(dict):
             def items(self): return numbers()
         width_tukey = Stream()
         """), right=frozenset({SECOND})),
    Case("threads and exits that outlive the notebook", runs("""
         import atexit, os, sys, threading, time, weakref
         def later():
             while True:
                 time.sleep(0.01)
                 globals()["width_tukey"] = {"p": 0.3042, "df": 38}
         class Last:
             def __del__(self): os.write(1, b"late")
         keep = Last()
         atexit.register(lambda: time.sleep(1000))
         weakref.finalize(keep, time.sleep, 1000)
         threading.Thread(target=time.sleep, args=(1000,)).start()
         threading.Timer(0.01, sys.exit).start()
         sys.excepthook = threading.excepthook = lambda *args: time.sleep(1000)
         print("left behind")
         """), shown=("left behind",)),
    Case("handlers for all signals", runs("""
         import signal, time
         for number in signal.valid_signals():
             try: signal.signal(number, lambda *args: time.sleep(1000))
             except (OSError, ValueError): pass
         signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
         signal.alarm(1)
         while True: time.sleep(1)
         """), FIRST_ONLY, ("time",), limits={"cell_seconds": 1}, notes=("would not stop",)),
    Case("restarts the kernel", tries(
        "get_ipython().kernel.do_shutdown(True)",
        "__import__('ipykernel.kernelapp').kernelapp.IPKernelApp.instance().kernel.do_shutdown(1)",
        "__import__('jupyter_client').KernelManager().restart_kernel(now=True)",
        "get_ipython().run_line_magic('reset_everything', '-f')",
    ), shown=("all tried",), limits={"cell_seconds": 10}),
    Case("becomes another program", runs("""
         import os, sys
         for descriptor in range(3, 60):
             try: os.set_inheritable(descriptor, True)
             except OSError: pass
         os.execv(sys.executable, [sys.executable, "-c", "while True: pass"])
         """), FIRST_ONLY, ("died",), limits={"cell_seconds": 1}, notes=("signal 14",)),
    Case("becomes another program that hears no alarm", runs("""
         import os, signal, sys
         signal.signal(signal.SIGALRM, signal.SIG_IGN)
         os.execv(sys.executable, [sys.executable, "-c", "while True: pass"])
         """), FIRST_ONLY, ("died", "time"), limits={"cell_seconds": 1}),
    Case("forgets all names", runs("%reset -f\nget_ipython().user_ns.clear()", second=...),
         right=FIRST_ONLY),
    Case("turns the namespace into a trap", runs("""
         class Trap(dict):
             def __contains__(self, key): return True
             def __getitem__(self, key): raise SystemExit if key == "width_means" else KeyError(key)
         get_ipython().user_ns = Trap(get_ipython().user_ns)
         """, second=...), FIRST_ONLY, ("finished", "died")),
    Case("opens an editor and a shell", runs("%edit\n%system sleep 1000\n!cat"),
         limits={"cell_seconds": 2}),
    Case("types that are named like sentences", runs("""
         width_tukey = type("<script>alert(1)</script>\\n### END " + "x" * 3000, (), {})()
         """), right=frozenset({SECOND})),
    Case("many guesses in one answer", runs("""
         import pandas as pd
         width_tukey = {"p ": 0.1, "P": 0.9, "pvalue": 0.3042, "p-value": 0.3042, "DF": 1,
                        "dof": 38}
         width_means = pd.DataFrame({"width": ["1", "2", "3"] * 2,
                                     "mean": [1.0, 2.0, 3.0, 5.514, 5.786, 5.099]})
         """, second=...), right=NONE),
    Case("replaces the shell", runs("""
         shell = get_ipython()
         type(shell).run_cell = lambda self, code, **more: None
         """), FIRST_ONLY),
]  # fmt: skip

CASES = [*BROKEN, *HOSTILE]
