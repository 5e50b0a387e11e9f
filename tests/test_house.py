"""The rules of the house, read from the source: who may import whom, and how large a folder, a file and a function are.

Each test looks at all files and names every offender. An import counts wherever it stands: at the top of a file, in a
function, or under ``TYPE_CHECKING``.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLOORS = {
    "conf": (),
    "common": ("conf",),
    "client": ("conf", "common"),
    "server": ("conf", "common"),
    "simulations": ("conf", "common", "client", "server"),
}
"""Floors, and those that each stands on."""
ROOMS = {
    "conf": "",
    "common": "cli commands web drawing model_folder models kinds losses compression parcel wire secure exact fair "
    "robust adaptation heads features tables harmonisation alignment sampling personalisation familiarity "
    "decisions calibration privacy plan tasks logs membership tensors runtime interfaces records installed "
    "seeding truth plain_yaml posix errors causes merged_bins",
    "client": "cli commands console overview joining membership withdrawal review own_report check deidentification "
    "app privacy export prediction explanation structured_report training features images tables text augmentation "
    "notes deployment approval cohort audit account fence secure site",
    "server": "cli commands console watching app preflight checkpoints reports evidence rounds exact patience bounds "
    "secure exchange aggregation weights audit deployment tracking",
    "simulations": "commands demo api study audit engine planning clock federation datasets",
}
"""Each floor's rooms (folders with all that is in them, and files that lie loose), the ground last: a room may import
those after it."""
MOST_MODULES, MOST_LINES, MOST_FUNCTION_LINES = 16, 300, 45
UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
"""They run code that a file names; weights and arrays are kept as safetensors."""


def imported(tree: ast.AST) -> Iterator[str]:
    """Every name that a file imports, dotted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write fedgraft.<folder>, not a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(path: Path) -> str:
    """``common/tasks/__init__.py`` -> ``common.tasks``."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def sources() -> Mapping[str, Path]:
    """The house's files by module."""
    return {module_of(path): path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def graph() -> Mapping[str, frozenset[str]]:
    """The house's modules, and those that each imports."""
    return {module: frozenset(_ours(module, path)) for module, path in sources().items()}


def _ours(module: str, path: Path) -> Iterator[str]:
    for name in imported(tree_of(path)):
        floor, _, found = name.partition(".")
        while floor == "fedgraft" and found and found not in sources():
            found = found.rpartition(".")[0]  # a name in a module
        if floor == "fedgraft" and found and found != module:
            yield found


def circle(arrows: Mapping[str, frozenset[str]]) -> list[str]:
    """A circle of names that each point to the next, if there is one."""
    done: set[str] = set()

    def search(name: str, way: list[str]) -> list[str]:
        if name in way:
            return way[way.index(name) :]
        if name not in done:
            for following in sorted(arrows.get(name, ())):
                if found := search(following, [*way, name]):
                    return found
            done.add(name)
        return []

    return next((found for name in sorted(arrows) if (found := search(name, []))), [])


def room_of(module: str) -> tuple[str, str]:
    floor, _, rest = module.partition(".")
    return floor, rest.partition(".")[0]


def test_the_tests_see_every_kind_of_import_and_circle() -> None:
    inner = "def f():\n from fedgraft import server\nif TYPE_CHECKING:\n from fedgraft.common.plan.plan import Plan"
    found = set(imported(ast.parse(f"import fedgraft.client.app.client_app\n{inner}")))
    assert found == {"fedgraft.client.app.client_app", "fedgraft.server", "fedgraft.common.plan.plan.Plan"}
    assert "server.rounds.state" in graph()["server.rounds.loop"]
    assert circle({"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset()}) == []
    assert circle({"a": frozenset("b"), "b": frozenset("cd"), "d": frozenset("b")}) == ["b", "d"]


def test_every_room_is_in_the_plan() -> None:
    found = {room_of(module) for module in sources()} - {(floor, "") for floor in FLOORS}
    assert found == {(floor, room) for floor in FLOORS for room in ROOMS[floor].split()}


def test_a_floor_imports_only_those_that_it_stands_on() -> None:
    arrows = [(module, found) for module, those in graph().items() for found in those]
    may = {floor: {floor, *below} for floor, below in FLOORS.items()}
    assert [(a, b) for a, b in arrows if room_of(b)[0] not in may[room_of(a)[0]]] == []


def test_a_room_imports_only_those_below_it() -> None:
    arrows = [(module, found) for module, those in graph().items() for found in those]
    place = {(floor, room): k for floor in FLOORS for k, room in enumerate(["", *ROOMS[floor].split()])}
    within = [(a, b) for a, b in arrows if room_of(a)[0] == room_of(b)[0]]
    assert [(a, b) for a, b in within if place[room_of(b)] < place[room_of(a)]] == []


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circle(graph()) == []


def test_a_folder_holds_few_modules() -> None:
    modules = Counter(str(path.parent.relative_to(ROOT)) for path in sources().values() if path.name != "__init__.py")
    assert {folder: count for folder, count in modules.items() if count > MOST_MODULES} == {}


def test_files_are_short() -> None:
    paths = [*sources().values(), *(ROOT / "tests").rglob("*.py")]
    lines = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in paths}
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}


def test_functions_are_short() -> None:
    functions = [
        (f"{module}.{node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for module, path in sources().items()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [(name, lines) for name, lines in functions if lines > MOST_FUNCTION_LINES] == []


def test_files_and_folders_say_what_they_are_for() -> None:
    assert [module for module, path in sources().items() if not ast.get_docstring(tree_of(path))] == []
    folders = {path.parent for path in sources().values()}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_nothing_is_unpickled() -> None:
    users = [(m, name) for m, path in sources().items() for name in imported(tree_of(path))]
    assert [(module, name) for module, name in users if name.split(".")[0] in UNSAFE] == []
