"""``README.md`` of a model folder: what the model is, and how it is used, in a few lines."""

from __future__ import annotations

from fedgraft.common.model_folder.about import About

_TEXT = """\
# A model made by FedGraft

It takes {a} for each case (shape {shape}) and gives {gives}.

- Task: {task}.{classes}
- Backbone: {backbone}. Plan: `plan.yaml` (digest of the run's: `{plan}`).
{site}
```
fedgraft predict FOLDER --manifest new.csv --out predictions.csv
```

```python
import fedgraft as fg

fg.load_model("FOLDER").predict(cases)
```

`digests.json` holds the SHA-256 of every other file; FedGraft refuses the folder if one has changed. Nothing is
pickled: `model.safetensors` are named tensors, all else is text. This is research software, not a medical device.
"""
_OF_A_SITE = (
    "- A part of it stays at each site that trained it: `--site site.yaml` there takes that part from its state.\n"
)


def card(about: About, a: str) -> str:
    """The text of the card.

    Args:
        a: a case with its article (``an image``).
    """
    return _TEXT.format(
        a=a,
        shape=" x ".join(map(str, about.input["shape"])),
        gives="a probability of each class" if about.classes else "a log hazard",
        task=about.task,
        classes=f" Classes: {', '.join(about.classes)}." if about.classes else "",
        backbone=about.backbone,
        plan=about.plan_digest[:12],
        site=_OF_A_SITE if about.needs_its_site else "",
    )
