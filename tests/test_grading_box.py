"""The box: what submissions may do, what they may not, and that each ends with a report."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import hostile
import pytest
from hostile import CASES, MARKER, NAME, RIGHT, Case

from mixedteach.checks.plain import plain
from mixedteach.grading import box
from mixedteach.grading.box import BoxError, Limits, Outcome
from mixedteach.grading.record import Record, picture, well_formed
from mixedteach.grading.submission import Submission, read

LIMITS = Limits(seconds=25, cell_seconds=12, memory_mb=400, processes=20, disk_mb=40, output_kb=500)
SECRET_VARIABLE = "MIXEDTEACH_TEST_SECRET"


@pytest.fixture(scope="module", autouse=True)
def _a_box() -> None:
    why = box.refusal()
    if why is not None:
        if os.environ.get("MIXEDTEACH_NEED_ALL") == "1":
            pytest.fail(why)
        pytest.skip(why)


@dataclass
class Result:
    """What became of a case."""

    submission: Submission
    outcome: Outcome | None
    secrets: dict[Path, bytes]


def grade(case: Case, course: Path) -> Result:
    """Write, read and run a case."""
    folder = course / "submitted" / "alice" / NAME
    secrets = hostile.plant(course)
    folder.parent.mkdir(parents=True, exist_ok=True)
    case.make(folder)
    submission = read(folder, NAME)
    if not submission.readable:
        return Result(submission, None, secrets)
    sources = [cell.source for cell in submission.cells if cell.kind == "code"]
    limits = replace(LIMITS, **case.limits)
    data = {"planks.csv": b"plank,width\n"}
    return Result(submission, box.run(sources, list(RIGHT), data, folder, limits), secrets)


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _a_box: None
) -> Iterator[dict[str, Future[Result]]]:
    """Run the cases that are asked for, two at a time: boxes must not disturb each other."""
    params = [getattr(item, "callspec", None) for item in request.session.items]
    asked = [
        case for one in params if isinstance(case := getattr(one, "params", {}).get("case"), Case)
    ]
    place = tmp_path_factory.mktemp("courses")
    os.environ[SECRET_VARIABLE] = MARKER
    # a folder of its own: others may run boxes on this machine at the same time
    usual, tempfile.tempdir = tempfile.tempdir, str(tmp_path_factory.mktemp("temporary"))
    with ThreadPoolExecutor(2) as pool:
        yield {
            case.name: pool.submit(grade, case, place / f"course {number}")
            for number, case in enumerate(asked)
        }
    del os.environ[SECRET_VARIABLE]
    assert descendants() == []
    left, tempfile.tempdir = os.listdir(tempfile.tempdir), usual
    assert left == []


def descendants() -> list[str]:
    """Return the commands of the processes started from here that still live."""
    table = subprocess.run(
        ["ps", "-e", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in table.splitlines()]
    family, found = {str(os.getpid())}, []
    for pid, parent, command in sorted(rows, key=lambda row: int(row[0])):
        if parent in family and not command.startswith("ps -e"):
            family.add(pid)
            found.append(command)
    return found


def shown(outcome: Outcome) -> str:
    """Return all that the cells showed, as one text."""
    return str([cell.outputs for cell in outcome.cells])


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_each_submission_gets_what_it_earned(
    case: Case, results: dict[str, Future[Result]]
) -> None:
    result = results[case.name].result()
    submission, outcome = result.submission, result.outcome
    assert submission.readable == case.readable, submission.notes
    answers = outcome.answers if outcome else {}
    right = {name for name, value in RIGHT.items() if answers.get(name) == plain(value)}
    assert right == case.right, outcome
    notes = submission.notes + (outcome.notes if outcome else [])
    for note in case.notes:
        assert any(note in said for said in notes), notes
    assert "full marks" not in str(notes)
    assert not any("\n" in note for note in notes)
    if outcome:
        assert outcome.ended in case.ended, outcome
        for text in case.shown:
            assert text in shown(outcome)
        assert "WORKED" not in shown(outcome), shown(outcome)
        for part in (shown(outcome), str(answers), str(notes)):
            assert MARKER not in part
        kept = sum(len(out.get("text", "")) for cell in outcome.cells for out in cell.outputs)
        assert kept <= LIMITS.output_kb * 1000
        assert set(answers) <= set(RIGHT)
    for path, content in result.secrets.items():
        assert path.read_bytes() == content


def test_there_are_cases_enough_and_their_names_differ() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 34


# -- what a box is good for ------------------------------------------------------------------------


def test_a_model_is_fitted_and_data_win_over_files_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "planks.csv").write_text("mine")
    (tmp_path / "helper.py").write_text("answer = 42")
    cells = [
        "import mixedteach as mt\nfrom helper import answer",
        "m = mt.lmer('humidity ~ width + (1|plank)', mt.load_planks())\nm.nobs",
        "content = open('planks.csv').read()",
    ]
    outcome = box.run(cells, ["m", "content", "answer", "never"], {"planks.csv": b"ours"}, tmp_path)
    assert outcome.ended == "finished"
    assert outcome.answers["m"]["formula"] == "humidity ~ width + (1|plank)"
    assert outcome.answers["content"] == plain("ours")
    assert outcome.answers["answer"] == plain(42)
    assert "never" not in outcome.answers
    assert outcome.cells[1].outputs[0]["data"] == {"text/plain": "300"}
    assert (tmp_path / "planks.csv").read_text() == "mine"


def test_cells_run_as_in_a_notebook() -> None:
    cells = [
        "a = 1\na", "1 / 0", "print('out'); import sys; print('err', file=sys.stderr)", "",
        "await __import__('asyncio').sleep(0)\n_", "a = a + 1", "display(a)", "%%time\nb = a",
    ]  # fmt: skip
    outcome = box.run(cells, ["a", "b"])
    outputs = [cell.outputs for cell in outcome.cells]
    assert outcome.answers == {"a": plain(2), "b": plain(2)}
    assert outputs[0] == [
        {"output_type": "execute_result", "data": {"text/plain": "1"}, "metadata": {},
         "execution_count": 1}
    ]  # fmt: skip
    assert outputs[1] == [
        {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division by zero",
         "traceback": ["cell 2, line 1: 1 / 0", "ZeroDivisionError: division by zero"]}
    ]  # fmt: skip
    assert [out["name"] for out in outputs[2]] == ["stdout", "stderr"]
    assert outputs[4][0]["data"]["text/plain"] == "1"
    assert outputs[6][0]["data"] == {"text/plain": "2"}
    assert "Wall time" in outputs[7][0]["text"]


def test_an_answer_survives_the_cell_that_loses_it() -> None:
    outcome = box.run(["a = 1", "del a", "b = 2", "import os; os._exit(5)", "b = 3"], ["a", "b"])
    assert outcome.answers == {"a": plain(1), "b": plain(2)}
    assert outcome.notes == [
        "the program ended itself in cell 4 (exit code 5); no cell was run after that"
    ]
    assert len(outcome.cells) == 4


def test_a_figure_left_open_is_shown_as_a_clean_picture() -> None:
    outcome = box.run(["import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])"], [])
    (output,) = outcome.cells[0].outputs
    assert base64.b64decode(output["data"]["image/png"]).startswith(b"\x89PNG")
    assert set(output["data"]) == {"image/png", "text/plain"}


def test_servers_of_this_machine_cannot_be_reached() -> None:
    abstract = "\0mixedteach-test"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(abstract)
        unix.listen()
        code = f"""
