"""Answers are judged in a process of their own, which can be ended.

What comes out of the box is plain data, but a stranger's: a formula of a hundred characters can
have a million terms, and a table can be built to be slow to read. A judge that takes too long, or
too much memory, is replaced, and the answer counts as one that cannot be read.

The process reads and writes lines of JSON.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from mixedteach.checks.verdict import Verdict
from mixedteach.grading import key

_START = 120.0  # seconds that a new judge has to start, on a busy machine
_MEMORY = 4 << 30  # bytes
_LIBRARY = Path(__file__).resolve().parents[2]


class Judge:
    """Judge answers by a key, one after the other.

    Parameters
    ----------
    seconds : float
        How long one answer may take.
    """

    def __init__(self, seconds: float = 20) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def verdict(
        self, answers: key.Key, name: str, given: Mapping[str, Any],
        earlier: Mapping[str, Any] | None = None,
    ) -> Verdict:  # fmt: skip
        """Judge the answer to a question; `earlier` is that to the question it builds on."""
        if self._process is None:
            self._start()
        said = self._ask(json.dumps([key.text(answers), name, given, earlier]))
        if said is None:
            message = "your answer could not be judged: it is too large or too complicated."
            return Verdict(f"{answers.exercise}.{name}", False, None, message, "unreadable")
        return Verdict(**said)

    def _ask(self, request: str) -> dict[str, Any] | None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(request + "\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=self._seconds)
        except (OSError, queue.Empty):
            line = ""
        if not line:  # it takes too long, or it has ended
            self._end()
            return None
        return json.loads(line)

    def _start(self) -> None:
        paths = [str(_LIBRARY), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mixedteach.grading.judging"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )  # fmt: skip
        self._lines = queue.Queue()
        listener = threading.Thread(
            target=_listen, args=(self._process.stdout, self._lines), daemon=True
        )
        listener.start()
        try:
            ready = self._lines.get(timeout=_START)
        except queue.Empty:
            ready = ""
        if not ready:
            self._end()
            raise RuntimeError("The process that judges answers did not start.")

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                with suppress(OSError):  # what it did not read any more
                    pipe.close()
            self._process.wait()
            self._process = None


def _listen(pipe: Any, lines: queue.Queue[str]) -> None:
    with suppress(OSError, ValueError):  # closed meanwhile
        for line in pipe:
            lines.put(line)
    lines.put("")


def serve() -> None:
    """Judge what is asked for, line by line; ``null`` says that it cannot be done."""
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    channel, sys.stdout = sys.stdout, sys.stderr  # nothing else may be written there
    print("ready", file=channel, flush=True)
    for request in sys.stdin:
        text, name, given, earlier = json.loads(request)
        try:
            said = json.dumps(asdict(_key(text).verdict(name, given, earlier)))
        except Exception:  # nothing that an answer is made of may end the grading
            said = "null"
        print(said, file=channel, flush=True)


@lru_cache(maxsize=2)
def _key(text: str) -> key.Key:
    return key.parse(text)


if __name__ == "__main__":
    serve()
