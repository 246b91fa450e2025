"""Imports run one way: each layer of the package knows only itself and those below it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "mixedteach"
LAYERS = [
    {"errors", "lazy", "paths", "progress", "table", "datasets"},
    {"formula", "columns", "design"},
    {"fitting"},
    {"inference"},
    {
        "fixed_effects",
        "fit_checks",
        "prepared",
        "model",
        "general",
        "matrices",
        "classical",
        "comparison",
        "refits",
        "interop",
    },
    {"reproduce", "plot", "power"},
    {"explore", "checks"},
    {"grading", "lab", "slides"},
    {"cli", "__main__"},
]
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def layer(name: str) -> int:
    """Return the number of the layer of a module of the package."""
    return next(i for i, names in enumerate(LAYERS) if name in names)


def imported(tree: ast.Module) -> set[str]:
    """Return the modules of the package imported at run time, wherever the import stands."""
    found = set()
    skip = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skip:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mixedteach."):
            found.add(node.module.split(".")[1])
    return found


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_no_import_runs_upwards(path: Path) -> None:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    own = layer(parts[0])
    for name in imported(ast.parse(path.read_text(encoding="utf8"))):
        assert layer(name) <= own, f"{path.name} imports {name}, which is built on top of it"
