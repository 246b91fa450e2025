"""The data sets: what is in them, that nobody changed them, and what the planks share."""

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mixedteach import datasets
from mixedteach.datasets import DATASETS
from mixedteach.errors import DataError
from mixedteach.paths import resource

FOLDER = Path(__file__).resolve().parents[1] / "datasets"
FACTS = json.loads((FOLDER / "planks_facts.json").read_text(encoding="utf-8"))
ROWS = {
    "tablets": 20,
    "tablets_missing": 40,
    "oats": 72,
    "sleepstudy": 180,
    "penicillin": 144,
    "machines": 54,
    "orthodont": 108,
    "planks": 300,
}
# The first level is the reference level of the stored R results.
LEVELS = {
    ("tablets", "method"): ["nir", "hplc"],
    ("tablets", "tablet"): [str(i) for i in range(1, 11)],
    ("tablets_missing", "method"): ["nir", "hplc"],
    ("tablets_missing", "tablet"): [str(i) for i in range(1, 21)],
    ("oats", "block"): ["I", "II", "III", "IV", "V", "VI"],
    ("oats", "variety"): ["Golden.rain", "Marvellous", "Victory"],
    ("oats", "nitrogen"): ["0.0cwt", "0.2cwt", "0.4cwt", "0.6cwt"],
    ("orthodont", "Sex"): ["Male", "Female"],
    ("orthodont", "Subject"): [f"F{i:02}" for i in range(1, 12)]
    + [f"M{i:02}" for i in range(1, 17)],
    ("machines", "Machine"): ["A", "B", "C"],
    ("machines", "Worker"): ["1", "2", "3", "4", "5", "6"],
    ("penicillin", "plate"): list("abcdefghijklmnopqrstuvwx"),
    ("penicillin", "sample"): list("ABCDEF"),
    ("planks", "plank"): [str(i) for i in range(1, 21)],
    ("planks", "width"): ["1", "2", "3"],
    ("planks", "depth"): ["1", "3", "5", "7", "9"],
}


def load(name: str) -> pd.DataFrame:
    return getattr(datasets, f"load_{name}")()


# --- What is in them ------------------------------------------------------------------------


def test_the_registry_knows_every_file_and_loader():
    assert {path.name for path in FOLDER.glob("*.csv")} == {e.file for e in DATASETS.values()}
    assert datasets.__all__ == sorted(f"load_{name}" for name in DATASETS)


@pytest.mark.parametrize("name", DATASETS)
def test_columns_types_and_attributes(name):
    frame, entry = load(name), DATASETS[name]
    assert len(frame) == ROWS[name]
    assert list(frame) == list(entry.columns)
    for column, kind in entry.columns.items():
        if kind.levels is None:
            assert pd.api.types.is_numeric_dtype(frame[column])
            assert kind.unit
        else:
            assert isinstance(frame[column].dtype, pd.CategoricalDtype)
            assert not frame[column].dtype.ordered
            assert set(frame[column].cat.categories) == set(frame[column])
    assert frame.attrs["name"] == name
    assert frame.attrs["source"] == entry.source
    assert frame.attrs["licence"] == entry.licence
    assert frame.attrs["note"] == entry.note
    assert frame.attrs["units"] == {c: kind.unit for c, kind in entry.columns.items()}
    assert frame.isna().sum().sum() == (10 if name == "tablets_missing" else 0)


@pytest.mark.parametrize(("name", "column"), LEVELS)
def test_level_order(name, column):
    assert list(load(name)[column].cat.categories) == LEVELS[name, column]


@pytest.mark.parametrize("name", DATASETS)
def test_readme_and_docstring_name_every_column_and_unit(name):
    entry = DATASETS[name]
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    docstring = getattr(datasets, f"load_{name}").__doc__
    assert f"`{entry.file}`" in readme
    for column, kind in entry.columns.items():
        assert f"| `{column}` |" in readme
        assert f"``{column}``" in docstring
        assert kind.unit in docstring
        if kind.unit:
            assert f"| {kind.unit} |" in readme
        for level in kind.levels or ():
            assert f'"{level}"' in docstring or column == "block"


def test_every_call_returns_a_fresh_copy():
    first = datasets.load_tablets()
    first.loc[:, "content"] = 0.0
    first.attrs["units"]["content"] = "kg"
    second = datasets.load_tablets()
    assert second["content"].min() > 9
    assert second.attrs["units"]["content"] == "%"


