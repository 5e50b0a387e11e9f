"""The session of one site in one run: everything that answering a message needs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from fedgraft.client.account.privacy import PrivacyAccount
from fedgraft.client.cohort.accepted import AcceptedCohort
from fedgraft.client.features.examples import Examples
from fedgraft.client.features.extraction import Cohort
from fedgraft.client.fence.few_patients import too_few
from fedgraft.client.fence.patients import Patients
from fedgraft.client.site.log_names import RELEASED
from fedgraft.client.site.machine import Machine
from fedgraft.client.site.own_tensors import local_file, run_files
from fedgraft.client.site.role import trains_in
from fedgraft.client.site.round_files import begin_round
from fedgraft.client.site.site_file import SiteFile
from fedgraft.client.site.timing import Phases
from fedgraft.client.training.before_head import head_of
from fedgraft.client.training.full_batch import FullBatch, full_batch
from fedgraft.client.training.sampling import Sampling, sampler_of, with_synthesised
from fedgraft.client.training.scaling import Scaling
from fedgraft.common import tensors
from fedgraft.common.errors import FewPatientsError, RoleError, WireError
from fedgraft.common.exact.suitability import path_of
from fedgraft.common.interfaces.codec import Codec
from fedgraft.common.interfaces.personalisation import Personalisation, TrainsCopy
from fedgraft.common.interfaces.sampler import Sampler
from fedgraft.common.models.model import Model
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages

_NUMBERS_AT_ONCE = 1 << 14
"""Of features: what is larger leaves holes in memory beside what stays of each site, and the next does not fit in."""


@dataclass(frozen=True)
class Session:
    """One site in one run.

    Attributes:
        site: the site file.
        run: Flower's run id.
        model: the plan's model; sites of one process share it.
        initial: the untrained model's shared and local tensors.
        accepted: the site's cases.
        cohort: the network's inputs for these cases, by split.
        specs: shapes and dtypes of the shared tensors.
        codec: encodes updates.
        scaling: scales features; ``None`` if the plan does not.
    """

    site: SiteFile
    plan: Plan
    run: int
    model: Model
    initial: dict[str, Tensor]
    accepted: AcceptedCohort
    cohort: Cohort
    specs: messages.Specs
    codec: Codec
    machine: Machine
    phases: Phases
    scaling: Scaling | None = None

    @property
    def device(self) -> torch.device:
        return self.machine.device

    @cached_property
    def sampler(self) -> Sampler | None:
        return sampler_of(self._sampling)

    @cached_property
    def training(self) -> Examples:
        """The examples to train on: the training cases, and perhaps synthesised ones, which do not count as cases."""
        return with_synthesised(self.cohort["train"], self._sampling, self.plan.seed, self.site.name)

    @cached_property
    def full_batch(self) -> FullBatch:
        """The training cases as the head takes them, with what the network holds when this is first asked for: nothing
        before the head may change afterwards."""
        dtype = getattr(torch, self.precision)
        return full_batch(self.model.constant.trained, self.cohort["train"], self.device, dtype)

    @cached_property
    def precision(self) -> str:
        """The dtype of outputs, weights and gradients under ``strategy=exact``, by name; ``float64`` under others."""
        path = path_of(self.plan, self.site.trusted)
        return "float64" if path is None else path.precision

    @cached_property
    def told(self) -> PrivacyAccount:
        """What this site has told with noise."""
        return PrivacyAccount(self.site.state, durable=self.accepted.account.roll.file is not None)

    @cached_property
    def patients(self) -> tuple[str, ...]:
        """The patient of each training case."""
        return self.accepted.splits["train"].patients

    @cached_property
    def abstains(self) -> str:
        """The code of why the site sends nothing of training cases though the plan lets it train: its role, or too few
        patients; else ``""``."""
        if self.site.name in self.plan.hold_out:
            return ""
        if self.held_out:
            return RoleError.code
        return FewPatientsError.code if too_few(self.patients, self.site.release.patients) else ""

    @property
    def told_cases(self) -> int:
        """How many training cases an update says that it rests on; with ``privacy=site`` each site counts as one."""
        return 1 if self.plan.privacy.by_site else len(self.cohort["train"])

    @property
    def held_out(self) -> bool:
        """Whether this site never trains: by the plan, or by its own role."""
        return not trains_in(self.site, self.plan)

    def generator(self, server_round: int, use: str = "") -> torch.Generator:
        """A generator seeded by the plan's seed, the site's name, the round, and what it is used for."""
        text = f"{self.plan.seed}|{self.site.name}|{server_round}{use}"
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
        return torch.Generator().manual_seed(seed)

    @cached_property
    def grouped(self) -> Patients:
        """The patients of the training cases, as sums over them are kept."""
        return Patients(self.patients)

    def lengths(self) -> Tensor:
        """The length of each training example, view 0, as the weights of the head see it, ``(N,)`` float32."""
        change = None if self.training.change is None else self.training.change.same_for
        if change not in self._known_lengths:
            made = getattr(head_of(self.model.constant.trained), "inputs", None) or (lambda rows: rows)
            size = max(1, _NUMBERS_AT_ONCE // self.training.stored[0].numel())
            parts = torch.arange(len(self.training)).split(size)
            norms = [torch.linalg.vector_norm(made(self.training.batch(part)).flatten(1), dim=1) for part in parts]
            self._known_lengths.clear()
            self._known_lengths[change] = torch.cat(norms)
        return self._known_lengths[change]

    @cached_property
    def _known_lengths(self) -> dict[object, Tensor]:
        """By what is done to the features."""
        return {}

    @cached_property
    def comes_trained(self) -> tuple[str, ...]:
        """Names of the tensors that come with a message and are trained: none that is given, and no statistics."""
        return tuple(name for name in self.model.names("shared") if name in self.model.trained)

    @cached_property
    def _sampling(self) -> Sampling:
        found: Sampling = parts.chosen(self.plan.sampling, "sampling", self.site.trusted)
        return found

    @cached_property
    def personal(self) -> Personalisation | None:
        found: Personalisation | None = parts.chosen(self.plan.personal, "personal", self.site.trusted)
        return found

    @cached_property
    def local_file(self) -> Path:
        return local_file(self.site.state, self.plan.digest, self.run)

    @cached_property
    def release_log(self) -> Path:
        return self.site.state / RELEASED

    def begin_round(self, number: int) -> None:
        """Start a round from the state before it, also if it was begun already (`fedgraft.client.site.round_files`).

        Raises:
            CheckpointError: the site has gone on to later rounds, and no longer has that state.
        """
        files = self._changing_files
        if files:
            begin_round(files, self.local_file.parent / "before" / self.local_file.stem, number)

    @cached_property
    def _changing_files(self) -> tuple[Path, ...]:
        """All files that a round can change; none if the plan leaves nothing at the site."""
        local, given = self.model.names("local"), self.model.names("given")
        copies = isinstance(self.personal, TrainsCopy)
        if not local and not given and not copies and self.plan.compression.target is None:
            return ()
        return run_files(self.local_file)

    def local_tensors(self) -> dict[str, Tensor]:
        """The site's local tensors as of its last round in this run, or their initial values."""
        names = self.model.names("local")
        if not names:
            return {}
        held = tensors.load(self.local_file) if self.local_file.is_file() else {}
        own = {} if self.scaling is None else self.scaling.local
        return {name: own[name] if name in own else held.get(name, self.initial[name]) for name in names}

    def receive(self, received: Mapping[str, Tensor]) -> None:
        """Scale features as the received tensors say."""
        if self.scaling is not None:
            self.scaling.receive(received)

    def load(self, received: Mapping[str, Tensor]) -> None:
        """Load the received tensors and this site's local ones into the network."""
        self.receive(received)
        self.model.load({**received, **self.local_tensors()})

    def residual(self) -> dict[str, Tensor]:
        """The compression errors that error feedback has still to add; empty if there are none."""
        if self.plan.compression.target is None:
            return {}
        return tensors.load(self._residual_file) if self._residual_file.is_file() else {}

    def keep_residual(self, residual: Mapping[str, Tensor]) -> None:
        if residual:
            tensors.save(self._residual_file, residual)

    @cached_property
    def _residual_file(self) -> Path:
        return run_files(self.local_file)[2]

    def keep_given(self, received: Mapping[str, Tensor]) -> None:
        """Keep the given tensors: not every message brings them."""
        given = {name: received[name] for name in self.model.names("given")}
        if given:
            tensors.save(self._given_file, given)

    def kept_given(self) -> dict[str, Tensor]:
        """The given tensors that came last.

        Raises:
            WireError: none have come.
        """
        if not self.model.names("given"):
            return {}
        if not self._given_file.is_file():
            raise WireError("the tensors that scale features never came; the coordinator must send them first")
        return tensors.load(self._given_file)

    @cached_property
    def _given_file(self) -> Path:
        return run_files(self.local_file)[3]

    def keep_scale(self) -> None:
        """Keep the site's own scale beside its other local tensors: who never trains keeps nothing else."""
        if self.model.has_local_scale:
            self.keep_local_tensors()

    def keep_local_tensors(self) -> None:
        names = self.model.names("local")
        if names:
            tensors.save(self.local_file, self.model.tensors(names))
