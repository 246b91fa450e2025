"""One list of dependencies, one version, one test command: the places that repeat them agree."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import mixedteach

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# Where conda-forge has another name (there the plain name pulls in Qt as well).
CONDA_NAMES = {"matplotlib": "matplotlib-base"}
# What is imported under another name than it is installed, or comes with something we ask for.
IMPORTED_FROM = {
    "yaml": "pyyaml", "IPython": "ipywidgets", "requests": "pooch", "PIL": "matplotlib",
    "nbconvert": "jupyterlab", "nbformat": "jupyterlab", "pygments": "jupyterlab",
    "traitlets": "jupyterlab", "sqlalchemy": "nbgrader",
}  # fmt: skip


def pinned(lines: list[str]) -> dict[str, str]:
    requirements = [Requirement(line) for line in lines]
    return {r.name: str(r.specifier) for r in requirements}


def test_environment_mirrors_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda = [line for line in environment["dependencies"] if isinstance(line, str)]
    expected = {CONDA_NAMES.get(n, n): v for n, v in pinned(PROJECT["dependencies"]).items()}
    expected |= {"python": PROJECT["requires-python"], "pip": ""}
    assert pinned(conda) == expected
    (pip,) = (line["pip"] for line in environment["dependencies"] if isinstance(line, dict))
    assert pip == ["-e ."]
    assert environment["name"] == PROJECT["name"]


def test_one_version():
    assert mixedteach.__version__ == PROJECT["version"]
    try:
        installed = importlib.metadata.version("mixedteach")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("mixedteach is run from a clone, not installed")
    assert installed == PROJECT["version"], "an old copy is installed: install again"


def imports(path: Path) -> set[str]:
    """Return the top-level names of the modules that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def test_everything_imported_is_declared():
    extras = PROJECT["optional-dependencies"]
    declared = {name.lower() for name in pinned([*PROJECT["dependencies"], *extras["cluster"]])} | {
        Requirement(line).name for line in extras["grading"]
    }
    used = set().union(*(imports(path) for path in (ROOT / "mixedteach").rglob("*.py")))
    foreign = used - set(sys.stdlib_module_names) - {"mixedteach"}
    assert {IMPORTED_FROM.get(name, name).lower() for name in foreign} <= declared


def test_jupyterlab_finds_the_setting_that_saves_widgets(tmp_path, monkeypatch):
    from jupyter_server.services.config.manager import ConfigManager

    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]
    ((source, target),) = build["build"]["targets"]["wheel"]["shared-data"].items()
    place = tmp_path / Path(target).relative_to("etc/jupyter")
    place.parent.mkdir(parents=True)
    place.write_bytes((ROOT / source).read_bytes())
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path))
    found = ConfigManager(config_dir_name="labconfig").get("default_setting_overrides")
    assert found["@jupyter-widgets/jupyterlab-manager:plugin"] == {"saveState": True}


def test_every_core_dependency_has_a_lower_bound():
    assert all(v.startswith(">=") for v in pinned(PROJECT["dependencies"]).values())


def test_whoever_tests_has_what_slides_need():
    extras = PROJECT["optional-dependencies"]
    assert set(extras["slides"]) <= set(extras["test"])
    text = (ROOT / "mixedteach" / "slides.py").read_text(encoding="utf-8")
    assert "pip install " + " ".join(pinned(extras["slides"])) in text


def test_whoever_tests_has_what_grading_needs():
    extras = PROJECT["optional-dependencies"]
    assert set(extras["grading"]) <= set(extras["test"])
    for name in ("generate", "gradebook"):
        text = (ROOT / "mixedteach" / "grading" / f"{name}.py").read_text(encoding="utf-8")
        assert "pip install " + " ".join(pinned(extras["grading"])) in text


def test_readme_and_ci_give_the_same_test_command():
    command = re.search(
        r"^readme_command='(.+)'$", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.M
    ).group(1)
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")


def test_licences_are_where_the_metadata_says():
    assert all((ROOT / name).exists() for name in PROJECT["license-files"])
