"""Your own images: one CSV file with a column for the hospital, and no class to write.

Here the images are made; a real manifest is a file that you have. For the real size leave out SMALL.
On the command line: fedgraft simulate data=manifest data.path=own/cases.csv data.site=hospital rounds=5
"""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

import fedgraft as fg

SMALL = {"backbone": "timm", "backbone__name": "test_efficientnet", "backbone__pretrained": False}


def make_cases(folder: Path) -> Path:
    """60 images, of which those with a bright square are a lesion, and the manifest that lists them."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    lines = [("path", "label", "patient", "hospital")]
    for number in range(60):
        pixels, ill = rng.integers(0, 120, (48, 48), dtype=np.uint8), number % 3 == 0
        if ill:
            pixels[12:24, 12:24] += 120
        Image.fromarray(pixels).save(folder / f"{number}.png")
        label, hospital = "lesion" if ill else "clear", ("north", "south")[number // 30]
        lines.append((f"{number}.png", label, f"patient-{number // 2}", hospital))
    with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(lines)
    return folder / "cases.csv"


manifest = make_cases(Path("own"))
plan = fg.plan("data=manifest", data={"path": manifest, "site": "hospital", "image_size": 32}, rounds=5, **SMALL)
print(*plan.found, sep="\n")  # the classes that are in the labels
run = fg.simulate(plan, out="runs/own_manifest")
print(run)