@pytest.mark.parametrize("name", ["tablets", "tablets_missing"])
def test_wide_is_the_same_readings(name):
    loader = getattr(datasets, f"load_{name}")
    wide, long = loader(wide=True), loader()
    assert list(wide) == ["tablet", "nir", "hplc"]
    assert list(wide["tablet"].astype(str)) == list(long["tablet"].cat.categories)
    assert wide.attrs["units"] == {"tablet": "", "nir": "%", "hplc": "%"}
    assert wide.attrs["source"] == long.attrs["source"]
    wide["difference"] = wide["hplc"] - wide["nir"]  # a categorical header would refuse this
    again = wide.melt("tablet", value_vars=["nir", "hplc"], var_name="method", value_name="content")
    key = ["tablet", "method"]
    merged = long.astype({"method": str}).merge(again.astype({"method": str}), on=key)
    assert len(merged) == len(long)
    pd.testing.assert_series_equal(merged["content_x"], merged["content_y"], check_names=False)


def test_wide_gives_the_paired_differences_of_the_lecture():
    wide = datasets.load_tablets(wide=True)
    difference = wide["hplc"] - wide["nir"]
    assert difference.mean() == pytest.approx(-0.05)
    assert difference.var() == pytest.approx(0.08722222, abs=1e-8)


# --- That nobody changed them ---------------------------------------------------------------


@pytest.mark.parametrize("entry", DATASETS.values(), ids=DATASETS)
def test_checksums(entry):
    text = (FOLDER / entry.file).read_bytes().replace(b"\r\n", b"\n")
    assert hashlib.sha256(text).hexdigest() == entry.sha256


def use_folder(monkeypatch, folder: Path) -> None:
    monkeypatch.setattr(datasets, "resource", lambda *parts: folder.joinpath(*parts[1:]))


def test_windows_newlines_are_no_change(monkeypatch, tmp_path):
    expected = datasets.load_oats()
    text = (FOLDER / "oats.csv").read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    (tmp_path / "oats.csv").write_bytes(text)
    use_folder(monkeypatch, tmp_path)
    pd.testing.assert_frame_equal(datasets.load_oats(), expected)


def test_a_changed_reading_is_refused(monkeypatch, tmp_path):
    text = (FOLDER / "oats.csv").read_text(encoding="utf-8")
    (tmp_path / "oats.csv").write_text(text.replace("111", "112", 1), encoding="utf-8")
    use_folder(monkeypatch, tmp_path)
    with pytest.raises(DataError, match=r"oats\.csv was changed"):
        datasets.load_oats()


def test_a_missing_file_says_what_to_do():
    with pytest.raises(DataError, match=r"'datasets/none\.csv' is not part of this installation"):
        resource("datasets", "none.csv")


def test_importing_the_data_is_light():
    code = (
        "import sys, mixedteach.datasets;"
        "heavy = {'pooch', 'requests', 'scipy', 'statsmodels', 'matplotlib'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=FOLDER.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


# --- What the reconstructed planks share with the original ----------------------------------


@pytest.fixture(scope="module")
def humidity() -> np.ndarray:
    """Humidity as plank x width x depth."""
    frame = datasets.load_planks()
    wide = frame.pivot(index="plank", columns=["width", "depth"], values="humidity")
    return wide.sort_index(axis=1).to_numpy().reshape(20, 3, 5)


def sums_of_squares(y: np.ndarray) -> dict[str, float]:
    """Return the sums of squares of the balanced three-way layout, from means."""
    grand = y.mean()
    plank = y.mean((1, 2), keepdims=True) - grand
    width = y.mean((0, 2), keepdims=True) - grand
    depth = y.mean((0, 1), keepdims=True) - grand
    plank_width = y.mean(2, keepdims=True) - grand - plank - width
    plank_depth = y.mean(1, keepdims=True) - grand - plank - depth
    width_depth = y.mean(0, keepdims=True) - grand - width - depth
    effects = {
        "plank": plank,
        "width": width,
        "depth": depth,
        "plank_width": plank_width,
        "plank_depth": plank_depth,
        "width_depth": width_depth,
    }
    effects["residual"] = y - grand - sum(effects.values())
    return {name: (np.broadcast_to(e, y.shape) ** 2).sum() for name, e in effects.items()}


def test_planks_have_the_means_of_the_original(humidity):
    expected = [FACTS["cell_means"][cell] for cell in FACTS["cell_order"]]
    np.testing.assert_allclose(humidity.mean(0).ravel(), expected, atol=1e-9)


def test_planks_have_the_covariance_of_the_original(humidity):
    expected = FACTS["covariance_between_cells_over_planks"]
    np.testing.assert_allclose(np.cov(humidity.reshape(20, 15).T), expected, atol=1e-9)


def test_planks_have_the_sums_of_squares_of_the_original(humidity):
    found = sums_of_squares(humidity)
    assert found.keys() == FACTS["sums_of_squares"].keys()
    for name, expected in FACTS["sums_of_squares"].items():
        assert found[name] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("effect", "error", "expected"),
    [
        # Mean squares divided by hand: (23.9392667 / 2) / (62.8140667 / 38), and so on.
        ("width", "plank_width", (7.241149806, 2, 38)),
        ("depth", "plank_depth", (114.146851818, 4, 76)),
        ("width_depth", "residual", (2.825476600, 8, 152)),
    ],
)
def test_planks_have_the_strata_of_the_original(humidity, effect, error, expected):
    squares, df = sums_of_squares(humidity), FACTS["df"]
    F = squares[effect] / df[effect] / (squares[error] / df[error])
    assert (F, df[effect], df[error]) == pytest.approx(expected, rel=1e-9)


