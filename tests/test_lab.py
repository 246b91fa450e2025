"""`mixedteach lab`: the working copy keeps what a student wrote, and JupyterLab opens in it."""

import json
import os
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

import nbformat
import pytest
from labserver import start_lab, stop_lab

from mixedteach import lab
from mixedteach.cli import main
from mixedteach.errors import MixedTeachError


def notebook(*cells: str, outputs: bool = False) -> str:
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    for number, cell in enumerate(nb.cells):
        cell.id = f"cell-{number}"
        if outputs:
            cell.outputs = [nbformat.v4.new_output("stream", text="1\n")]
            cell.execution_count = number + 1
    return nbformat.writes(nb)


@pytest.fixture
def package(tmp_path: Path, monkeypatch) -> Path:
    """Stand in for the packaged lessons, so that a newer version can be played."""
    lessons = tmp_path / "package" / "lessons"
    lessons.mkdir(parents=True)
    (lessons / "01_first.ipynb").write_text(notebook("1 + 1", "2"), encoding="utf-8")
    (lessons / "02_second.ipynb").write_text(notebook("3"), encoding="utf-8")
    (lessons / "README.md").write_text("read me\n", encoding="utf-8")
    (lessons / ".hidden").write_text("", encoding="utf-8")
    (tmp_path / "package" / "exercises").mkdir()
    monkeypatch.setattr(lab, "resource", lambda name: tmp_path / "package" / name)
    return lessons


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mein Kürs"


def contents(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text(encoding="utf-8") for p in (folder / "lessons").iterdir()}


def test_first_copy(package, folder):
    done = lab.copy(folder)
    assert done.added == ["lessons/01_first.ipynb", "lessons/02_second.ipynb", "lessons/README.md"]
    originals = contents(package.parent)
    del originals[".hidden"]
    assert contents(folder) == originals
    assert any("3 files copied" in line for line in done.report())


def test_nothing_new_changes_nothing(package, folder):
    lab.copy(folder)
    own = folder / "lessons" / "01_first.ipynb"
    own.write_text(notebook("1 + 1", "2", outputs=True), encoding="utf-8")
    (folder / "lessons" / "README.md").write_text("my words", encoding="utf-8")
    before = contents(folder)
    done = lab.copy(folder)
    assert (done.added, done.updated, done.beside) == ([], [], {})
    assert done.kept == ["lessons/README.md"]
    assert "1 file changed by you: kept." in done.report()
    assert contents(folder) == before


@pytest.mark.parametrize("was_run", [False, True])
def test_an_unchanged_notebook_is_brought_up_to_date(package, folder, was_run):
    lab.copy(folder)
    own = folder / "lessons" / "01_first.ipynb"
    if was_run:
        own.write_text(notebook("1 + 1", "2", outputs=True), encoding="utf-8")
    newer = notebook("1 + 1", "2", "print('newer')")
    (package / "01_first.ipynb").write_text(newer, encoding="utf-8")
    assert lab.copy(folder).updated == ["lessons/01_first.ipynb"]
    assert own.read_text(encoding="utf-8") == newer
    assert lab.copy(folder).updated == []


def test_other_outputs_alone_are_brought_too(package, folder):
    lab.copy(folder)
    newer = notebook("3", outputs=True)
    (package / "02_second.ipynb").write_text(newer, encoding="utf-8")
    assert lab.copy(folder).updated == ["lessons/02_second.ipynb"]
    assert contents(folder)["02_second.ipynb"] == newer


def test_a_changed_notebook_is_kept_and_the_new_one_put_beside_once(package, folder):
    lab.copy(folder)
    mine = notebook("1 + 1", "my_guess = 2")
    own = folder / "lessons" / "01_first.ipynb"
    own.write_text(mine, encoding="utf-8")
    for version, name in [("2.0", "01_first (new).ipynb"), ("3.0", "01_first (new 2).ipynb")]:
        newer = notebook("1 + 1", version)
        (package / "01_first.ipynb").write_text(newer, encoding="utf-8")
        done = lab.copy(folder)
        assert done.beside == {"lessons/01_first.ipynb": name}
        assert any(name in line for line in done.report())
        assert contents(folder)[name] == newer
        assert lab.copy(folder).beside == {}
        assert own.read_text(encoding="utf-8") == mine
    # taking the change back makes it an unchanged notebook again
    own.write_text(notebook("1 + 1", "2"), encoding="utf-8")
    assert lab.copy(folder).updated == ["lessons/01_first.ipynb"]


