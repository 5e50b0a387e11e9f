"""The app bundle that Flower wants for a run: nothing but a ``pyproject.toml``, since sites run what they installed."""

from __future__ import annotations

from pathlib import Path

import tomli_w

NAME = "fedgraft-plan"  # Flower: letters, digits and hyphens, at most 32
BUNDLE = {
    "project": {"name": NAME, "version": "1.0.0", "description": "A FedGraft plan", "dependencies": []},
    "tool": {
        "flwr": {
            "app": {
                "publisher": "fedgraft",
                "components": {
                    "serverapp": "fedgraft.server.app:app",
                    "clientapp": "fedgraft.client.app.client_app:app",
                },
                "config": {"plan": "{}", "run": "", "resume": "", "extend": ""},
            }
        }
    },
}


def write_bundle(parent: Path) -> Path:
    """Write the app bundle's folder and return it."""
    bundle = parent / NAME
    bundle.mkdir(parents=True, exist_ok=True)
    (bundle / "pyproject.toml").write_text(tomli_w.dumps(BUNDLE), encoding="utf-8")
    return bundle
