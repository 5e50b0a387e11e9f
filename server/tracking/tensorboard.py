"""A run for TensorBoard, which keeps figures and texts, and no files: of those it gets the names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_CARD = "model-card.md"


class TensorBoard:
    """Writes event files into a folder; those of an earlier run there are removed.

    Args:
        folder: the run's own, in that which ``tensorboard --logdir`` is given.
    """

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter  # an extra

        for file in folder.glob("events.out.tfevents.*"):
            file.unlink()
        self._writer = SummaryWriter(log_dir=str(folder))

    def parameters(self, values: Mapping[str, str]) -> None:
        lines = [f"| {name} | `{value}` |" for name, value in values.items()]
        self._text("plan", "\n".join(["| option | value |", "|---|---|", *lines]))

    def figures(self, values: Mapping[str, float], round_: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, round_)

    def artefacts(self, files: Mapping[str, Path]) -> None:
        self._text("files", "\n".join(f"- {name}: `{path}`" for name, path in files.items()))
        if _CARD in files:
            self._text("model card", files[_CARD].read_text(encoding="utf-8"))

    def close(self, completed: bool) -> None:
        if not completed:
            self._text("files", "The run failed.")
        self._writer.close()

    def _text(self, name: str, text: str) -> None:
        self._writer.add_text(name, text)
