"""What several tests share: a browser, and a running JupyterLab with the lessons."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from labserver import LabServer, start_lab, stop_lab

CHROMIUM_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def chromium() -> str | None:
    """Return the program of a Chromium on this machine."""
    asked = os.environ.get("MIXEDTEACH_CHROMIUM")
    names = [asked] if asked else ["chromium", "chromium-browser", "google-chrome"]
    return next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Return a Chromium, steered by playwright's synchronous interface."""
    program = chromium()
    if program is None:
        why = "no Chromium found: install one, or name it in MIXEDTEACH_CHROMIUM"
        if os.environ.get("MIXEDTEACH_NEED_ALL") == "1":
            pytest.fail(why)
        pytest.skip(why)
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=CHROMIUM_ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """Return a JupyterLab in a working copy of the lessons (``folder / "lessons"``)."""
    place = tmp_path_factory.mktemp("lab")
    server = start_lab(place / "mein Kürs", place / "private")
    yield server
    stop_lab(server.process)
