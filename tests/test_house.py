"""The house's plan, read from the source: who may import whom, and how long a file and a function may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "conf": {"conf"},
    "common": {"conf", "common"},
    "client": {"conf", "common", "client"},
    "server": {"conf", "common", "server"},
    "simulations": {"conf", "common", "client", "server", "simulations"},
}
FILES = sorted(path.relative_to(ROOT) for folder in MAY_IMPORT for path in (ROOT / folder).rglob("*.py"))
MOST_LINES, MOST_FUNCTION_LINES = 300, 45


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that a file imports, wherever in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write fedgraft.<folder>, not a relative import"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms(source: str) -> set[str]:
    """The folders of fedgraft that a file imports from."""
    modules = (module.split(".") for module in imported(ast.parse(source)))
    return {parts[1] for parts in modules if parts[0] == "fedgraft" and len(parts) > 1}


def test_the_test_sees_every_kind_of_import() -> None:
    inner = "def f():\n from fedgraft import server\n from fedgraft.common.plan.plan import Plan"
    assert rooms(f"import fedgraft.client.app.client_app\n{inner}") == {"client", "server", "common"}


def test_there_are_files_in_every_folder() -> None:
    assert {path.parts[0] for path in FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_imports_only_from_the_rooms_below_it(path: Path) -> None:
    found = rooms((ROOT / path).read_text(encoding="utf-8"))
    assert found <= MAY_IMPORT[path.parts[0]]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_is_short(path: Path) -> None:
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", FILES, ids=str)
def test_its_functions_are_short(path: Path) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [f.name for f in functions if (f.end_lineno or 0) - f.lineno + 1 > MOST_FUNCTION_LINES]
    assert long == []


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: path.name)
def test_a_test_file_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_pickle_is_nowhere() -> None:
    loads = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    users = {
        str(path)
        for path in FILES
        for module in imported(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if module.split(".")[0] in loads
    }
    assert users == set()