def test_a_deleted_file_stays_away_and_a_new_one_comes(package, folder):
    lab.copy(folder)
    (folder / "lessons" / "02_second.ipynb").unlink()
    (package / "03_third.ipynb").write_text(notebook("4"), encoding="utf-8")
    done = lab.copy(folder)
    assert done.added == ["lessons/03_third.ipynb"]
    assert "1 file deleted by you: left out (--fresh brings all)." in done.report()
    assert "02_second.ipynb" not in contents(folder)


def test_what_is_opened_first(package, folder):
    lab.copy(folder)
    assert lab.first_page(folder) == "lessons/README.md"
    (folder / "lessons" / "README.md").unlink()
    assert lab.first_page(folder) == "lessons/01_first.ipynb"
    assert lab.first_page(folder / "nowhere") == ""


def test_fresh_is_a_new_complete_folder(package, folder, capsys):
    assert main(["lab", "--copy-only", "--dir", str(folder)]) == 0
    (folder / "lessons" / "README.md").write_text("mine", encoding="utf-8")
    (folder / "lessons" / "02_second.ipynb").unlink()
    assert main(["lab", "--copy-only", "--fresh", "--dir", str(folder)]) == 0
    other = folder.with_name(f"{folder.name}-2")
    assert contents(other)["README.md"] == "read me\n"
    assert "02_second.ipynb" in contents(other)
    assert contents(folder)["README.md"] == "mine"
    assert f'mixedteach lab --dir "{other}"' in capsys.readouterr().out


@pytest.mark.parametrize("spoilt", ["", "{", "[]", '{"files": 1}', '{"files": {"a": 1}}'])
def test_without_a_record_what_differs_counts_as_the_students(package, folder, spoilt):
    lab.copy(folder)
    (folder / lab.RECORD).write_text(spoilt, encoding="utf-8")
    (folder / "lessons" / "README.md").write_text("mine", encoding="utf-8")
    done = lab.copy(folder)
    assert done.beside == {"lessons/README.md": "README (new).md"}
    assert contents(folder)["README.md"] == "mine"
    assert lab.copy(folder).beside == {}


def test_a_broken_notebook_is_kept(package, folder):
    lab.copy(folder)
    own = folder / "lessons" / "01_first.ipynb"
    own.write_text("{", encoding="utf-8")
    (package / "01_first.ipynb").write_text(notebook("new"), encoding="utf-8")
    assert lab.copy(folder).beside
    assert own.read_text(encoding="utf-8") == "{"


def test_line_ends_are_not_a_change(package, folder):
    lab.copy(folder)
    (folder / "lessons" / "README.md").write_bytes(b"read me\r\n")
    (package / "README.md").write_text("read me again\n", encoding="utf-8")
    assert lab.copy(folder).updated == ["lessons/README.md"]


def test_the_originals_are_refused(package, capsys):
    assert main(["lab", "--copy-only", "--dir", str(package.parent)]) == 2
    assert "the originals" in capsys.readouterr().err


def test_a_file_in_the_way(package, tmp_path):
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    with pytest.raises(MixedTeachError, match=r"is a file; choose another folder with --dir"):
        lab.copy(file)
    with pytest.raises(MixedTeachError, match=r"cannot be copied to .* with --dir"):
        lab.copy(file / "below")


def test_the_real_lessons_are_copied(tmp_path):
    done = lab.copy(tmp_path)
    assert lab.START in done.added
    assert "exercises/07_beech_planks.ipynb" in done.added


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert lab.default_folder() == tmp_path / "mixedteach-course"
    assert lab.fresh_folder(lab.default_folder()) == lab.default_folder()


