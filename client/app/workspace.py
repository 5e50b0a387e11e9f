"""What a ClientApp needs for one site and one plan, and what it keeps between messages.

Flower starts a new process for every message of a deployed run, so lasting state is on the site's disk. In a simulation
one `Workspace` serves all sites, which share one copy of the backbone.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from fedgraft.client.approval.coming import require_approved, require_within
from fedgraft.client.approval.decisions import Decisions
from fedgraft.client.cohort.accepted import accept
from fedgraft.client.cohort.enrolment.roll import Roll, roll_of
from fedgraft.client.cohort.enrolment.withdrawn import cohort_of
from fedgraft.client.cohort.inputs import Factories, Inputs, Progress, factory_of, ignore, site_context
from fedgraft.client.features.extraction import FeatureExtractor, load_cohort
from fedgraft.client.features.recall import Recall, Recalled
from fedgraft.client.fence.plan_bounds import require_model_within, require_plan_within, require_steps_within
from fedgraft.client.privacy.required import require_private_plan
from fedgraft.client.secure.vault import InMemory, OnDisk, Vault
from fedgraft.client.secure.way import require_secure
from fedgraft.client.site.machine import machine_of, use_threads
from fedgraft.client.site.role import require_part_in_runs, trains_in
from fedgraft.client.site.row_store import Store
from fedgraft.client.site.site_file import SiteFile, read_site_file
from fedgraft.client.site.timing import Phases
from fedgraft.client.training.loop import LossFunction
from fedgraft.client.training.loss import Losses
from fedgraft.client.training.scaling import scaled
from fedgraft.client.training.session import Session
from fedgraft.client.training.test_time import adapts, model_at
from fedgraft.common import tensors
from fedgraft.common.compression.compression import up_codec
from fedgraft.common.errors import BackboneError, WireError
from fedgraft.common.interfaces.codec import Codec
from fedgraft.common.models.frozen_part import FEATURES
from fedgraft.common.models.model import Model
from fedgraft.common.models.pieces import joined
from fedgraft.common.plan.plan import Plan, from_json
from fedgraft.common.runtime.files import private_folder, replacing
from fedgraft.common.runtime.memory import keep_freed_memory
from fedgraft.common.wire import messages

Built = tuple[Model, dict[str, Tensor], messages.Specs, Codec]
Stores = dict[Path | None, Store]  # by folder; None: in memory
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass
class Workspace:
    """Sessions that are open in this process.

    ``decoded`` and ``computed`` are called with a number of cases; ``phases`` sums up time; ``stores`` keep rows;
    ``wide_losses`` are the float64 copies of ``losses``.
    ``lasting``: whether sites keep their account of what they have told (`fedgraft.client.cohort.enrolment.roll`) on
    their disks; in a simulation, whose sites start anew with each run, it lasts as long as this.
    ``asks``: whether a person at the site must have approved a plan (`fedgraft.client.approval`).
    ``shared_store``: in the place of the store that the site files name, where another machine than theirs computes.
    ``expected``: how many cases all sites of this process have; 0 for a single one's.
    ``lock`` guards the models: sites of one plan share one network, so one message is handled at a time.
    """

    computed: Progress = ignore
    decoded: Progress = ignore
    phases: Phases = field(default_factory=Phases)
    lock: threading.RLock = field(default_factory=threading.RLock)
    stores: Stores = field(default_factory=dict)
    losses: Losses = field(default_factory=dict)
    wide_losses: dict[LossFunction, LossFunction] = field(default_factory=dict)
    lasting: bool = True
    asks: bool = False
    expected: int = 0
    shared_store: Path | None = None
    _vaults: dict[Path, Vault] = field(default_factory=dict)
    _rolls: dict[Path, Roll] = field(default_factory=dict)
    _sites: dict[Path, SiteFile] = field(default_factory=dict)
    _plans: dict[str, Plan] = field(default_factory=dict)
    _models: dict[tuple[str, str, tuple[str, ...], bool], Built] = field(default_factory=dict)
    _verified: set[Path] = field(default_factory=set)
    _factories: Factories = field(default_factory=dict)
    _sessions: dict[tuple[Path, str, int], Session] = field(default_factory=dict)

    def site(self, path: Path) -> SiteFile:
        if path not in self._sites:
            read = read_site_file(path)
            self._sites[path] = read if self.shared_store is None else replace(read, store=self.shared_store)
        return self._sites[path]

    def accept_plan(self, site: SiteFile, plan_json: str, announced: str, backbone_digest: str) -> Plan:
        """Read and keep a plan that the coordinator sent.

        Raises:
            WireError: the plan's digest is not the announced one.
            PlanError: the plan is not valid.
            BoundsError: it asks for more than the site allows.
            SecureError: the site takes part in secure sums only, and the plan has none.
            RoleError: the site takes part in no run.
            UnapprovedError, PlanRefusedError: nobody at the site approved it, or somebody refused it.
        """
        held = self._plans.get(announced)
        plan = held if held is not None and held.to_json() == plan_json else from_json(plan_json)
        if plan.digest != announced:
            raise WireError("the plan does not have the digest that the coordinator announced")
        require_part_in_runs(site)
        require_within(site, plan, keep=self.asks)
        require_secure(plan, site)
        require_private_plan(plan, site)
        if self.asks:
            require_approved(site, plan)
        _replace(_plan_file(site, announced), f"{'+'.join(_digests(backbone_digest))}\n{plan_json}")
        self._plans[announced] = plan
        return plan

    def lacks(self, site: SiteFile, backbone: str) -> tuple[str, ...]:
        """The digests of the networks that the site does not hold intact; a damaged file is removed, so that it is sent
        again.

        Args:
            backbone: the digests of its networks, joined by ``+``.
        """
        return tuple(digest for digest in dict.fromkeys(_digests(backbone)) if not self._has(site, digest))

    def _has(self, site: SiteFile, digest: str) -> bool:
        path = _backbone_file(site, digest)
        return (path in self._verified and path.is_file()) or self._backbone(path, digest) is not None

    def _backbone(self, path: Path, digest: str) -> dict[str, Tensor] | None:
        """A backbone's tensors if its file is intact; else remove the file and return ``None``."""
        try:
            state = tensors.load(path) if path.is_file() else None
        except BackboneError:
            state = None
        if state is not None and (path in self._verified or tensors.digest(state) == digest):
            self._verified.add(path)
            return state
        path.unlink(missing_ok=True)
        return None

    def accept_backbone(self, site: SiteFile, backbone: str, states: Mapping[str, dict[str, Tensor]]) -> None:
        """Verify and keep the networks that the site lacks.

        Args:
            backbone: the announced digests, joined by ``+``.
            states: what came, by digest.

        Raises:
            BackboneError: one that it lacks did not come, or does not have its digest.
        """
        for digest in self.lacks(site, backbone):
            if digest not in states or tensors.digest(states[digest]) != digest:
                raise BackboneError("the backbone received does not have the announced digest; nothing was kept")
            tensors.save(_backbone_file(site, digest), states[digest])

    def open(self, path: Path, plan_digest: str, run: int) -> Session:
        """The session of a site and a plan, for one message.

        Raises:
            WireError: the site has not received the plan.
            BackboneError: the site has not received the backbone.
            DataError: the cohort can't be used.
        """
        key = (path, plan_digest, run)
        if key not in self._sessions:
            self._sessions[key] = self._open(self.site(path), plan_digest, run)
        session = self._sessions[key]
        # a head on stored features is too small for several threads
        use_threads(1 if session.model.constant.what == FEATURES else session.machine.threads)
        return session

    def _open(self, site: SiteFile, plan_digest: str, run: int) -> Session:
        machine = machine_of(site)
        use_threads(machine.threads)
        keep_freed_memory()
        with self.phases.of("build"):
            backbone_digest, plan = self._held(site, plan_digest)
            require_plan_within(plan, site.bounds)
            model, initial, specs, codec = self._model(site, plan, backbone_digest, machine.device)
            require_model_within(model, site.bounds)
        inputs = self.inputs(site, plan)
        extractor = FeatureExtractor(
            plan, model, backbone_digest, inputs, self.store(site), machine, self._count, self.expected
        )
        with self.phases.of("cohort"), cohort_of(site) as listed:
            trains, roll = trains_in(site, plan), self.roll(site)
            recall = Recall(site.state, run, extractor)
            lasts = None if roll.file is None else recall.of
            accepted = accept(listed, plan, inputs, site.state, trains, roll, run, lasts)
            require_steps_within(plan, len(accepted.splits["train"].cases), site.bounds)
            if accepted.recalled:
                extractor = replace(extractor, inputs=Recalled(inputs, accepted.recalled))
            cohort = load_cohort(accepted, extractor, trains)
            if lasts is not None:
                recall.keep(accepted, extractor, trains)
        cohort, scaling = scaled(cohort, model, initial, plan, trains, machine.device)
        return Session(site, plan, run, model, initial, accepted, cohort, specs, codec, machine, self.phases, scaling)

    def inputs(self, site: SiteFile, plan: Plan) -> Inputs:
        """The inputs that turn a site's cases into tensors for the plan's network."""
        context = site_context(plan, site, self.store(site), self.decoded)
        return factory_of(context.kind, site.trusted, self._factories).inputs(context)

    def vault(self, site: SiteFile) -> Vault:
        """What a site remembers of secure sums; where ``lasting`` says."""
        if site.state not in self._vaults:
            self._vaults[site.state] = OnDisk(site.state) if self.lasting else InMemory()
        return self._vaults[site.state]

    def roll(self, site: SiteFile) -> Roll:
        """Who is in which part of a site's cohort, and its account."""
        if site.state not in self._rolls:
            self._rolls[site.state] = roll_of(site, self.lasting)
        return self._rolls[site.state]

    def _count(self, cases: int) -> None:
        self.phases.computed += cases
        self.computed(cases)

    def store(self, site: SiteFile) -> Store:
        """The store of decoded images and features; sites with the same folder share it."""
        folder = site.shared_store / "kept" if site.keep == "disk" else None
        if folder not in self.stores:
            self.stores[folder] = Store(folder)
        return self.stores[folder]

    def plan(self, site: SiteFile, digest: str) -> Plan:
        """A plan that the site was prepared for.

        Raises:
            WireError: it was not.
        """
        path = _plan_file(site, digest)
        if not path.is_file():
            raise WireError("this site was not prepared for the plan; the coordinator must send `prepare` first")
        if self.asks:
            Decisions(site).require(digest)
        if digest not in self._plans:
            plan = from_json(path.read_text(encoding="utf-8").partition("\n")[2])
            if plan.digest != digest:
                raise WireError("the kept plan is damaged; prepare again")
            self._plans[digest] = plan
        return self._plans[digest]

    def receipt(self, site: SiteFile, digest: str) -> str:
        """The JSON of the site's consent receipt for a plan; empty if nobody is asked."""
        return Decisions(site).receipt(digest) if self.asks else ""

    def _held(self, site: SiteFile, digest: str) -> tuple[str, Plan]:
        plan = self.plan(site, digest)
        return _plan_file(site, digest).read_text(encoding="utf-8").partition("\n")[0], plan

    def _model(self, site: SiteFile, plan: Plan, backbone_digest: str, device: torch.device) -> Built:
        key = (plan.digest, backbone_digest, site.allow, adapts(plan, site.name))
        if key not in self._models:
            held = [self._backbone(_backbone_file(site, one), one) for one in _digests(backbone_digest)]
            if None in held:
                raise BackboneError("the plan's backbone is not on this site's disk, or damaged; prepare again")
            allowed = site.trusted
            model = model_at(site.name, plan, joined([one for one in held if one is not None], plan), allowed)
            model.network.to(device)
            received = model.tensors(model.received)
            initial = {**received, **model.tensors(model.names("local"))}
            self._models[key] = (model, initial, messages.specs_of(received), up_codec(plan.compression, allowed))
        return self._models[key]


def _plan_file(site: SiteFile, digest: str) -> Path:
    return site.state / f"plans/{_digest(digest)}.json"


def _backbone_file(site: SiteFile, digest: str) -> Path:
    return site.shared_store / "backbones" / f"{_digest(digest)}.safetensors"


def _digest(text: str) -> str:
    """``text`` if it is a SHA-256 in hex; checked because it came over the wire and becomes part of a path."""
    if not _DIGEST.fullmatch(text):
        raise WireError("a digest must be 64 hexadecimal digits")
    return text


def _digests(backbone: str) -> list[str]:
    """The digests of a backbone's networks."""
    return [_digest(one) for one in backbone.split("+")]


def _replace(path: Path, text: str) -> None:
    private_folder(path.parent)
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
