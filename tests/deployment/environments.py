"""Virtual environments of their own for hospitals on one machine: other programs, the same packages on disk."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import fedgraft


def own_environment(folder: Path) -> Path:
    """A new virtual environment in ``folder`` that holds Flower's programs and finds this one's packages.

    Returns:
        its Python.
    """
    venv.create(folder, symlinks=True)
    python, here = folder / "bin" / "python", Path(sys.executable).parent
    packages = [path for path in sys.path if Path(path).name == "site-packages"]
    source = str(Path(fedgraft.__file__).parent.parent)
    (found,) = folder.glob("lib/python*/site-packages")
    (found / "packages.pth").write_text("\n".join([source, *packages]) + "\n", encoding="utf-8")
    for program in (*here.glob("flower*"), *here.glob("flwr*")):
        own = python.parent / program.name
        own.write_text(program.read_text(encoding="utf-8").replace(str(here), str(python.parent)), encoding="utf-8")
        own.chmod(0o755)
    return python