def test_without_jupyterlab(package, folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", None)
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    assert main(["lab", "--dir", str(folder)]) == 2
    error = capsys.readouterr().err
    assert "JupyterLab is not installed" in error
    assert "pip install jupyterlab" in error


def test_what_follows_two_dashes_is_for_jupyterlab(package, folder, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(lab, "start", lambda *args, **kwargs: calls.append((args, kwargs)) or 0)
    assert main(["lab", "--dir", str(folder), "--no-browser", "--", "--port", "9000"]) == 0
    assert calls == [((folder,), {"browser": False, "extra": ["--port", "9000"]})]
    with pytest.raises(SystemExit):
        main(["reproduce", "--", "--port"])
    assert "only 'mixedteach lab'" in capsys.readouterr().err


def test_help_says_what_happens_to_a_students_work(capsys):
    with pytest.raises(SystemExit):
        main(["lab", "--help"])
    said = capsys.readouterr().out
    assert said.isascii()
    for words in ("files you have changed stay", "deleted stay away", "-- --port 9000"):
        assert words in said


# -- JupyterLab itself -----------------------------------------------------------------------------


def test_jupyterlab_serves_the_copy(lab_server):
    names = {entry["name"] for entry in lab_server.contents("lessons")["content"]}
    assert {path.name for path in (lab_server.folder / "lessons").iterdir()} == names
    assert "README.md" in names


@pytest.mark.skipif(os.name != "posix", reason="signals and process groups of POSIX")
def test_ctrl_c_ends_it_and_its_kernels(tmp_path):
    server = start_lab(tmp_path / "copy", tmp_path / "private")
    body = json.dumps({"name": "python3"}).encode()
    ask = Request(f"{server.url}api/kernels?token={server.token}", data=body, method="POST")
    with urlopen(ask, timeout=20) as answer:
        assert json.load(answer)["name"] == "python3"
    with urlopen(f"{server.url}api/kernelspecs?token={server.token}", timeout=20) as answer:
        spec = json.load(answer)["kernelspecs"]["python3"]["spec"]
    assert spec["argv"][0] in ("python", sys.executable)  # "python" stands for the server's own
    children = _children(server.process.pid)
    assert children
    assert stop_lab(server.process) == 0
    until = time.monotonic() + 10  # a kernel that is just starting notices a little later
    while any(map(_alive, children)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(_alive, children))
    log = (tmp_path / "private" / "log.txt").read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert f"token={server.token}" in log  # the address was printed


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if not listed.exists():
        pytest.skip("needs Linux's /proc")
    return [int(child) for child in listed.read_text().split()]


def _alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


EXPLORER = """
from mixedteach.explore._base import Explorer, Picture, Slider

class Dot(Picture):
    def __init__(self, figure):
        super().__init__(figure)
        (self.dot,) = figure.add_subplot(xlim=(0, 9), ylim=(0, 9)).plot([1], [1], "o")
        self.moving(self.dot)

    def update(self, answer):
        self.dot.set_data([answer["x"]], [answer["x"]])

Explorer(question="Where?", controls={"x": Slider("x", 0, 9, 1, 3)},
         answer=lambda x: {"x": x}, picture=Dot, words=lambda answer: f"At {answer['x']}.")
"""


def test_start_page_is_a_rendered_readme(lab_server, browser):
    page = browser.new_page()
    page.goto(lab_server.address(lab.START))
    page.wait_for_selector(".jp-RenderedMarkdown h1", timeout=60_000)
    assert "Lessons" in page.inner_text(".jp-RenderedMarkdown h1")
    page.close()


def test_an_explorer_run_and_saved_shows_its_picture_when_opened_again(lab_server, browser):
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(EXPLORER)])
    nb.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nb, lab_server.folder / "explorer.ipynb")
    picture = ".jp-OutputArea-output img"

    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(lab_server.address("explorer.ipynb"))
    page.wait_for_selector(".jp-Notebook", timeout=60_000)
    page.wait_for_selector("text=Python 3 (ipykernel) | Idle", timeout=60_000)
    page.click(".jp-CodeCell .jp-Editor")
    page.keyboard.press("Shift+Enter")
    page.wait_for_selector(picture, timeout=60_000)
    page.keyboard.press("Control+s")
    until = time.monotonic() + 20
    while "widgets" not in lab_server.contents("explorer.ipynb")["content"]["metadata"]:
        assert time.monotonic() < until, "the notebook was not saved with its widgets' state"
        page.wait_for_timeout(200)
    # at each press the page would ask the server for another icon of its tab, twice
    assert not [address for address in asked if "favicon-busy" in address]
    page.close()

    sessions = f"{lab_server.url}api/sessions"
    with urlopen(f"{sessions}?token={lab_server.token}", timeout=20) as answer:
        for session in json.load(answer):
            if session["path"] == "explorer.ipynb":
                end = f"{sessions}/{session['id']}?token={lab_server.token}"
                urlopen(Request(end, method="DELETE"), timeout=20).close()

    page = browser.new_page()
    page.goto(lab_server.address("explorer.ipynb"))
    page.wait_for_selector(picture, timeout=60_000)
    assert "model not found" not in page.inner_text(".jp-Notebook")
    assert page.evaluate(f"document.querySelector('{picture}').naturalWidth") > 500
    page.close()
