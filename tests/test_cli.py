"""The command `mixedteach`: every number of the lecture, exit codes, and words for mistakes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mixedteach
from mixedteach.cli import main
from mixedteach.paths import resource
from mixedteach.reproduce import ANALYSES, agrees, reproduce

ROOT = Path(mixedteach.__file__).resolve().parents[1]
NUMBERS = json.loads(resource("course", "slide_numbers.json").read_text(encoding="utf-8"))
SECTIONS = ["paired t-test", "blocked ANOVA", "mixed model", "missing values"]


@pytest.fixture(scope="module")
def groups():
    return reproduce()


@pytest.fixture
def altered(tmp_path):
    """Return a function that writes the lecture's numbers with one of them changed."""

    def write(quantity, printed):
        entries = [dict(entry) for entry in NUMBERS["numbers"]]
        entry = next(entry for entry in entries if entry["quantity"] == quantity)
        entry["printed"] = printed
        path = tmp_path / "numbers.json"
        path.write_text(json.dumps({"numbers": entries}), encoding="utf-8")
        return str(path)

    return write


def away(tmp_path, *words, **environment):
    """Run the command in its own process, in a folder that is not the clone."""
    return subprocess.run(
        [sys.executable, "-m", "mixedteach", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        timeout=300,
    )


def test_all_113_numbers_agree(groups):
    comparisons = [c for group in groups for c in group.comparisons]
    assert len(comparisons) == len(NUMBERS["numbers"]) == 113
    assert [(c.quantity, c.printed, c.value) for c in comparisons if not c.agrees] == []


def test_every_expression_belongs_to_a_number():
    expected = {(e["section"], e["analysis"], e["quantity"]) for e in NUMBERS["numbers"]}
    ours = {(a.section, a.analysis, quantity) for a in ANALYSES for quantity in a.numbers}
    assert ours == expected


@pytest.mark.filterwarnings("ignore:10 of 40 rows:mixedteach.MixedTeachWarning")
def test_each_group_runs_by_itself_as_printed(groups):
    for group in groups:
        names = {}
        exec("import mixedteach as mt\n" + group.code, names)
        assert [float(eval(c.expression, names)) for c in group.comparisons] == [
            c.value for c in group.comparisons
        ]


@pytest.mark.parametrize(
    ("value", "printed", "same"),
    [
        (9666.5739, "9666.573", True),
        (0.6055, "0.6054", True),
        (0.60551, "0.6054", False),
        (-0.07211084, "-0.07211099", False),  # 2.1e-6 of its size
        (-0.07211086, "-0.07211099", True),
        (9.4, "9", False),  # whole numbers are exact
        (float("nan"), "0.29", False),
    ],
)
def test_tolerance(value, printed, same):
    assert agrees(value, printed) is same


def test_report(capsys):
    assert main(["reproduce"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[-1] == "113 of 113 numbers agree"
    places = [lines.index(section.upper()) for section in SECTIONS]
    assert places == sorted(places)
    for analysis in ANALYSES:
        assert f"\n{analysis.analysis}\n" in out
        assert all(f"  >>> {line}\n" in out for line in analysis.code.splitlines())
    assert sum(line.startswith("  ok ") for line in lines) == 113
    assert "DIFFERS" not in out
    assert out.isascii()
    assert max(map(len, lines)) <= 100


def test_a_number_that_differs(altered, capsys):
    assert main(["reproduce", "--numbers", altered("methodhplc SE", "0.09439")]) == 1
    out = capsys.readouterr().out
    (line,) = (line for line in out.splitlines() if "DIFFERS" in line)
    assert "methodhplc SE" in line
    assert "0.09439" in line
    assert "0.09339" in line
    assert out.endswith("112 of 113 numbers agree\n")


def test_quiet(altered, capsys):
    assert main(["reproduce", "--quiet"]) == 0
    assert capsys.readouterr().out == "113 of 113 numbers agree\n"
    assert main(["reproduce", "--quiet", "--numbers", altered("tablet variance", "0.0899")]) == 1
    out = capsys.readouterr().out
    assert "mixed model: lmer(" in out
    assert "tablet variance" in out
    assert ">>>" not in out
    assert "  ok " not in out


def test_a_number_that_nothing_computes(altered, tmp_path, capsys):
    path = tmp_path / "more.json"
    entry = {"section": "power", "analysis": "new", "quantity": "power", "printed": "0.8"}
    path.write_text(json.dumps({"numbers": [entry]}), encoding="utf-8")
    assert main(["reproduce", "--numbers", str(path)]) == 1
    assert "0 of 1 numbers agree" in capsys.readouterr().out


def test_section(capsys):
    assert main(["reproduce", "--section", "mixed model"]) == 0
    out = capsys.readouterr().out
    assert "20 of 20 numbers agree" in out
    assert "MISSING VALUES" not in out
    assert main(["reproduce", "--section", "Paired", "--quiet"]) == 0
    assert capsys.readouterr().out == "9 of 9 numbers agree\n"


def test_unknown_section(capsys):
    assert main(["reproduce", "--section", "mixed modell"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("mixedteach: ")
    assert "Did you mean 'mixed model'?" in error


def test_json(capsys):
    assert main(["reproduce", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["agree"] == answer["total"] == len(answer["numbers"]) == 113
    for ours, printed in zip(answer["numbers"], NUMBERS["numbers"], strict=True):
        assert printed.items() <= ours.items()
        assert ours["agrees"] is True
        assert ours["code"].startswith("import mixedteach as mt\n")


@pytest.mark.parametrize("text", ["{", "[]", '{"numbers": [{"quantity": "t"}]}'])
def test_a_file_in_another_form(text, tmp_path, capsys):
    path = tmp_path / "numbers.json"
    path.write_text(text, encoding="utf-8")
    assert main(["reproduce", "--numbers", str(path)]) == 2
    assert "is not in the form of course/slide_numbers.json" in capsys.readouterr().err


def test_a_file_that_is_not_there(tmp_path, capsys):
    assert main(["reproduce", "--numbers", str(tmp_path / "none.json")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"mixedteach {mixedteach.__version__}\n"


def test_unknown_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["reproduse"])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "reproduse" in error
    assert "choose from" in error


def test_no_command_prints_the_help(capsys):
    assert main([]) == 0
    assert "reproduce" in capsys.readouterr().out


def test_from_another_folder_on_a_narrow_console(tmp_path):
    # cp437 is what an old Windows console can print; strict, so that anything else would fail.
    run = away(tmp_path, "reproduce", PYTHONIOENCODING="cp437:strict")
    assert run.returncode == 0, run.stderr
    assert run.stderr == b""
    assert run.stdout.split(b"\n")[-2].rstrip() == b"113 of 113 numbers agree"


def test_names_that_the_console_cannot_print(tmp_path):
    run = away(tmp_path, "reproduce", "--numbers", "przykład.json", PYTHONIOENCODING="ascii")
    assert run.returncode == 2
    assert b"Traceback" not in run.stderr
    assert b"przyk\\u0142ad.json" in run.stderr


def test_version_does_not_load_the_libraries(tmp_path):
    code = (
        "import sys\nfrom mixedteach.cli import main\n"
        "try: main(['--version'])\nexcept SystemExit: pass\n"
        "assert not {'numpy', 'pandas', 'scipy'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=60,
    )


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_a_reader_that_stops_early(tmp_path):
    run = subprocess.run(
        f'"{sys.executable}" -m mixedteach reproduce | head -n 1',
        shell=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=300,
    )
    assert b"Traceback" not in run.stderr


def test_help_names_every_command(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert out.isascii()
    first_words = {line.split()[0] for line in out.splitlines() if line.strip()}
    assert {"reproduce", "slides", "lab", "exercises", "grade"} <= first_words


@pytest.mark.parametrize("command", ["slides", "lab", "exercises", "grade"])
def test_help_of_a_command_is_quick(command, tmp_path):
    code = (
        "import sys\nfrom mixedteach.cli import main\n"
        f"try: main(['{command}', '--help'])\nexcept SystemExit: pass\n"
        "assert not {'pandas', 'nbconvert', 'jupyterlab'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lab", "3"], "mixedteach lab -- --port 9000"),
        (["lab", "--port", "9000"], "two dashes: mixedteach lab -- --port 9000"),
        (["slides", "--oot"], "it does not know: --oot"),
        (["--foo"], "'mixedteach --help' says what it takes"),
    ],
)
def test_words_that_mean_nothing(words, said, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_help_of_slides_has_examples(capsys):
    with pytest.raises(SystemExit):
        main(["slides", "--help"])
    out = capsys.readouterr().out
    assert all(word in out for word in ("examples:", "?print-pdf", "fragment", "beech"))
    assert max(map(len, out.splitlines())) <= 100


NOTEBOOKS = ROOT / "tools" / "notebooks.py"


@pytest.mark.skipif(not NOTEBOOKS.is_file(), reason="not in a clone")
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("\nraise ValueError('no')", "cell 2 (raise ValueError('no')) ended in an error:"),
        ("import warnings\nwarnings.warn('no')", "cell 2 (import warnings) warned:"),
        (None, "There is no notebook"),
    ],
)
def test_notebooks_are_refused_in_plain_words(source, said, tmp_path):
    import nbformat

    path = tmp_path / "a.ipynb"
    if source is not None:
        cells = [nbformat.v4.new_markdown_cell("# A"), nbformat.v4.new_code_cell(source)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    run = subprocess.run(
        [sys.executable, NOTEBOOKS, path], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 1
    assert said in run.stderr
    assert "\x1b" not in run.stderr
    assert "tools" not in run.stderr  # no traceback of ours
    assert "eavesdropping" not in run.stderr
