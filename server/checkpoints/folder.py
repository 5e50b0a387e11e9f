"""The checkpoints of a run on disk: ``checkpoint/`` in its folder, the last two rounds, each whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from fedgraft.common import tasks, tensors
from fedgraft.common.errors import BackboneError, CheckpointError, WireError
from fedgraft.common.plan.plan import from_json
from fedgraft.common.runtime.files import append_json, flush, replacing, whole_lines
from fedgraft.server.checkpoints.checkpoint import Checkpoint, checkpoint_from
from fedgraft.server.checkpoints.finished_rounds import round_from, round_values
from fedgraft.server.deployment.folder import CHECKPOINTS, COMPLETE
from fedgraft.server.rounds.state import Round

ROUNDS = "rounds.jsonl"
KEPT = 2


@dataclass(frozen=True)
class Checkpoints:
    """A run's checkpoints.

    Attributes:
        out: the run's folder.
        durable: whether each is on the disk before the run goes on, so that it survives a power cut.
    """

    out: Path
    durable: bool = True

    @property
    def folder(self) -> Path:
        return self.out / CHECKPOINTS

    def begin(self) -> None:
        """Remove those of an earlier run."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, checkpoint: Checkpoint) -> None:
        """Write one; the one before stays, older ones go."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for one in checkpoint.state.rounds[-2:-1]:
            self._add_round(one)
        self._save(checkpoint)
        for old in self.numbers()[:-KEPT]:
            self._file(old).unlink(missing_ok=True)

    def go_on(self, checkpoint: Checkpoint) -> None:
        """Forget what was written after a checkpoint, from which the run goes on, perhaps with another plan."""
        (self.folder / COMPLETE).unlink(missing_ok=True)
        self._only(checkpoint.state.number)
        self._save(checkpoint)

    def _save(self, checkpoint: Checkpoint) -> None:
        named = checkpoint.tensors()
        text = json.dumps(checkpoint.values(), separators=(",", ":"))
        about = {"state": text, "digest": _digest(text, named)}
        tensors.save(self._file(checkpoint.state.number), named, about, durable=self.durable)

    def end(self) -> None:
        """Mark the run as complete, once all its files are written; of the checkpoints the last one stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / COMPLETE).touch()
        for old in self.numbers()[:-1]:
            self._file(old).unlink(missing_ok=True)

    @property
    def ended(self) -> bool:
        """Whether the run is complete, so that there is nothing to resume."""
        return (self.folder / COMPLETE).is_file()

    def numbers(self) -> list[int]:
        """The rounds of which there is a file, ascending."""
        files = self.folder.glob("[0-9]*.safetensors") if self.folder.is_dir() else ()
        return sorted(int(file.stem) for file in files if file.stem.isdecimal())

    def read(self) -> Checkpoint:
        """The last one that is whole.

        Raises:
            CheckpointError: there is none.
        """
        trouble = []
        for number in reversed(self.numbers()):
            try:
                return self.of_round(number)
            except CheckpointError as error:
                trouble.append(str(error))
        reasons = "; ".join(trouble) or f"{self.folder} holds none"
        raise CheckpointError(f"{self.out} can't be resumed: no whole checkpoint ({reasons}); begin the run anew")

    def of_round(self, number: int) -> Checkpoint:
        """
        Raises:
            CheckpointError: it is missing or damaged.
        """
        file = self._file(number)
        try:
            named, about = tensors.load(file), tensors.about(file)
            text = about["state"]
            if about["digest"] != _digest(text, named):
                raise CheckpointError(f"{file} is damaged: its digest is another")
            values = json.loads(text)
            return checkpoint_from(values, named, self._rounds(number, values))
        except (BackboneError, WireError, KeyError, ValueError, TypeError) as error:
            raise CheckpointError(f"{file} can't be read") from error

    def _only(self, number: int) -> None:
        """Forget what was written after a round."""
        for later in self.numbers():
            if later > number:
                self._file(later).unlink()
        lines = self._lines()[:number]
        path = self.folder / ROUNDS
        with replacing(path, durable=self.durable) as partial:
            partial.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06}.safetensors"

    def _add_round(self, one: Round) -> None:
        path = self.folder / ROUNDS
        append_json(path, round_values(one))
        if self.durable:
            flush(path)

    def _rounds(self, number: int, values: Mapping[str, Any]) -> tuple[Round, ...]:
        """The rounds before ``number``, which are over.

        Raises:
            CheckpointError: one is missing.
        """
        task = tasks.of(from_json(values["plan"]).data)
        found = tuple(round_from(line, task) for line in self._lines()[:number])
        if [one.number for one in found] != list(range(number)):
            raise CheckpointError(f"{self.folder / ROUNDS} lacks rounds before {number}")
        return found

    def _lines(self) -> list[dict[str, Any]]:
        """All whole lines; the last one can be cut off."""
        return [json.loads(line) for line in whole_lines(self.folder / ROUNDS)]


def _digest(text: str, named: Mapping[str, Tensor]) -> str:
    return hashlib.sha256((text + tensors.digest(named)).encode()).hexdigest()
