"""What an exported file says of itself."""

from __future__ import annotations

import json
from importlib.metadata import version

from fedgraft.client.export.whole import CALIBRATED, WholeModel
from fedgraft.common import tasks


def metadata(whole: WholeModel) -> dict[str, str]:
    """What the file says of itself: what goes in, what comes out, and whose calibration it has."""
    loaded, task = whole.loaded, tasks.of(whole.loaded.plan.data)
    told = {
        "version": version("fedgraft"),
        "plan_digest": loaded.folder.about.plan_digest,
        "shared_digest": loaded.folder.about.shared_digest,
        "task": task.name,
        "classes": json.dumps(task.classes, ensure_ascii=False),
        "outputs": json.dumps(task.output_names, ensure_ascii=False),
        **{f"input.{key}": value for key, value in whole.preparation.said.items()},
    }
    if CALIBRATED in whole.names and loaded.calibration is not None:
        site = None if loaded.site is None else loaded.site.name
        whose = "its site's own" if site in loaded.calibration.sites else "that of all sites together"
        told["calibration"] = f"{loaded.calibration.method}: {whose}"
    return told
