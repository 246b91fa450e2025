"""Run the cells of a submission in a box, and take out its named answers as plain data.

Grading runs other people's code. The box is a bubblewrap sandbox: no network, an own set of
processes, a few megabytes of memory as its only disk, and of the machine nothing but Python and
this package, read only. Other submissions, solutions, keys and the gradebook do not exist in it.
Inside runs :mod:`mixedteach.grading.runner`; what it sends is taken for a stranger's text: limited
in size, read as JSON, checked for its shape, and never run, unpickled or believed in more than what
the answers are.

Who limits what:

===============  =================================================================================
time of a cell   an alarm inside; where that is caught or blocked, the parent ends the box
time of all      the parent
memory           the kernel for each process; the parent, which adds up all, ten times a second
processes        the kernel (as an ordinary user: root's processes are not counted)
disk             the size of the only file system that can be written to, which is memory; the
                 parent counts its files
output           the runner; the parent counts again
system calls     a filter: no new namespaces, no mounts, no shared memory outside of all counts,
                 no sockets but those of the box's own network, which leads nowhere
===============  =================================================================================
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from mixedteach.grading.record import CellRun, Limits, Record, printable
from mixedteach.grading.walls import (
    FOLDER,
    HOME,
    KNOWN_MACHINES,
    BoxError,
    arguments,
    check_hidden,
    environment,
    other_user,
    system_calls,
    visible,
)

__all__ = ["BoxError", "CellRun", "Limits", "Outcome", "refusal", "run"]

_PACKAGE = Path(__file__).resolve().parents[1]
_RUNNER = Path(__file__).resolve().with_name("runner.py")
_GRACE = 4.0  # seconds a cell may overrun before the parent ends the box
_TICK = 0.1  # seconds between two looks at the memory
_MOST_FILES = 500  # of a submission's folder
_MOST_INODES = 20_000  # in the box


@dataclass
class Outcome:
    """What came out of a box.

    Attributes
    ----------
    answers : dict
        Name -> plain data (:mod:`mixedteach.checks.plain`), for each name that was defined.
    cells : list of CellRun
        One for each code cell that started.
    notes : list of str
        What the student and the instructor should know.
    ended : str
        ``finished``; ``time``, ``memory``, ``files`` or ``output`` where a limit was reached; or
        ``died``: the program ended itself.
    seconds : float
        From start to end.
    """

    answers: dict[str, Any]
    cells: list[CellRun]
    notes: list[str]
    ended: str
    seconds: float


_USUAL = Limits()


def run(
    sources: Sequence[str],
    names: Sequence[str],
    data: Mapping[str, bytes] | None = None,
    extra: Path | None = None,
    limits: Limits = _USUAL,
    boxed: bool = True,
) -> Outcome:
    """Run code cells one after the other, and return the answers they leave.

    Parameters
    ----------
    sources : sequence of str
        The code of each cell.
    names : sequence of str
        The variables wanted.
    data : mapping, optional
        Name -> content of files for the working folder; they win over those of `extra`.
    extra : pathlib.Path, optional
        A folder (the submission's) whose regular files are copied to the working folder.
    limits : Limits
        What the cells may use.
    boxed : bool
        False trusts the code: it runs as you, with your files and your network. Time, memory and
        output are still limited where the system can do it.

    Returns
    -------
    Outcome
        Whatever the code does, once it has started.

    Raises
    ------
    BoxError
        If there is no box on this machine, or it could not be set up.

    Examples
    --------
    >>> run(["a = 2", "b = a / 4"], ["b"], boxed=False).answers
    {'b': {'kind': 'number', 'value': 0.5}}
    """
    if boxed:
        why = refusal()
        if why:
            raise BoxError(why)
    return _run(sources, names, data or {}, extra, limits, boxed)


@cache
def refusal() -> str | None:
    """Return why this machine has no box, or None: a box with nothing in it is tried once.

    Examples
    --------
    >>> refusal() is None or "box" in refusal()
    True
    """
    unless = "or run submissions without a box if you trust every one of them"
    if sys.platform != "linux":
        return f"The box needs Linux with bubblewrap: grade on such a machine, {unless}."
    if platform.machine() not in KNOWN_MACHINES:
        return f"The box does not know the system calls of {platform.machine()}, {unless}."
    if shutil.which("bwrap") is None:
        return f"The box needs the program bwrap: install the package bubblewrap, {unless}."
    try:
        outcome = _run([], [], {}, None, _USUAL, boxed=True)
    except BoxError as error:
        return f"{str(error).rstrip('.')}; mend that, {unless}."
    if outcome.ended != "finished":
        return f"An empty box did not end as it should ({outcome.ended}): mend that, {unless}."
    return None


def _run(
    sources: Sequence[str], names: Sequence[str], data: Mapping[str, bytes], extra: Path | None,
    limits: Limits, boxed: bool,
) -> Outcome:  # fmt: skip
    seen = visible() if boxed else []
    check_hidden(extra, seen)
    files, notes = _folder_files(extra, limits, data)
    files |= data
    begin = time.monotonic()
    record = Record(len(sources), frozenset(names), limits)
    with ExitStack() as stack:
        if boxed:
            home, folder, user = HOME, FOLDER, other_user()
            box = stack.enter_context(_in_a_box(limits, user, seen))
        else:
            place = stack.enter_context(_temporary_folder())
            home, folder, user = str(place / "home"), str(place / "exercise"), None
            box = stack.enter_context(_without_a_box(place))
        laid = {f"{folder}/{name}": content for name, content in files.items()}
        laid |= {f"{home}/.cache/matplotlib/{n}": content for n, content in _fonts().items()}
        job = {
            "sources": list(sources), "names": list(names), "home": home, "folder": folder,
            "files": [[name, len(content)] for name, content in laid.items()],
            "limits": asdict(limits), "boxed": boxed, "user": user, "library": str(_PACKAGE.parent),
        }  # fmt: skip
        parts = [json.dumps(job).encode() + b"\n", *laid.values()]
        ended = _watch(box, record, parts, limits)
    if not record.ready:
        said = box.complaint() or "it said nothing"
        raise BoxError(f"The box could not be set up: {said}.")
    notes += record.notes
    where = f"in cell {record.cell + 1}" if record.cell >= 0 else "before its first cell"
    if ended == "died":
        how = _manner(box.process.returncode)
        notes.append(f"the program ended itself {where} ({how}); no cell was run after that")
    elif ended != "finished":
        notes.append(_WHY[ended].format(where=where, **asdict(limits)))
    if ended == "cell":
        ended = "time"
    return Outcome(record.answers, record.cells, notes, ended, time.monotonic() - begin)


_WHY = {
    "time": "the notebook was stopped {where}: all its cells together may take {seconds:g} s",
    "cell": "the notebook was stopped {where}, which would not stop by itself after "
    "{cell_seconds:g} s; no cell was run after it",
    "memory": "the notebook was stopped {where}: all it runs may use {memory_mb} MB of memory",
    "files": "the notebook was stopped {where}: it made more files than can be kept",
    "output": "the notebook was stopped {where}: it sent far more than can be kept",
}


def _manner(code: int | None) -> str:
    """Say how a program ended: bwrap returns 128 + the signal, Python minus the signal."""
    if code is None:
        return "nobody knows how"
    number = -code if code < 0 else code - 128
    if number in {s.value for s in signal.Signals}:
        crash = number in {getattr(signal, n, None) for n in ("SIGSEGV", "SIGBUS", "SIGABRT")}
        return f"signal {number}, a crash" if crash else f"signal {number}"
    return f"exit code {code}"


# -- the process -----------------------------------------------------------------------------------


class _Box:
    """A started runner: how to reach it, and how to end it and all it has started."""

    def __init__(
        self, process: subprocess.Popen[bytes], end: Callable[[], None], inside: int | None = None
    ) -> None:
        self.process = process
        self.end = end
        self._inside = inside  # a process within the walls
        self._tail = b""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        """Keep the last that was written beside the channel, and let nobody wait for a reader."""
        with suppress(OSError, ValueError):
            while chunk := self.process.stderr.read1(65536):
                self._tail = (self._tail + chunk)[-2000:]

    def too_many_files(self) -> bool:
        """Tell whether there are more files than anybody needs: each takes memory of the kernel."""
        if self._inside is None:
            return False
        with suppress(OSError):
            own = Path("/proc", str(self._inside), "root")  # the box's file system
            for place in ("tmp", "dev/shm"):
                room = os.statvfs(own / place)
                if room.f_files - room.f_ffree > _MOST_INODES:
                    return True
        return False

    def complaint(self) -> str:
        """Return the last line written beside the channel."""
        self._listener.join(1)
        lines = self._tail.decode(errors="replace").strip().splitlines()
        return lines[-1].rstrip(".") if lines else ""


def _watch(box: _Box, record: Record, parts: Sequence[bytes], limits: Limits) -> str:
    """Feed the runner, listen to it, and end it when it must; return how it ended."""
    process = box.process

    def feed() -> None:
        with suppress(OSError), process.stdin as pipe:  # it may be gone before it has read all
            for part in parts:
                pipe.write(part)

    def listen() -> None:
        with suppress(OSError, ValueError):
            while chunk := process.stdout.read1(65536):
                record.take(chunk)
        record.over.set()

    threads = [threading.Thread(target=work, daemon=True) for work in (feed, listen)]
    last = time.monotonic() + limits.seconds
    for thread in threads:
        thread.start()
    ended = ""
    while not record.over.wait(_TICK):
        now = time.monotonic()
        if now > last:
            ended = "time"
        elif record.cell >= 0 and now > record.started + limits.cell_seconds + _GRACE:
            ended = "cell"
        elif _memory(process.pid, limits.memory_mb << 20) > limits.memory_mb << 20:
            ended = "memory"
        elif record.ready and box.too_many_files():
            ended = "files"
        if ended:
            break
    if not ended and record.flood:
        ended = "output"
    if not ended:
        ended = "finished" if record.done else "died"
        with suppress(subprocess.TimeoutExpired):
            process.wait(2)  # for its own exit code, before it is ended
    box.end()
    for thread in threads:
        thread.join(2)
    return ended


def _memory(root: int, enough: int) -> int:
    """Return the bytes of memory that a process and all its descendants hold.

    The first sum counts pages that processes share once for each of them. Only if that is more
    than `enough`, the slow and fair way is taken.
    """
    pages: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:  # not Linux, and therefore no box
        return 0
    for pid in pids:
        with suppress(OSError, IndexError, ValueError):
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            children.setdefault(int(fields[1]), []).append(pid)
            pages[pid] = int(fields[21])
    family, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        family.append(pid)
        waiting += children.get(pid, [])
    size = os.sysconf("SC_PAGE_SIZE")
    total = sum(pages.get(pid, 0) for pid in family) * size
    if total <= enough:
        return total
    return sum(_own_share(pid, pages.get(pid, 0) * size) for pid in family)


def _own_share(pid: int, otherwise: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            return int(file.read().split(b"\nPss:")[1].split()[0]) << 10
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return 0
    except (OSError, IndexError, ValueError):
        return otherwise


@contextmanager
def _in_a_box(limits: Limits, user: int | None, seen: Sequence[Path]) -> Iterator[_Box]:
    """Start the runner under bubblewrap; at the end no process of it is left."""
    info_read, info_write = os.pipe()
    given = [_as_pipe(system_calls()), _as_pipe(f"student:x:{user or 1000}:{user or 1000}::/:\n")]
    args = arguments(limits.disk_mb, user, seen, info_write, *given)
    given.append(_as_pipe("\0".join(args)))
    # bwrap's own command line and environment can be read inside: nothing must stand in them
    command = [
        shutil.which("bwrap") or "bwrap", "--args", str(given[-1]), "--",
        sys.executable, "-P", str(_RUNNER),
    ]  # fmt: skip
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            pass_fds=[*given, info_write], env={}, cwd="/",
        )  # fmt: skip
    except BaseException:
        os.close(info_read)
        raise
    finally:
        for descriptor in [*given, info_write]:
            os.close(descriptor)
    first: list[int] = []  # a handle of the first process inside: with it, all inside end

    def end() -> None:
        with suppress(ProcessLookupError):
            if first:
                signal.pidfd_send_signal(first[0], signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        if first:
            _until_dead(first[0])

    with process, os.fdopen(info_read, "rb") as info:
        inside = None
        try:
            with suppress(ValueError, KeyError, ProcessLookupError):
                inside = json.load(info)["child-pid"]
                first.append(os.pidfd_open(inside))
            yield _Box(process, end, inside)
        finally:
            end()
            for descriptor in first:
                os.close(descriptor)


def _until_dead(descriptor: int) -> None:
    """Wait until a process has ended; of the first in a box: until all inside have."""
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.poll(10_000)


def _as_pipe(content: bytes | str) -> int:
    """Return a descriptor from which something short can be read."""
    read, write = os.pipe()
    with os.fdopen(write, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    return read


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mixedteach-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def _without_a_box(place: Path) -> Iterator[_Box]:
    """Start the runner as an ordinary program of this user."""
    kept = ("PATH", "SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT", "WINDIR")
    around = {name: os.environ[name] for name in kept if name in os.environ}
    around |= environment(str(place / "home"), str(place))
    process = subprocess.Popen(
        [sys.executable, "-P", str(_RUNNER)], cwd=place, env=around,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip

    def end() -> None:
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()

    try:
        yield _Box(process, end)
    finally:
        end()
        for pipe in (process.stdout, process.stderr):
            pipe.close()


@cache
def _fonts() -> dict[str, bytes]:
    """Return matplotlib's list of fonts, which takes seconds to make."""
    import matplotlib
    from matplotlib import font_manager  # makes the list where there is none

    files = Path(matplotlib.get_cachedir()).glob(
        f"fontlist-v{font_manager.FontManager.__version__}*.json"
    )
    return {path.name: path.read_bytes() for path in files}


# -- the submission's own files --------------------------------------------------------------------


def _folder_files(
    folder: Path | None, limits: Limits, data: Iterable[str]
) -> tuple[dict[str, bytes], list[str]]:
    """Read the ordinary files of a folder: no links, no pipes, none huge, none named as `data`."""
    found: dict[str, bytes] = {}
    notes: list[str] = []
    if folder is None:
        return found, notes
    room = (limits.disk_mb << 20) // 2
    ours = [PurePosixPath(name) for name in data]
    waiting = [(folder, PurePosixPath(""))]
    while waiting:
        place, inside = waiting.pop()
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            name = inside / entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if len(name.parts) <= 8 and name not in ours:
                    waiting.append((Path(entry.path), name))
                continue
            if any(name == own or name in own.parents for own in ours):
                continue
            content = _regular_file(entry.path, room)
            if content is None or len(found) >= _MOST_FILES:
                why = "is no ordinary file, or too large" if content is None else "is one too many"
                if len(notes) < 5:
                    notes.append(f"the file '{printable(str(name))}' was left out: it {why}")
                continue
            room -= len(content)
            found[str(name)] = content
    return found, notes


def _regular_file(path: str, room: int) -> bytes | None:
    """Return the content of an ordinary file with one name; None for all else."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        # a second name may be that of a secret elsewhere (a hard link)
        if not stat.S_ISREG(about.st_mode) or about.st_nlink > 1 or about.st_size > room:
            return None
        content = file.read(room + 1)
    return content if len(content) <= room else None
