"""The site of docs/: it builds, loads nothing from elsewhere, and a dead link ends the build; so do README's links."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fedgraft.common.causes import CAUSES, CAUSES_HERE

ROOT = Path(__file__).parents[1]
LOADED = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"([^\"]*)|<link\b[^>]*\bhref=\"([^\"]*)")
LOADED_BY_CSS = re.compile(r"(?:@import\s+|url\()\s*[\"']?((?:https?:)?//[^\"')]+)")


def build(root: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A copy of docs/ and its settings."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    return tmp_path


@pytest.mark.processes
def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    done = build(ROOT, tmp_path)
    assert done.returncode == 0, done.stderr
    html = {page: page.read_text(encoding="utf-8") for page in tmp_path.rglob("*.html")}
    assert len(html) > len(list((ROOT / "docs").glob("*.md")))
    loaded = {address for text in html.values() for pair in LOADED.findall(text) for address in pair if address}
    assert loaded
    assert [address for address in loaded if "//" in address] == []
    css = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.css"))
    assert LOADED_BY_CSS.findall(css) == []
    assert [page.name for page, text in html.items() if "```" in text] == [], "a block of code that is not one"


@pytest.mark.processes
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[dead](nowhere.md)", "contains a link 'nowhere.md', but the target is not found"),
        ("[dead](cohort.md#nowhere)", "does not contain an anchor '#nowhere'"),
        ("[dead](#nowhere)", "there is no such anchor on this page"),
        ("![dead](nowhere.png)", "contains a link 'nowhere.png', but the target is not found"),
        ("[dead](../README.md)", "contains a link '../README.md', but the target is not found"),
        ("[dead](/cohort.md)", "contains an absolute link '/cohort.md'"),
    ],
)
def test_a_dead_link_ends_the_build(pages: Path, line: str, said: str) -> None:
    with (pages / "docs" / "planning.md").open("a", encoding="utf-8") as page:
        page.write(f"\n{line}\n")
    done = build(pages, pages / "site")
    assert done.returncode != 0
    assert said in done.stderr


@pytest.mark.processes
def test_a_page_that_no_menu_names_ends_the_build(pages: Path) -> None:
    (pages / "docs" / "lost.md").write_text("# Lost\n", encoding="utf-8")
    done = build(pages, pages / "site")
    assert done.returncode != 0
    assert "lost.md" in done.stderr


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_the_links_of_a_page_beside_docs_lead_somewhere(page: str) -> None:
    for address in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        if not address.startswith("https://"):
            assert (ROOT / address.partition("#")[0]).exists(), address


def test_every_file_that_a_page_names_is_there() -> None:
    """Files of ours in backticks: ``client/images/pixels.py``; in CONTRIBUTING too."""
    named = re.compile(
        r"`((?:client|common|server|simulations|conf|tests|benchmarks|examples)/[\w/.-]+\.(?:py|yaml|ipynb))`"
    )
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    found = {(page.name, name) for page in pages for name in named.findall(page.read_text(encoding="utf-8"))}
    found = {(page, name) for page, name in found if Path(name).stem not in ("ours", "mine")}  # a reader's own
    assert len(found) > 20
    assert sorted((page, name) for page, name in found if not (ROOT / name).exists()) == []


def test_every_code_of_a_failure_is_explained() -> None:
    text = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    told = [*CAUSES.items(), *CAUSES_HERE.items()]
    assert [code for code, advice in told if f"| `{code}` | {advice} |" not in text] == []
