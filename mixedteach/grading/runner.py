"""Run the cells of a submission one by one, as a notebook would: the program inside the box.

:mod:`mixedteach.grading.box` starts this file and talks to it by pipes. Its standard input brings
the job (one line of JSON, then the bytes of the files to lay out); what was its standard output
carries one JSON object a line:

==================  ==============================================================================
``ready``           the box stands, no line of the student's has run
``cell``            number of the cell that starts
``out``             an output of the cell: a stream, text, a picture or an error
``answer, value``   a named answer as plain data, sent when it has changed
``code, about``     something to tell the student; the words are chosen outside
``end, seconds``    number of the cell that ended, and its time
``done``            all cells have run
==================  ==============================================================================

Everything in this process belongs to the student from the first cell on: it may replace any
function used here. What it can reach thereby is a lie about its own answers, no more, because they
are judged elsewhere. Limits that matter are set by the kernel or watched by the parent.
"""

from __future__ import annotations

import base64
import builtins
import io
import json
import linecache
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

_SNAPSHOT_SECONDS = 2.0  # for turning one answer into plain data
_TEXT = 8_000  # characters of a stream sent at once
_FRAMES = 6  # lines of the student's shown in an error
_CELL_FILE = re.compile(r"<ipython-input-(\d+)-")  # what IPython calls the code of a cell


class CellStopped(KeyboardInterrupt):
    """The time of a cell is over; no Exception, so that ``except Exception`` lets it through."""


