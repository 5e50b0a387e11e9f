"""``import fedgraft``: what it offers, and that importing it costs nothing."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import fedgraft as fg

HEAVY = ("torch", "hydra", "flwr", "numpy", "rich", "pandas", "pydantic")
FRESH = f"""
import sys
import fedgraft as fg
assert set(dir(fg)) >= set(fg.__all__), dir(fg)
print(fg.__version__, *[name for name in {HEAVY!r} if name in sys.modules])
assert fg.choices("head")[:2] == ["attention", "cosine"]
print(*[name for name in ("torch", "flwr") if name in sys.modules])
"""


def test_importing_it_loads_nothing_and_choosing_loads_neither_torch_nor_flower() -> None:
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()) == (0, [version("fedgraft"), ""]), done.stderr


def test_all_that_it_offers_is_there_and_every_name_is_what_type_checkers_are_told() -> None:
    """The block under TYPE_CHECKING and the table that is used at run time say the same."""
    tree = ast.parse(Path(fg.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    told = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert [*fg.__all__] == sorted(fg.__all__)
    assert {*told, "__version__"} == set(fg.__all__)
    for name, (module, within) in told.items():
        assert getattr(fg, name) is getattr(importlib.import_module(str(module)), within)


def test_another_name_is_refused_and_what_there_is_is_named() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'simulated'; it offers BackboneError, .*study"):
        fg.simulated  # noqa: B018
