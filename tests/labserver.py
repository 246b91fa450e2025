"""Start and end ``mixedteach lab`` as a student does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class LabServer:
    """A running JupyterLab: its address (ending in a slash), token, and the student's folder."""

    url: str
    token: str
    folder: Path
    process: subprocess.Popen[bytes]

    def address(self, path: str = "") -> str:
        """Return the address that opens a file of the folder, ``lessons/README.md``, in JupyterLab.

        Each call gives a page that starts afresh: an earlier page's layout is not restored.
        """
        page = f"lab/tree/{quote(path)}" if path else "lab"
        return f"{self.url}{page}?token={self.token}&reset"

    def contents(self, path: str = "") -> Any:
        """Return what the server knows of a file or folder."""
        page = f"{self.url}api/contents/{quote(path)}?token={self.token}"
        for attempt in range(40):
            try:
                with urlopen(page, timeout=20) as answer:
                    return json.load(answer)
            except HTTPError:  # a file that is just being written cannot be read
                if attempt == 39:
                    raise
                time.sleep(0.1)


def start_lab(folder: Path, private: Path) -> LabServer:
    """Run ``mixedteach lab`` as a student would, with Jupyter's own files in a private folder."""
    private.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HOME": str(private),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "JUPYTER_CONFIG_DIR": str(private / "config"),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "JUPYTERLAB_WORKSPACES_DIR": str(private / "workspaces"),
        "JUPYTERLAB_SETTINGS_DIR": str(private / "settings"),
        "IPYTHONDIR": str(private / "ipython"),
    }
    as_root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    log = private / "log.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mixedteach", "lab", "--dir", str(folder), "--no-browser"),
                *("--", "--port=0", *as_root),
            ],
            cwd=private,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        for file in (private / "runtime").glob("jpserver-*.json"):
            try:
                info = json.loads(file.read_text(encoding="utf-8"))
                server = LabServer(info["url"], info["token"], folder, process)
                server.contents()
                return server
            except (OSError, ValueError):
                pass  # the file is half written, or the server not yet listening
        time.sleep(0.1)
    stop_lab(process)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text(encoding='utf-8')}")


def stop_lab(process: subprocess.Popen[bytes]) -> int:
    """End JupyterLab as Ctrl-C does; return its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
    try:
        return process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