import socket
worked = 0
for family, address in ((2, ("127.0.0.1", {server.getsockname()[1]})), (1, {abstract!r})):
    with socket.socket(family) as s:
        try:
            s.connect(address)
            worked += 1
        except OSError:
            pass
"""
        assert box.run([code], ["worked"]).answers["worked"] == plain(0)
        assert box.run([code], ["worked"], boxed=False).answers["worked"] == plain(2)


def test_the_walls_show_nothing_of_this_machine() -> None:
    code = """
import os
fds = [f"/proc/self/fd/{n}" for n in range(64)]
fds = [os.readlink(fd) for fd in fds if os.path.lexists(fd)]
files = [f for f in fds if f.startswith("/") and not f.startswith(("/dev/", "/tmp/", "/proc"))]
root = os.getuid() == 0
status = open("/proc/self/status").read()
lines = status.splitlines()
caps = [line.split()[1].strip("0") for line in lines if line[:6] in ("CapPrm", "CapEff", "CapAmb")]
privileges = "NoNewPrivs:\\t1" in status, "Seccomp:\\t2" in status
pids = [int(n) for n in os.listdir("/proc") if n.isdigit()]
few = len(pids) <= 4
command = open("/proc/1/cmdline").read().split("\\0")[1]
host = os.uname().nodename
interfaces = os.listdir("/sys/class/net") if os.path.exists("/sys") else ["lo"]
"""
    names = ["files", "root", "caps", "privileges", "few", "command", "host", "interfaces"]
    found = box.run([code], names)
    wanted = [[], False, [""] * 3, (True, True), True, "--args", "box", ["lo"]]
    expected = {name: plain(value) for name, value in zip(names, wanted, strict=True)}
    assert found.answers == expected, found


def test_a_course_beside_python_is_refused() -> None:
    with pytest.raises(BoxError, match="where Python is"):
        box.run([], [], extra=Path(sys.prefix) / "lib")


def test_a_machine_without_bubblewrap_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_: None)
    box.refusal.cache_clear()
    try:
        assert "bubblewrap" in box.refusal()
        with pytest.raises(BoxError, match="without a box if you trust"):
            box.run(["a = 1"], ["a"])
    finally:
        box.refusal.cache_clear()


def test_a_box_that_cannot_be_set_up_is_not_the_students_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert box.refusal() is None  # tried once, before something breaks
    monkeypatch.setattr(sys, "executable", "/usr/bin/no-such-python")
    with pytest.raises(BoxError, match="could not be set up"):
        box.run([], [])


def test_without_a_box_limits_still_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cells = ["a = 1", "while True: pass", "b = 2", "print('x' * 10**6)", "import os; os._exit(3)"]
    limits = replace(LIMITS, cell_seconds=1, output_kb=10)
    outcome = box.run(cells, ["a", "b"], {}, tmp_path, limits, boxed=False)
    assert outcome.answers == {"a": plain(1), "b": plain(2)}
    assert outcome.ended == "died"
    assert [note[:20] for note in outcome.notes] == [
        "cell 2 was stopped a", "more than 0.01 MB of", "the program ended it"
    ]  # fmt: skip
    assert os.listdir(tmp_path) == []


def test_a_thread_that_grades_may_end_before_others() -> None:
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(box.run(["a = 1"], ["a"])))
    thread.start()
    thread.join()
    assert outcomes[0].ended == "finished"
    assert box.run(["a = 1"], ["a"]).ended == "finished"


# -- what comes out --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "forged",
    [
        None, 1, [], {}, {"kind": "list"}, {"kind": "list", "items": 1}, {"kind": ["number"]},
        {"kind": "number", "value": "1"}, {"kind": "number", "value": True},
        {"kind": "number", "value": 10**400}, {"kind": "word", "value": 1},
        {"kind": "text", "value": None}, {"kind": "dict", "keys": ["a"], "items": []},
        {"kind": "table", "columns": ["a"], "names": [""], "index": ["0"], "rows": [[1, 2]]},
        {"kind": "table", "columns": ["a"], "names": [""], "index": [], "rows": [[1]]},
        {"kind": "model", "formula": "y ~ x"}, {"kind": "picture", "axes": [{}]},
        {"kind": "list", "items": [{"kind": "list", "items": [{"kind": "list", "items": [
            {"kind": "list", "items": [{"kind": "list", "items": [
                {"kind": "list", "items": [{"kind": "nothing"}]}]}]}]}]}]},
    ],
)  # fmt: skip
def test_plain_data_of_a_wrong_shape_are_dropped(forged: object) -> None:
    record = Record(1, frozenset({"a"}), LIMITS)
    record._answer("a", forged)
    assert record.answers == {}
    assert record.notes == ["the answer a could not be read as data in cell 0"]


def test_plain_data_of_each_kind_come_through_unchanged() -> None:
    import matplotlib.pyplot as plt
    import pandas as pd

    import mixedteach as mt

    frame = pd.DataFrame({"a": [1.5, None], ("b", "c"): ["x", "y"]}, index=["r", "s"])
    figure, axes = plt.subplots()
    axes.plot([1, 2], [3, 4], label="line")
    model = mt.lm("humidity ~ width", mt.load_planks())
    for value in (None, ..., True, 1.5, "text", [1, [2]], {"p": 1}, frame, axes, model, object()):
        assert well_formed(plain(value)) == plain(value)
    plt.close(figure)
    assert well_formed({"kind": "number", "value": float("nan")}) == plain(float("nan"))


def test_only_pictures_are_pictures() -> None:
    empty = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    for text in ("", "AAAA", "not base 64", empty, hostile._HUGE_PNG):
        assert picture(text) is None
    assert picture(base64.b64encode(base64.b64decode(hostile._HUGE_PNG)[:-1]).decode()) is None