class Channel:
    """The way out: JSON, a line a message, from the process that was started and no child of it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.RLock()
        self._pid = os.getpid()
        # kept, because the student may replace them
        self._dumps, self._write, self._getpid = json.dumps, os.write, os.getpid

    def own(self) -> bool:
        """Tell whether this is still the first process (a cell may have forked)."""
        return self._getpid() == self._pid

    def send(self, **message: Any) -> None:
        """Send a message."""
        if not self.own():
            return
        rest = memoryview(self._dumps(message).encode() + b"\n")
        with self._lock:
            while rest:
                rest = rest[self._write(self._descriptor, rest) :]


class Outputs:
    """Collect what cells show, up to a limit for the whole notebook."""

    def __init__(self, channel: Channel, characters: int) -> None:
        self._channel = channel
        self._left = characters
        self._stream = ""
        self._parts: list[str] = []
        self._held = 0
        self._told = False
        self._lock = threading.RLock()

    def text(self, name: str, text: str) -> None:
        """Take text of a stream; it is sent in larger pieces."""
        with self._lock:
            if name != self._stream:
                self.flush()
            self._stream = name
            text = self._within(text)
            if text:
                self._parts.append(text)
                self._held += len(text)
            if self._held > _TEXT:
                self.flush()

    def flush(self) -> None:
        """Send the text held back."""
        with self._lock:
            parts, self._parts, self._held = self._parts, [], 0
            if parts:
                self._send("stream", name=self._stream, text="".join(parts))

    def bundle(self, kind: str, data: dict[str, Any]) -> None:
        """Take a result or a display: its text, and its picture if there is one."""
        kept: dict[str, str] = {}
        with self._lock:
            self.flush()
            text, png = data.get("text/plain"), data.get("image/png")
            if isinstance(text, str):
                kept["text/plain"] = self._within(text)
            if isinstance(png, bytes):
                png = base64.b64encode(png).decode()
            if isinstance(png, str):
                if len(png) <= self._left:
                    self._left -= len(png)
                    kept["image/png"] = png
                else:
                    self._channel.send(code="picture dropped")
            if any(kept.values()):
                self._send(kind, data=kept)

    def error(self, name: str, value: str, lines: Sequence[str]) -> None:
        """Take an error; these come through even when the room is used up, but short."""
        self.flush()
        self._send("error", ename=name[:100], evalue=value[:2000], traceback=[*lines])

    def _within(self, text: str) -> str:
        if len(text) > self._left and not self._told:
            self._told = True
            self._channel.send(code="output dropped")
        text = text[: max(self._left, 0)]
        self._left -= len(text)
        return text

    def _send(self, kind: str, **parts: Any) -> None:
        self._channel.send(out={"output_type": kind, **parts})


class Stream(io.TextIOBase):
    """What ``print`` writes to."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, outputs: Outputs, name: str) -> None:
        super().__init__()
        self._outputs = outputs
        self.name = name

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, text: str) -> int:
        """Pass text on."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._outputs.text(self.name, text)
        return len(text)


def _read_job() -> tuple[dict[str, Any], io.BufferedIOBase]:
    source = sys.stdin.buffer
    return json.loads(source.readline()), source


def _become(user: int) -> None:
    """Give up the rights of root: its processes are not counted, so it could fork without end."""
    with suppress(OSError):  # when memory runs out, the box is what the kernel should end
        Path("/proc/self/oom_score_adj").write_text("1000")
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _limit(limits: dict[str, int], boxed: bool) -> None:
    """Set limits that no process of the box can raise again."""
    try:
        import resource
    except ImportError:  # Windows; never in a box
        return
    megabyte = 1 << 20
    wanted = {
        # memory asked for; less than the box may hold, so that one greedy cell meets an error that
        # it can survive before the parent sees a reason to end all
        "RLIMIT_DATA": limits["memory_mb"] * megabyte * 3 // 4,
        "RLIMIT_AS": (limits["memory_mb"] + 4096) * megabyte,  # with libraries, stacks, mappings
        "RLIMIT_FSIZE": limits["disk_mb"] * megabyte,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 128,
        "RLIMIT_MSGQUEUE": 0,
    }
    if boxed:  # elsewhere it counts all that this user runs
        wanted["RLIMIT_NPROC"] = limits["processes"]
    for name, most in wanted.items():
        try:
            resource.setrlimit(getattr(resource, name), (most, most))
        except (AttributeError, ValueError, OSError):
            if boxed:
                raise


def _lay_out(files: Sequence[tuple[str, int]], source: io.BufferedIOBase) -> list[str]:
    """Write the files that come with the job; return the names of those that did not fit."""
    lost = []
    for name, size in files:
        content = source.read(size)
        path = Path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError:
            lost.append(path.name)
    return lost


class Alarm:
    """Interrupt the main thread after a time: by signal, where there are such signals.

    A thread helps: the main one may wait for a program it has started, and hears of no signal
    before that has ended. In a box all that cells have started can be ended at once.
    """

    def __init__(self, boxed: bool) -> None:
        self.rang = False
        self.seconds = 0.0
        self._deadline = float("inf")
        self._clock, self._sleep = time.monotonic, time.sleep
        self._kill = os.kill if boxed else None
        self._interrupt = None
        if hasattr(signal, "setitimer"):
            self._set, self._timer = signal.setitimer, signal.ITIMER_REAL
            self._signal, self._number = signal.signal, signal.SIGALRM
        else:
            import _thread

            self._interrupt = _thread.interrupt_main
        threading.Thread(target=self._help, daemon=True).start()

    @contextmanager
    def after(self, seconds: float) -> Iterator[None]:
        """Ring unless the block ends in time; and again, since some code swallows errors."""
        self.rang, self.seconds = False, seconds
        self._deadline = self._clock() + seconds
        if self._interrupt is None:
            self._signal(self._number, self._ring)
            self._set(self._timer, seconds, 1.0)
        try:
            yield
        finally:
            self.stop()

    def stop(self) -> None:
        """Ring no more."""
        self._deadline = float("inf")
        if self._interrupt is None:
            self._set(self._timer, 0)

    def kill_others(self) -> None:
        """End all other processes of the box: they would slow down the cells that follow."""
        if self._kill is not None:
            with suppress(OSError):  # there are none
                self._kill(-1, 9)

    def _ring(self, *_: object) -> None:
        if self._deadline == float("inf"):
            return
        self.rang = True
        self.kill_others()
        raise CellStopped(f"stopped after {self.seconds:g} s")

    def _help(self) -> None:
        while True:
            self._sleep(0.3)
            if self._clock() > self._deadline:
                self.kill_others()
                if self._interrupt is not None:
                    self.rang = True
                    self._interrupt()
                    self._sleep(1.0)


def _tell(error: BaseException) -> tuple[str, str, list[str]]:
    """Return name, message and the lines of the student's that an error came from."""
    name = type(error).__name__
    try:
        value = str(error)
    except BaseException:
        value = "(its message cannot be shown)"
    places = []
    trace = error.__traceback__
    while trace is not None:
        file, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        places.append((file, line))
        trace = trace.tb_next
    if isinstance(error, SyntaxError):
        places = [(error.filename or "", error.lineno or 0)]
    lines = []
    for file, line in places:
        cell = _CELL_FILE.match(str(file))
        if cell:
            code = linecache.getline(file, line).strip()[:200]
            lines.append(f"cell {cell[1]}, line {line}: {code}")
    return name, value, [*lines[-_FRAMES:], f"{name}: {value}"[:2000]]


