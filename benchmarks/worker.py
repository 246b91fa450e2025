"""One program in one process: `python worker.py PROGRAM FOLDER` answers requests, a line each.

run.py starts it, with one thread for everything.

A request is ``TASK DATA REPEATS``. The answer is ``VALUE MEMORY NUMBERS...``: the last fit's
log-likelihood (or a df), the peak memory in MB, and the seconds of each repeat; or ``none``.
worker.R speaks the same way.
"""

from __future__ import annotations

import contextlib
import itertools
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models import model
from programs import PROGRAMS, Program

ENOUGH = 0.3  # seconds: a batch stops after this long
fresh = itertools.count(1)


def times(call: Callable[[], Any], repeats: int) -> tuple[Any, list[float]]:
    out, seconds, value = 0.0, [], None
    while len(seconds) < repeats and (not seconds or out < ENOUGH):
        start = time.perf_counter()
        value = call()
        seconds.append(time.perf_counter() - start)
        out += seconds[-1]
    return value, seconds


def new(formula: str) -> str:
    """Return the formula as a text that no cache has seen: with other blanks at its end."""
    return formula + " " * next(fresh)


def peak_mb() -> float:
    try:
        status = Path("/proc/self/status").read_text()
        return float(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


class Worker:
    def __init__(self, program: Program, folder: Path) -> None:
        self.program, self.folder = program, folder
        self.tables: dict[str, Any] = {}
        self.responses: dict[str, Any] = {}
        self.refits: dict[str, Any] = {}

    def data(self, name: str) -> Any:
        if name not in self.tables:
            path = self.folder / f"{name}.csv"
            self.tables[name] = self.program.read(path, model(name).factors)
        return self.tables[name]

    def simulated(self, name: str) -> Any:
        import numpy as np

        if name not in self.responses:
            path = self.folder / f"{name}_responses.npy"
            self.responses[name] = np.load(path)  # a row a response
        return self.responses[name]

    def version(self, name: str, repeats: int) -> str:
        return self.program.version()

    def estimates(self, formula: str, data: Any, name: str) -> tuple[float, Any]:
        """Fit, and ask for what a program might put off computing."""
        return self.program.estimates(self.program.fit(formula, data, name))

    def cold(self, name: str, repeats: int) -> str:
        """Fit by a formula that the program has not seen; it has forgotten all else, too."""
        formula, data = model(name).formula, self.data(name)
        seconds: list[float] = []
        while len(seconds) < repeats and sum(seconds) < ENOUGH:
            self.program.forget()
            found, one = times(lambda: self.estimates(new(formula), data, name), 1)
            seconds += one
        return self.answer(found[0], seconds)

    def pandas(self, name: str, repeats: int) -> str:
        """The same, from a table as ``pandas.read_csv`` gives it, factors as text."""
        import pandas as pd

        formula, path = model(name).formula, self.folder / f"{name}.csv"
        data = pd.read_csv(path, dtype=dict.fromkeys(model(name).factors, str))

        def once() -> tuple[float, Any]:
            return self.program.estimates(self.program.from_pandas(new(formula), data, name))

        seconds: list[float] = []
        while len(seconds) < repeats and sum(seconds) < ENOUGH:
            self.program.forget()
            found, one = times(once, 1)
            seconds += one
        return self.answer(found[0], seconds)

    def table(self, name: str, repeats: int) -> str:
        """Fit by a formula seen before to a table not seen before: the rows in another order."""
        formula, data, seconds = model(name).formula, self.data(name), []
        while len(seconds) < repeats and sum(seconds) < ENOUGH:
            other = self.program.shuffled(data, next(fresh))
            found, one = times(lambda other=other: self.estimates(formula, other, name), 1)
            seconds += one
        return self.answer(found[0], seconds)

    def warm(self, name: str, repeats: int) -> str:
        """Fit the same once more."""
        formula, data = model(name).formula, self.data(name)
        found, seconds = times(lambda: self.estimates(formula, data, name), repeats)
        return self.answer(found[0], seconds)

    def refit(self, name: str, repeats: int) -> str:
        data, y = self.data(name), self.simulated(name)
        if name not in self.refits:
            fit = self.program.fit(model(name).formula, data, name)
            self.refits[name] = self.program.refitter(fit, data, name)
        first = self.program.loglik(self.refits[name](y[0]))
        columns, refit = itertools.cycle(y), self.refits[name]
        _, seconds = times(lambda: self.program.estimates(refit(next(columns))), repeats)
        return self.answer(first, seconds)

    def many(self, name: str, repeats: int) -> str:
        """Fit many responses, each at its optimum; log-likelihoods instead of seconds."""
        fit = self.program.fit(model(name).formula, self.data(name), name)
        return self._rate(lambda Y: self.program.many(fit, Y, self.data(name), name), name, repeats)

    def manyp(self, name: str, repeats: int) -> str:
        """The same, and Satterthwaite's and Kenward-Roger's p-value of a term; the latter shown."""
        fit = self.program.fit(model(name).formula, self.data(name), name)
        return self._rate(lambda Y: self.program.many_pvalues(fit, Y, "width"), name, repeats)

    def _rate(self, call: Callable[[Any], Any], name: str, repeats: int) -> str:
        """Answer with responses a second; a program too slow for all gets as many as it can do."""
        Y = self.simulated(name)
        call(Y[:2])
        count, seconds = 2, 0.0
        while seconds < 1.0 and count < repeats:  # more and more, until it takes a second
            count = min(count * 4, repeats, len(Y))
            start = time.perf_counter()
            found = call(Y[:count])
            seconds = time.perf_counter() - start
            if count == len(Y):
                break
        return self.answer(count / seconds, list(found[:200]))

    def kr(self, name: str, repeats: int) -> str:
        data, seconds = self.data(name), []
        while len(seconds) < repeats and sum(seconds) < ENOUGH:
            fit = self.program.fit(model(name).formula, data, name)
            df, one = times(lambda fit=fit: self.program.kenward_roger(fit, data), 1)
            seconds += one
        return self.answer(df[-1], seconds)

    def optimum(self, name: str, repeats: int) -> str:
        """Answer with the log-likelihoods of simulated responses (instead of seconds)."""
        spec, data = model(name), self.data(name)
        logliks, edge = [], 0
        for y in self.simulated(name)[:repeats]:
            fit = self.program.fit(spec.formula, self.program.with_response(data, spec, y), name)
            logliks.append(self.program.loglik(fit))
            with contextlib.suppress(NotImplementedError):
                edge += self.program.on_boundary(fit)
        return self.answer(edge, logliks)

    def size(self, name: str, repeats: int) -> str:
        formula, data = model(name).formula, self.data(name)
        self.program.fit(model("tablets").formula, self.data("tablets"), "tablets")  # imports
        forget_peak()
        before = peak_mb()
        fit, seconds = times(lambda: self.program.fit(formula, data, name), 1)
        memory = peak_mb() - before
        if seconds[0] < ENOUGH:
            fit, seconds = times(lambda: self.program.fit(formula, data, name), repeats)
        return self.answer(self.program.loglik(fit), seconds, memory)

    @staticmethod
    def answer(value: float, numbers: list[float], memory: float = 0.0) -> str:
        return " ".join(repr(float(x)) for x in (value, memory, *numbers))


def main() -> None:
    warnings.simplefilter("ignore")
    answers, sys.stdout = sys.stdout, sys.stderr  # a program may print; only answers go out
    name, folder = sys.argv[1:]
    try:
        worker = Worker(PROGRAMS[name](), Path(folder))
    except ImportError:
        print("absent", file=answers, flush=True)
        return
    for line in sys.stdin:
        task, data, repeats = line.split()
        try:
            reply = getattr(worker, task)(data, int(repeats))
        except NotImplementedError:
            reply = "none"
        except Exception as error:  # what a peer cannot do is a result, not an end
            print(f"{name}, {task} {data}: {error!r}", file=sys.stderr)
            reply = "none"
        print(reply, file=answers, flush=True)


if __name__ == "__main__":
    main()