def test_planks_look_like_the_original(humidity):
    """The range to one decimal is the original's; the readings are not rounded ones."""
    design = FACTS["design"]
    assert round(humidity.min(), 1) == design["minimum"]
    assert round(humidity.max(), 1) == design["maximum"]
    assert not np.allclose(humidity, humidity.round(1))


def test_the_script_makes_the_file():
    spec = importlib.util.spec_from_file_location("make_planks", FOLDER / "make_planks.py")
    make_planks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_planks)
    made = [line.split(",") for line in make_planks.planks_csv(FACTS).splitlines()]
    kept = [line.split(",") for line in (FOLDER / "planks.csv").read_text("utf-8").splitlines()]
    assert [row[:3] for row in made] == [row[:3] for row in kept]
    assert made[0] == kept[0]
    # Another BLAS may round the last digit differently.
    np.testing.assert_allclose(
        [float(row[3]) for row in made[1:]], [float(row[3]) for row in kept[1:]], atol=1e-9
    )


# --- The download of the original, from a server of our own ---------------------------------

# Made up, in the form of the original: 2 planks x 1 width x 2 depths.
TABLE = b"plank,width,depth,humidity\r\n2,1,1,4.5\r\n2,1,3,5.5\r\n10,1,1,4.0\r\n10,1,3,6.0\r\n"
BLANKS = TABLE.replace(b",", b"\t").replace(b"\t1\t", b"  1 ")


@pytest.fixture
def server(monkeypatch):
    """Serve TABLE, BLANKS and a table without humidity on a local port."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    pages = {"/table": TABLE, "/blanks": BLANKS, "/other": TABLE.replace(b"humidity", b"mass")}
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            body = pages.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.url = f"http://127.0.0.1:{http.server_port}"
    http.pages, http.requests = pages, requests
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield http
    http.shutdown()
    thread.join()
    http.server_close()


def fetch(server, page: str, folder: Path, sha256: str | None = None) -> pd.DataFrame:
    sha256 = sha256 or hashlib.sha256(server.pages[page]).hexdigest()
    return datasets._original_planks(server.url + page, sha256, folder)


@pytest.mark.parametrize("page", ["/table", "/blanks"])
def test_download(server, tmp_path, page):
    frame = fetch(server, page, tmp_path)
    assert list(frame) == ["plank", "width", "depth", "humidity"]
    assert list(frame["plank"].cat.categories) == ["2", "10"]
    assert list(frame["depth"].cat.categories) == ["1", "3", "5", "7", "9"]
    assert frame["humidity"].to_list() == [4.5, 5.5, 4.0, 6.0]
    assert frame.attrs["units"]["humidity"] == "%"
    assert "original" in frame.attrs["note"].lower()


def test_download_happens_once(server, tmp_path):
    fetch(server, "/table", tmp_path)
    fetch(server, "/table", tmp_path)
    assert server.requests == ["/table"]


def test_download_of_another_file_is_refused(server, tmp_path):
    with pytest.raises(DataError, match=r"checksum differs.*load_planks\(\)"):
        fetch(server, "/table", tmp_path, sha256="0" * 64)


def test_download_without_the_columns_is_refused(server, tmp_path):
    with pytest.raises(DataError, match="has no column 'humidity'"):
        fetch(server, "/other", tmp_path)


def test_download_that_is_not_there(server, tmp_path):
    with pytest.raises(DataError, match="could not be downloaded"):
        fetch(server, "/gone", tmp_path, sha256="0" * 64)


def test_download_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    closed = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    url = f"http://127.0.0.1:{closed.server_port}/table"
    closed.server_close()
    with pytest.raises(DataError, match=r"could not be downloaded.*load_planks\(\)") as caught:
        datasets._original_planks(url, "0" * 64, tmp_path)
    assert "\n" not in str(caught.value)


def test_load_planks_original_uses_the_address_in_the_facts(server, tmp_path, monkeypatch):
    import pooch

    shutil.copy(FOLDER / "planks.csv", tmp_path)
    facts = FACTS | {
        "original_url": server.url + "/table",
        "sha256_of_original_file": hashlib.sha256(TABLE).hexdigest(),
    }
    (tmp_path / "planks_facts.json").write_text(json.dumps(facts), encoding="utf-8")
    use_folder(monkeypatch, tmp_path)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
    assert len(datasets.load_planks(original=True)) == 4
    assert (tmp_path / "mixedteach" / "planks_original.txt").exists()
    assert len(datasets.load_planks()) == 300