def _make_shell(outputs: Outputs, ended: Callable[[], None]) -> Any:
    """Return IPython's shell, showing everything to `outputs`."""
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets import Type
    from traitlets.config import Config

    class Publisher(DisplayPublisher):
        def publish(self, data: dict[str, Any], *_: Any, **__: Any) -> None:
            outputs.bundle("display_data", data)

        def clear_output(self, wait: bool = False) -> None:
            pass

    class Hook(DisplayHook):
        def write_output_prompt(self) -> None:
            pass

        def write_format_data(self, format_dict: dict[str, Any], md_dict: Any = None) -> None:
            outputs.bundle("execute_result", format_dict)

        def finish_displayhook(self) -> None:
            pass

    class Shell(InteractiveShell):
        display_pub_class = Type(Publisher)
        displayhook_class = Type(Hook)

        def showtraceback(self, exc_tuple: Any = None, *_: Any, **__: Any) -> None:
            error = exc_tuple[1] if exc_tuple else sys.exc_info()[1]
            if error is not None:
                outputs.error(*_tell(error))

        def showsyntaxerror(self, *_: Any, **__: Any) -> None:
            self.showtraceback()

        def ask_exit(self) -> None:
            ended()

        def _tee(self, channel: str) -> Any:  # IPython 9 would hoard all that is printed
            return nullcontext()

        def enable_gui(self, gui: str | None = None) -> None:
            pass

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    return Shell.instance(config=config)


def _no_input(prompt: object = "", *_: object) -> str:
    raise OSError(
        "nobody is there to answer input() when an exercise is graded: "
        "give the value in the code instead"
    )


class Answers:
    """Turn named answers into plain data after each cell, so that none is lost to a later one."""

    def __init__(self, channel: Channel, names: Sequence[str], most: int, alarm: Alarm) -> None:
        from mixedteach.checks.plain import plain

        self._plain, self._dumps = plain, json.dumps
        self._channel, self._names, self._most, self._alarm = channel, names, most, alarm
        self._sent: dict[str, str] = {}
        self._hopeless: dict[str, object] = {}

    def send(self, namespace: dict[str, Any]) -> None:
        """Send the answers that have changed."""
        for name in self._names:
            if name not in namespace or self._hopeless.get(name, self) is namespace[name]:
                continue
            value = namespace[name]
            try:
                with self._alarm.after(_SNAPSHOT_SECONDS):
                    found = self._plain(value)
                    text = self._dumps(found)
            except BaseException:  # whatever a student's object does
                self._hopeless[name] = value
                self._channel.send(code="answer unreadable", about=name)
                continue
            if len(text) > self._most:
                self._channel.send(code="answer too large", about=name)
            elif text != self._sent.get(name):
                self._sent[name] = text
                self._channel.send(answer=name, value=found)


def main() -> None:
    """Read a job, run its cells, and end at once."""
    channel = Channel(os.dup(1))
    os.dup2(2, 1)  # programs that cells start write where nobody reads
    leave = os._exit
    job, source = _read_job()
    boxed, limits = job["boxed"], job["limits"]
    if job["user"] is not None:
        _become(job["user"])
    _limit(limits, boxed)
    for folder in (job["home"], job["folder"]):
        os.makedirs(folder, exist_ok=True)
    lost = _lay_out(job["files"], source)
    os.chdir(job["folder"])
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    sys.path.append(job["library"])  # last, for a clone that is not installed

    exits: list[bool] = []
    outputs = Outputs(channel, limits["output_kb"] * 1000)
    shell = _make_shell(outputs, lambda: exits.append(True))
    alarm = Alarm(boxed)
    answers = Answers(channel, job["names"], limits["answer_kb"] * 1000, alarm)
    sys.path.insert(0, "")  # helpers that a student handed in
    sys.stdout, sys.stderr = Stream(outputs, "stdout"), Stream(outputs, "stderr")
    builtins.input = _no_input
    clock = time.perf_counter

    channel.send(ready=True)
    for name in lost:
        channel.send(code="file did not fit", about=name)
    for number, code in enumerate(job["sources"]):
        channel.send(cell=number)
        start = clock()
        shell.execution_count = number + 1
        stopped = False
        with suppress(BaseException):  # what rings between IPython's last line and ours
            try:
                with alarm.after(limits["cell_seconds"]):
                    result = shell.run_cell(code, store_history=True)
                if isinstance(result.error_in_exec, SystemExit):
                    exits.append(True)
            finally:
                stopped = alarm.rang
        alarm.stop()
        if not channel.own():
            leave(0)  # the child of a cell that forked
        if stopped:
            channel.send(code="cell stopped")
            alarm.kill_others()
        if exits:
            exits.clear()
            channel.send(code="exit")
        with suppress(BaseException):
            outputs.flush()
        channel.send(end=number, seconds=clock() - start)
        answers.send(shell.user_ns)
    channel.send(done=True)
    leave(0)


if __name__ == "__main__":
    main()
