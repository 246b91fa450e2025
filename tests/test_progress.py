"""A bar where a person waits, and nowhere else; an interrupt ends the work and all processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import mixedteach as mt
from mixedteach.fitting import blocks
from mixedteach.fitting.crossed import CrossedMoments

SLOW = """
import time
from mixedteach.progress import progress
with progress(30, "counting") as bar:
    for _ in range(30):
        time.sleep(0.06)
        bar.update()
print("done")
"""
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")


def in_terminal(code: str) -> str:
    """Run a program in a pseudo-terminal of 80 columns and return what it shows."""
    import fcntl
    import pty
    import struct
    import termios

    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=child, stderr=child)
    os.close(child)
    shown = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:  # Linux says so at the end
            part = b""
        if not part:
            break
        shown += part
    os.close(parent)
    assert process.wait() == 0
    return shown.decode()


@posix
def test_a_terminal_shows_a_bar_after_a_second_and_nothing_is_left() -> None:
    shown = in_terminal(SLOW)
    assert "counting" in shown
    counts = [int(part.split("/30")[0].split()[-1]) for part in shown.split("\r") if "/30" in part]
    assert min(counts) >= 14  # a second had passed
    assert shown.split("\r")[-3].strip() == ""  # wiped, before "done"
    assert "counting" not in in_terminal(SLOW.replace("0.06", "0.01"))


def test_a_file_or_pipe_gets_no_bar() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SLOW], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout.strip(), done.stderr) == ("done", "")


def outputs(code: str, person: bool) -> list[str]:
    """Run a cell in a kernel, as a browser does (`person`) or as nbval and nbconvert do."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel()
    seen = []
    try:
        client.execute_interactive(
            code, allow_stdin=person, timeout=60, output_hook=lambda m: seen.append(m["msg_type"])
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return seen


def test_a_live_notebook_shows_a_bar_but_one_run_by_a_program_does_not() -> None:
    code = SLOW.replace('print("done")', "")
    assert "display_data" in outputs(code, person=True)
    assert set(outputs(code, person=False)) <= {"status", "execute_input"}


# -- Ctrl-C ----------------------------------------------------------------

POWER = """
import os, signal, threading, time
import psutil
import mixedteach as mt

if __name__ == "__main__":
    m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())

    def interrupt():
        while not any("LokyProcess" in " ".join(p.cmdline()) for p in psutil.Process().children()):
            time.sleep(0.05)
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    try:
        mt.power_curve(m, "method", {"tablet": [10, 20]}, method="simulation", replicates=10**6,
                       n_jobs=2, seed=1)
    except KeyboardInterrupt:
        print("interrupted")
    left = [p for p in psutil.Process().children(recursive=True)
            if "LokyProcess" in " ".join(p.cmdline())]
    print(len(left), "left")
"""


@posix
def test_ctrl_c_ends_the_processes_of_a_power_analysis(tmp_path) -> None:
    script = tmp_path / "power.py"
    script.write_text(POWER)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split("\n")[:2] == ["interrupted", "0 left"], done.stderr


def test_an_interrupted_fit_leaves_the_model_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MANY", 1)
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 40, 400), rng.integers(0, 15, 400)
    y = rng.normal(size=40)[a] + rng.normal(size=15)[b] + rng.normal(size=400)
    model = mt.lmer("y ~ 1 + (1|a) + (1|b)", pd.DataFrame({"y": y, "a": a, "b": b}))
    before = str(model.summary())
    plain, calls = CrossedMoments.at, []

    def at(self, D, derivatives=True):
        calls.append(derivatives)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return plain(self, D, derivatives)

    monkeypatch.setattr(CrossedMoments, "at", at)
    with pytest.raises(KeyboardInterrupt):
        model.refit(y[::-1])
    monkeypatch.setattr(CrossedMoments, "at", plain)
    assert str(model.summary()) == before
    assert model.refit(y).llf == pytest.approx(model.llf, abs=1e-9)
