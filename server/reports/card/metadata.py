"""The metadata block of a Hugging Face model card (hub documentation, "Model Cards", specification of metadata)."""

from __future__ import annotations

from typing import Any

from fedgraft.server.reports.page.folder import RunFolder

DATASET = "own"
"""Where the data are a hospital's, and have no name."""
FREE = ("auroc", "auprc", "c_index")
"""Figures that rest on no threshold: nobody would use the others', which is 0.5."""


def metadata(run: RunFolder) -> dict[str, Any]:
    """The block's content. A licence is a decision of people: the card asks for it."""
    test, plan = run.summary["test"], run.plan
    name = plan.data.target.rpartition(".")[2] if plan.data.target else DATASET
    known = {
        key: heading
        for key, heading in run.summary["columns"].items()
        if key in FREE and run.shown(None, key) is not None
    }
    found: dict[str, Any] = {
        "library_name": "fedgraft",
        "tags": ["federated-learning", "medical", plan.data.task, "safetensors"],
        "metrics": list(known),
    }
    results = [{"type": key, "value": test[key], "name": heading} for key, heading in known.items()]
    if results:
        evaluated = {
            "task": {"type": plan.data.task},
            "dataset": {"type": name, "name": name, "split": "test"},
            "metrics": results,
        }
        found["model-index"] = [{"name": f"fedgraft-{run.summary['plan_digest'][:12]}", "results": [evaluated]}]
    return found
